//! From the packets of one access unit to its NAL units or raw frames. The packets are complete and in order.

mod aac;
mod h264;
mod h265;

use bytes::{Bytes, BytesMut};

use crate::{Codec, Error, RtpPacket};

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

/// Which types of NAL unit begin in a packet or unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    set: u64,
    first: Option<u8>,
}

impl Kinds {
    /// Whether a unit of this type begins.
    pub(crate) fn has(self, kind: u8) -> bool {
        self.set >> (kind & 63) & 1 == 1
    }

    /// Whether a unit of one of these types begins.
    pub(crate) fn has_one_of(self, kinds: impl IntoIterator<Item = u8>) -> bool {
        kinds.into_iter().any(|kind| self.has(kind))
    }

    /// With those that begin in the next packet.
    pub(crate) fn and(self, next: Self) -> Self {
        Self { set: self.set | next.set, first: self.first.or(next.first) }
    }

    fn of(kinds: impl IntoIterator<Item = u8>) -> Self {
        kinds.into_iter().fold(Self::default(), |all, kind| all.and(Self { set: 1 << (kind & 63), first: Some(kind) }))
    }
}

/// The types of the NAL units that begin in a packet, without putting fragments together.
pub(crate) fn nal_types(codec: &Codec, payload: &[u8]) -> Kinds {
    match codec {
        Codec::H264 { .. } => h264::types(payload),
        Codec::H265 { .. } => h265::types(payload),
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => Kinds::default(),
    }
}

/// Refuses the packet forms that are not taken, by name.
pub(crate) fn check(codec: &Codec, payload: &[u8]) -> Result<(), Error> {
    match codec {
        Codec::H264 { .. } => h264::check(payload),
        Codec::H265 { .. } => h265::check(payload),
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => Ok(()),
    }
}

/// Whether a packet shows that its unit begins in it: parameter sets, the slice with the first macroblock, any sound.
pub(crate) fn begins_unit(codec: &Codec, payload: &[u8]) -> bool {
    let first = nal_types(codec, payload).first;
    let top_bit = |at: usize| payload.get(at).is_some_and(|byte| byte & 0x80 != 0);
    match (codec, first) {
        // Each packet of sound stands alone.
        (Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. }, _) => true,
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
        (Codec::Generic { .. }, Some(_)) => true,
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
fn aggregated(payload: &[u8], mut at: usize) -> impl Iterator<Item = &[u8]> {
    let next = move || {
        let &[high, low] = payload.get(at..)?.first_chunk::<2>()?;
        let start = at + 2;
        at = start + usize::from(u16::from_be_bytes([high, low]));
        payload.get(start..at)
    };
    std::iter::from_fn(next).filter(|unit| !unit.is_empty())
}
