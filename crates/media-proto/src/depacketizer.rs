//! From the packets of one access unit to its NAL units or raw frames. The packets are complete and in order.

mod aac;
mod h264;
mod h265;

use bytes::{Bytes, BytesMut};

use crate::{Codec, RtpPacket};

/// NAL units (H.264, H.265, without start codes), raw frames (AAC, Opus, G.711) or the whole document (others).
///
/// What cannot be understood is left out; a NAL unit or frame that is not whole never appears.
#[must_use]
pub fn frames(codec: &Codec, packets: &[RtpPacket]) -> Vec<Bytes> {
    match codec {
        Codec::H264 { .. } => h264::nals(packets),
        Codec::H265 { .. } => h265::nals(packets),
        Codec::Aac { size_length, index_length, index_delta_length, .. } => {
            aac::frames(packets, aac::Lengths { size: *size_length, index: *index_length, delta: *index_delta_length })
        }
        Codec::Opus { .. } | Codec::G711 { .. } => packets.iter().map(|packet| packet.payload.clone()).collect(),
        Codec::Generic { .. } => whole(packets),
    }
}

/// The types of the NAL units that begin in a packet, without putting fragments together.
pub(crate) fn nal_types(codec: &Codec, payload: &[u8]) -> Vec<u8> {
    match codec {
        Codec::H264 { .. } => h264::types(payload),
        Codec::H265 { .. } => h265::types(payload),
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => vec![],
    }
}

/// Whether a packet shows that its picture begins in it: parameter sets, or the slice with the first macroblock.
pub(crate) fn begins_picture(codec: &Codec, payload: &[u8]) -> bool {
    let first = nal_types(codec, payload).first().copied();
    let top_bit = |at: usize| payload.get(at).is_some_and(|byte| byte & 0x80 != 0);
    match (codec, first) {
        (_, None) => false,
        // `first_mb_in_slice` is 0 when its first bit is 1 (H.264 section 7.3.3).
        (Codec::H264 { .. }, Some(1..=5)) => top_bit(match payload.first().map(|first| first & 0x1f) {
            Some(24) => 4,
            Some(28) => 2,
            _ => 1,
        }),
        (Codec::H264 { .. }, Some(kind)) => (6..=9).contains(&kind),
        // `first_slice_segment_in_pic_flag` (H.265 section 7.3.6.1).
        (Codec::H265 { .. }, Some(0..=31)) => top_bit(match crate::h265::nal_type(payload) {
            crate::h265::AGGREGATION => 6,
            crate::h265::FRAGMENTATION => 3,
            _ => 2,
        }),
        (Codec::H265 { .. }, Some(kind)) => (32..=39).contains(&kind),
        (Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. }, Some(_)) => true,
    }
}

fn whole(packets: &[RtpPacket]) -> Vec<Bytes> {
    if let [only] = packets {
        return vec![only.payload.clone()];
    }
    let mut joined = BytesMut::with_capacity(packets.iter().map(|packet| packet.payload.len()).sum());
    for packet in packets {
        joined.extend_from_slice(&packet.payload);
    }
    vec![joined.freeze()]
}

/// Units that each follow their 16-bit length (STAP-A, AP). A length beyond the end ends the walk.
fn aggregated(payload: &Bytes, mut at: usize) -> Vec<Bytes> {
    let mut units = Vec::new();
    while let Some(&[high, low]) = payload.get(at..at + 2).and_then(<[u8]>::first_chunk) {
        let start = at + 2;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        if end > payload.len() {
            break;
        }
        if end > start {
            units.push(payload.slice(start..end));
        }
        at = end;
    }
    units
}
