//! RFC 7798: single NAL units, aggregation packets and fragmentation units, without DONL fields.

use bytes::{BufMut, Bytes, BytesMut};

use super::aggregated;
use crate::{
    RtpPacket,
    h265::{AGGREGATION, FRAGMENTATION, nal_type},
};

pub(super) fn nals(packets: &[RtpPacket]) -> Vec<Bytes> {
    let mut nals = Vec::with_capacity(packets.len());
    let mut fragments: Option<BytesMut> = None;
    for RtpPacket { payload, .. } in packets {
        let Some(&[first, second]) = payload.first_chunk::<2>() else { continue };
        match nal_type(payload) {
            AGGREGATION => nals.extend(aggregated(payload, 2)),
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

pub(super) fn types(payload: &[u8]) -> Vec<u8> {
    match nal_type(payload) {
        AGGREGATION => aggregated(&Bytes::copy_from_slice(payload), 2).iter().map(|nal| nal_type(nal)).collect(),
        FRAGMENTATION => {
            payload.get(2).filter(|header| *header & 0x80 != 0).map(|header| header & 0x3f).into_iter().collect()
        }
        kind => vec![kind],
    }
}
