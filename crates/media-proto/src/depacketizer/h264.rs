//! RFC 6184: single NAL units, STAP-A and FU-A. The forms of interleaved mode are not taken.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Kinds, aggregated};
use crate::{Error, RtpPacket, h264::nal_type};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) fn nals(packets: &[RtpPacket]) -> Vec<Bytes> {
    let mut nals = Vec::with_capacity(packets.len());
    let mut fragments: Option<BytesMut> = None;
    for RtpPacket { payload, .. } in packets {
        let Some(&first) = payload.first() else { continue };
        match first & 0x1f {
            1..=23 => nals.push(payload.clone()),
            STAP_A => nals.extend(aggregated(payload, 1).map(|nal| payload.slice_ref(nal))),
            FU_A => {
                let Some(&header) = payload.get(1) else { continue };
                let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
                if start {
                    let mut nal = BytesMut::with_capacity(payload.len() * 4);
                    nal.put_u8(first & 0xe0 | header & 0x1f);
                    fragments = Some(nal);
                }
                if let Some(nal) = &mut fragments {
                    nal.extend_from_slice(payload.get(2..).unwrap_or_default());
                }
                if end && let Some(nal) = fragments.take() {
                    nals.push(nal.freeze());
                }
            }
            _ => {}
        }
    }
    nals
}

pub(super) fn types(payload: &[u8]) -> Kinds {
    match payload.first().map(|first| first & 0x1f) {
        Some(STAP_A) => Kinds::of(aggregated(payload, 1).map(nal_type)),
        Some(FU_A) => Kinds::of(payload.get(1).filter(|header| *header & 0x80 != 0).map(|header| header & 0x1f)),
        kind => Kinds::of(kind),
    }
}

/// RFC 6184 table 1.
pub(super) fn check(payload: &[u8]) -> Result<(), Error> {
    match nal_type(payload) {
        25 => Err(Error::Unsupported("the H.264 packet form STAP-B")),
        26 => Err(Error::Unsupported("the H.264 packet form MTAP16")),
        27 => Err(Error::Unsupported("the H.264 packet form MTAP24")),
        29 => Err(Error::Unsupported("the H.264 packet form FU-B")),
        0 | 30 | 31 => Err(Error::malformed("H.264 packet", "its NAL unit type is reserved")),
        FU_A if payload.len() < 3 => Err(Error::malformed("H.264 packet", "a fragment without content")),
        _ => Ok(()),
    }
}
