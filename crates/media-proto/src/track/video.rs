use bytes::Bytes;

use super::Codec;
use crate::{h264, h265};

/// What the parameter sets of a video track say, whatever its codec.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Cropped picture width in pixels.
    pub width: u32,
    /// Cropped picture height in pixels.
    pub height: u32,
    /// Pictures per second, where they say.
    pub fps: Option<f64>,
    /// How many pictures may be decoded before one that is shown earlier; `None` where they do not say.
    pub max_num_reorder: Option<u32>,
    /// The profile's name, such as `Main`.
    pub profile: String,
    /// The level, such as `3.1`.
    pub level: String,
    /// The codec string of RFC 6381, such as `avc1.42c01e` or `hvc1.1.6.L93.B0`.
    pub codec_string: String,
}

impl Codec {
    /// What the parameter sets say; `None` when they are unknown or cannot be understood, and for other codecs.
    #[must_use]
    pub fn video(&self) -> Option<Video> {
        match self {
            Self::H264 { sps, .. } => h264::Sps::parse(sps).map(|sps| Video {
                width: sps.width,
                height: sps.height,
                fps: sps.fps,
                max_num_reorder: sps.max_num_reorder_frames,
                profile: sps.profile_name(),
                level: sps.level_name(),
                codec_string: sps.codec_string(),
            }),
            Self::H265 { vps, sps, .. } => h265::Sps::parse(sps).map(|sps| Video {
                width: sps.width,
                height: sps.height,
                fps: sps.fps.or_else(|| h265::Vps::parse(vps)?.fps),
                max_num_reorder: Some(sps.max_num_reorder),
                profile: sps.profile_name(),
                level: sps.level_name(),
                codec_string: sps.codec_string(),
            }),
            Self::Aac { .. } | Self::Opus { .. } | Self::G711 { .. } | Self::Generic { .. } => None,
        }
    }

    /// Takes the first parameter set of each type among the NAL units of an access unit; true when one is new.
    ///
    /// Others of a type stay in band: a source with several picture parameter sets does not change at each keyframe.
    pub fn learn(&mut self, nals: &[Bytes]) -> bool {
        let before = self.clone();
        for nal in nals.iter().rev() {
            if let Some(set) = self.parameter_set_of(nal) {
                set.clone_from(nal);
            }
        }
        *self != before
    }

    /// The parameter set that a NAL unit would replace.
    fn parameter_set_of(&mut self, nal: &[u8]) -> Option<&mut Bytes> {
        match self {
            Self::H264 { sps, pps } => match h264::nal_type(nal) {
                h264::SPS => Some(sps),
                h264::PPS => Some(pps),
                _ => None,
            },
            Self::H265 { vps, sps, pps } => match h265::nal_type(nal) {
                h265::VPS => Some(vps),
                h265::SPS => Some(sps),
                h265::PPS => Some(pps),
                _ => None,
            },
            Self::Aac { .. } | Self::Opus { .. } | Self::G711 { .. } | Self::Generic { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_are_learnt_once() {
        let nals = [&[0x40, 1, 7][..], &[0x42, 1, 7], &[0x44, 1, 7], &[0x26, 1, 7]].map(Bytes::from_static);
        let mut codec = Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() };
        assert!(codec.learn(&nals) && !codec.learn(&nals));
        assert_eq!(codec.parameter_sets(), nals[..3]);
        let several = [nals[2].clone(), Bytes::from_static(&[0x44, 1, 8])];
        assert!(!codec.learn(&several), "the second of a type is no change");
        assert_eq!((codec.video(), Codec::Opus { channels: 2 }.learn(&nals)), (None, false));
    }
}
