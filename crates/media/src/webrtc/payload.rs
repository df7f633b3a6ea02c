//! Access units as WebRTC sends them: packets that fit into a common MTU with SRTP around, made once per unit.

use bytes::Bytes;
use media_proto::{AccessUnit, Codec, SmallPacket};

use super::nal;

/// The most bytes of payload in a packet; with RTP, SRTP, UDP and IP around them it fits into 1280 bytes.
pub(super) const PAYLOAD_BYTES: usize = 1150;

/// The packets of a unit, shared by all viewers.
pub(super) fn packets<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a [SmallPacket] {
    unit.small_packets(|unit| {
        let frames = with_parameter_sets(unit, codec, frames(unit, codec));
        nal::packets(codec, &frames, PAYLOAD_BYTES)
    })
}

/// The NAL units or the raw frame of a unit.
pub(super) fn frames<'a>(unit: &'a AccessUnit, codec: &Codec) -> &'a [Bytes] {
    unit.frames(|packets| nal::frames(codec, packets))
}

/// Whether the unit holds a picture that needs a later one to be shown.
pub(super) fn has_b_slice(unit: &AccessUnit, codec: &Codec) -> bool {
    matches!(codec, Codec::H264 { .. }) && frames(unit, codec).iter().any(|unit| nal::is_b_slice(unit))
}

/// A keyframe whose source sends its parameter sets out of band gets them in front.
fn with_parameter_sets(unit: &AccessUnit, codec: &Codec, frames: &[Bytes]) -> Vec<Bytes> {
    let sps_inside = || frames.iter().any(|nal| nal.first().is_some_and(|header| header & 0x1f == 7));
    let mut all = Vec::with_capacity(frames.len() + 2);
    if unit.head().keyframe && matches!(codec, Codec::H264 { .. }) && !sps_inside() {
        all.extend(codec.parameter_sets());
    }
    all.extend_from_slice(frames);
    all
}
