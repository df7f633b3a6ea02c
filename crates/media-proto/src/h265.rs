//! H.265 as far as forwarding needs it: which NAL unit is what, and where decoding can start.

/// Video parameter set.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Aggregation packet, RFC 7798 section 4.4.2.
pub(crate) const AGGREGATION: u8 = 48;
/// Fragmentation unit, RFC 7798 section 4.4.3.
pub(crate) const FRAGMENTATION: u8 = 49;

/// The type of a NAL unit (ITU-T H.265 table 7-1); 63 for an empty one.
#[must_use]
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |first| first >> 1 & 0x3f)
}

/// Whether decoding can start at this type: BLA, IDR, CRA.
#[must_use]
pub fn is_keyframe(nal_type: u8) -> bool {
    (16..=21).contains(&nal_type)
}
