//! RFC 7798: single NAL units, aggregation packets and fragmentation units, without DONL fields.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Kinds, aggregated};
use crate::{
    Error, RtpPacket,
    h265::{AGGREGATION, FRAGMENTATION, nal_type},
};

pub(super) fn nals(packets: &[RtpPacket]) -> Vec<Bytes> {
    let mut nals = Vec::with_capacity(packets.len());
    let mut fragments: Option<BytesMut> = None;
    for RtpPacket { payload, .. } in packets {
        let Some(&[first, second]) = payload.first_chunk::<2>() else { continue };
        match nal_type(payload) {
            AGGREGATION => nals.extend(aggregated(payload, 2).map(|nal| payload.slice_ref(nal))),
            FRAGMENTATION => {
                let Some(&header) = payload.get(2) else { continue };
                if header & 0x80 != 0 {
                    let mut nal = BytesMut::with_capacity(payload.len() * 4);
                    nal.put_slice(&[first & 0x81 | (header & 0x3f) << 1, second]);
                    fragments = Some(nal);
                }
                if let Some(nal) = &mut fragments {
                    nal.extend_from_slice(payload.get(3..).unwrap_or_default());
                }
                if header & 0x40 != 0
                    && let Some(nal) = fragments.take()
                {
                    nals.push(nal.freeze());
                }
            }
            _ => nals.push(payload.clone()),
        }
    }
    nals
}

pub(super) fn types(payload: &[u8]) -> Kinds {
    match nal_type(payload) {
        AGGREGATION => Kinds::of(aggregated(payload, 2).map(nal_type)),
        FRAGMENTATION => Kinds::of(payload.get(2).filter(|header| *header & 0x80 != 0).map(|header| header & 0x3f)),
        kind => Kinds::of([kind]),
    }
}

/// RFC 7798 section 4.4.
pub(super) fn check(payload: &[u8]) -> Result<(), Error> {
    match nal_type(payload) {
        50 => Err(Error::Unsupported("the H.265 packet form PACI")),
        51.. => Err(Error::malformed("H.265 packet", "its NAL unit type is not specified")),
        FRAGMENTATION if payload.len() < 4 => Err(Error::malformed("H.265 packet", "a fragment without content")),
        _ => Ok(()),
    }
}
