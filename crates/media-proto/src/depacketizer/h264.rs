//! RFC 6184: single NAL units, STAP-A and FU-A. The forms of interleaved mode are not taken.

use bytes::{BufMut, Bytes, BytesMut};

use super::aggregated;
use crate::RtpPacket;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) fn nals(packets: &[RtpPacket]) -> Vec<Bytes> {
    let mut nals = Vec::with_capacity(packets.len());
    let mut fragments: Option<BytesMut> = None;
    for RtpPacket { payload, .. } in packets {
        let Some(&first) = payload.first() else { continue };
        match first & 0x1f {
            1..=23 => nals.push(payload.clone()),
            STAP_A => nals.extend(aggregated(payload, 1)),
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

pub(super) fn types(payload: &[u8]) -> Vec<u8> {
    match payload.first().map(|first| first & 0x1f) {
        Some(STAP_A) => {
            aggregated(&Bytes::copy_from_slice(payload), 1).iter().map(|nal| crate::h264::nal_type(nal)).collect()
        }
        Some(FU_A) => {
            payload.get(1).filter(|header| *header & 0x80 != 0).map(|header| header & 0x1f).into_iter().collect()
        }
        Some(kind) => vec![kind],
        None => vec![],
    }
}
