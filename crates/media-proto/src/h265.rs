//! H.265 as the engine needs it: which NAL unit is what, where decoding can start, what the parameter sets say.
//!
//! Parameter sets come from anyone: every count in them is held against its limit in the standard before it is used, and
//! what cannot be understood is `None`. Slices are not read; whether pictures are reordered follows from the SPS, which
//! in H.265 always says so.

mod bits;
mod sets;

pub use sets::{Pps, ProfileTierLevel, Sps, Vps};

/// Leading pictures that refer to what came before the keyframe, ITU-T H.265 table 7-1.
pub const RASL_N: u8 = 8;
/// As [`RASL_N`], and other pictures refer to it.
pub const RASL_R: u8 = 9;
/// The first of the three types of broken-link access pictures.
pub const BLA_W_LP: u8 = 16;
/// An IDR picture that may be followed by leading pictures that can be decoded.
pub const IDR_W_RADL: u8 = 19;
/// An IDR picture without leading pictures.
pub const IDR_N_LP: u8 = 20;
/// A clean random access picture.
pub const CRA: u8 = 21;
/// Video parameter set.
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Access unit delimiter.
pub const AUD: u8 = 35;
/// Supplemental enhancement information before the picture.
pub const PREFIX_SEI: u8 = 39;
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
pub const fn is_keyframe(nal_type: u8) -> bool {
    matches!(nal_type, BLA_W_LP..=CRA)
}

/// Whether a picture of this type cannot be decoded when decoding starts at the keyframe before it.
#[must_use]
pub const fn is_rasl(nal_type: u8) -> bool {
    matches!(nal_type, RASL_N | RASL_R)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_falls_into_its_class() {
        let keyframes: Vec<u8> = (0..64).filter(|kind| is_keyframe(*kind)).collect();
        assert_eq!(keyframes, [16, 17, 18, 19, 20, 21]);
        assert_eq!((0..64).filter(|kind| is_rasl(*kind)).collect::<Vec<u8>>(), [8, 9]);
        assert_eq!((nal_type(&[0x40, 1]), nal_type(&[0x2a, 1]), nal_type(&[])), (VPS, CRA, 63));
    }
}
