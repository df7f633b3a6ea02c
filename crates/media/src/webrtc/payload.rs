//! Access units as WebRTC sends them: packets that fit into a common MTU with SRTP around, made once per unit.

use bytes::Bytes;
use media_proto::{AccessUnit, Codec, RtpPacket, SmallPacket, depacketizer, h264, h265, packetizer};

/// The most bytes of payload in a packet; with RTP, SRTP, UDP and IP around them it fits into 1280 bytes.
pub(super) const PAYLOAD_BYTES: usize = 1150;

/// The packets of a unit, shared by all viewers.
pub(super) fn packets<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a [SmallPacket] {
    unit.shared_packets(|unit| {
        let frames = with_parameter_sets(unit, codec, frames(unit, codec));
        let small = |RtpPacket { marker, payload }| SmallPacket { marker, payload: payload[..].into() };
        packetizer::packets(codec, &frames, PAYLOAD_BYTES).into_iter().map(small).collect()
    })
}

/// The NAL units or the raw frame of a unit.
pub(super) fn frames<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a [Bytes] {
    unit.frames(|packets| depacketizer::frames(codec, packets))
}

/// Whether the unit holds a picture of H.264 that needs a later one to be shown.
pub(super) fn has_b_slice(unit: &AccessUnit, codec: &Codec) -> bool {
    matches!(codec, Codec::H264 { .. }) && frames(unit, codec).iter().any(|nal| h264::is_b_slice(nal))
}

/// Whether no other picture needs this one: all its slices have `nal_ref_idc` 0 (H.264 section 7.4.1).
pub(super) fn is_disposable(unit: &AccessUnit, codec: &Codec) -> bool {
    let is_slice = |nal: &&Bytes| matches!(h264::nal_type(nal), 1..=5);
    let mut slices = frames(unit, codec).iter().filter(is_slice).peekable();
    matches!(codec, Codec::H264 { .. })
        && slices.peek().is_some()
        && slices.all(|nal| nal.first().is_some_and(|header| header & 0x60 == 0))
}

/// A keyframe whose source sends its parameter sets out of band gets them in front.
fn with_parameter_sets(unit: &AccessUnit, codec: &Codec, frames: &[Bytes]) -> Vec<Bytes> {
    let sps_is_missing = match codec {
        Codec::H264 { .. } => frames.iter().all(|nal| h264::nal_type(nal) != h264::SPS),
        Codec::H265 { .. } => frames.iter().all(|nal| h265::nal_type(nal) != h265::SPS),
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => false,
    };
    let mut all = Vec::with_capacity(frames.len() + 3);
    if unit.head().keyframe && sps_is_missing {
        all.extend(codec.parameter_sets());
    }
    all.extend_from_slice(frames);
    all
}
