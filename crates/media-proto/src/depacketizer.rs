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
