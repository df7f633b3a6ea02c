//! H.264 as the engine needs it: which NAL unit is what, what an SPS says, whether B-frames occur.

use bytes::Bytes;
use h264_reader::nal::{
    Nal, RefNal,
    sps::{ChromaFormat, SeqParameterSet},
};

/// `nal_unit_type` values, ITU-T H.264 table 7-1.
pub const NON_IDR: u8 = 1;
/// A keyframe.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const AUD: u8 = 9;

/// The type of a NAL unit; 0 for an empty one.
#[must_use]
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |first| first & 0x1f)
}

/// What a sequence parameter set says.
#[derive(Clone, Debug, PartialEq)]
pub struct Sps {
    /// Cropped picture width in pixels.
    pub width: u32,
    /// Cropped picture height in pixels.
    pub height: u32,
    /// `profile_idc`.
    pub profile_idc: u8,
    /// The constraint flags byte.
    pub constraints: u8,
    /// `level_idc`, ten times the level.
    pub level_idc: u8,
    /// Frames per second, where the VUI says.
    pub fps: Option<f64>,
    /// How many pictures may be decoded before one that is shown earlier; `None` where the VUI does not say.
    pub max_num_reorder_frames: Option<u32>,
    /// `chroma_format_idc`; 1 = 4:2:0.
    pub chroma_format_idc: u8,
    /// Luma bits above 8.
    pub bit_depth_luma_minus8: u8,
    /// Chroma bits above 8.
    pub bit_depth_chroma_minus8: u8,
}

impl Sps {
    /// Reads the NAL unit, without start code. `None` when it cannot be understood.
    #[must_use]
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let (&[_, profile_idc, constraints, level_idc], true) = (nal.first_chunk::<4>()?, nal_type(nal) == SPS) else {
            return None;
        };
        let sps = SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits()).ok()?;
        let (width, height) = sps.pixel_dimensions().ok().filter(|(width, height)| *width > 0 && *height > 0)?;
        let vui = sps.vui_parameters.as_ref();
        let restrictions = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
        // Constrained and plain Baseline have no B slices at all (A.2.1).
        let reorder = if profile_idc == 66 { Some(0) } else { restrictions.map(|r| r.max_num_reorder_frames) };
        let chroma_format_idc = match sps.chroma_info.chroma_format {
            ChromaFormat::Monochrome => 0,
            ChromaFormat::YUV420 => 1,
            ChromaFormat::YUV422 => 2,
            ChromaFormat::YUV444 => 3,
            ChromaFormat::Invalid(_) => return None,
        };
        Some(Self {
            width,
            height,
            profile_idc,
            constraints,
            level_idc,
            fps: sps.fps().filter(|fps| fps.is_finite() && *fps > 0.0),
            max_num_reorder_frames: reorder,
            chroma_format_idc,
            bit_depth_luma_minus8: sps.chroma_info.bit_depth_luma_minus8,
            bit_depth_chroma_minus8: sps.chroma_info.bit_depth_chroma_minus8,
        })
    }

    /// The codec string of RFC 6381 section 3.3, such as `avc1.42c01e`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile_idc, self.constraints, self.level_idc)
    }

    /// The profile's name as the control API writes it.
    #[must_use]
    pub fn profile_name(&self) -> String {
        match self.profile_idc {
            66 => "Baseline".into(),
            77 => "Main".into(),
            88 => "Extended".into(),
            100 => "High".into(),
            110 => "High 10".into(),
            122 => "High 4:2:2".into(),
            244 => "High 4:4:4 Predictive".into(),
            other => other.to_string(),
        }
    }

    /// The level's name, such as `3.1`.
    #[must_use]
    pub fn level_name(&self) -> String {
        match (self.level_idc / 10, self.level_idc % 10) {
            (whole, 0) => whole.to_string(),
            (whole, part) => format!("{whole}.{part}"),
        }
    }
}

/// Whether a NAL unit is a slice of a B picture (`slice_type` 1 or 6, section 7.4.3).
#[must_use]
pub fn is_b_slice(nal: &[u8]) -> bool {
    if !matches!(nal_type(nal), NON_IDR | IDR) {
        return false;
    }
    // Both fields are short; emulation prevention cannot occur before them in fewer than four bytes of zeros.
    let header = nal.get(1..nal.len().min(12)).unwrap_or_default();
    let mut bits = header.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let _first_mb_in_slice = exp_golomb(&mut bits);
    matches!(exp_golomb(&mut bits), Some(1 | 6))
}

fn exp_golomb(bits: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut zeros = 0;
    while bits.next()? == 0 {
        zeros += 1;
        if zeros > 31 {
            return None;
        }
    }
    let mut value = 1_u32;
    for _ in 0..zeros {
        value = value << 1 | u32::from(bits.next()?);
    }
    Some(value - 1)
}

/// Splits an Annex B byte stream into NAL units without start codes.
pub fn annex_b(stream: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(found) = stream.get(at..).and_then(|rest| rest.windows(3).position(|three| three == [0, 0, 1])) {
        starts.push(at + found + 3);
        at += found + 3;
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let nal = stream.slice(start..end);
        let length = nal.iter().rposition(|byte| *byte != 0)? + 1;
        Some(nal.slice(..length))
    })
}

/// Finds out whether a stream has B-frames, which WebRTC cannot show.
#[derive(Clone, Copy, Debug, Default)]
pub struct BFrames {
    seen: bool,
}

impl BFrames {
    /// Looks at the NAL units of one access unit; true from the first B slice on.
    pub fn look<T: AsRef<[u8]>>(&mut self, nals: &[T]) -> bool {
        self.seen = self.seen || nals.iter().any(|nal| is_b_slice(nal.as_ref()));
        self.seen
    }

    /// Whether one was seen.
    #[must_use]
    pub fn seen(&self) -> bool {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264, 640x360 at 25 frames per second, High profile with two reordered frames.
    const HIGH: &[u8] = &[
        0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
        0x00, 0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
    ];

    #[test]
    fn an_sps_tells_size_profile_and_rate() {
        let sps = Sps::parse(HIGH).unwrap();
        assert_eq!((sps.width, sps.height, sps.fps), (640, 360, Some(25.0)));
        assert_eq!(
            (sps.codec_string(), sps.profile_name(), sps.level_name()),
            ("avc1.64001e".into(), "High".into(), "3".into())
        );
        assert!(
            Sps::parse(&HIGH[..6]).is_none() && Sps::parse(&[]).is_none() && Sps::parse(&[0x68, 1, 2, 3]).is_none()
        );
    }

    #[test]
    fn b_slices_are_told_from_others() {
        // first_mb_in_slice 0 ("1"), then slice_type 5 = P ("00110"), 6 = B ("00111"), 1 = B ("010"), 7 = I ("0001000").
        for (bits, is_b) in [(0b1001_1000, false), (0b1001_1100, true), (0b1010_0000, true), (0b1000_1000, false)] {
            assert_eq!(is_b_slice(&[0x41, bits, 0xff]), is_b, "{bits:b}");
        }
        assert!(!is_b_slice(&[0x67, 0b1001_1100]) && !is_b_slice(&[0x41]));
    }

    #[test]
    fn an_annex_b_stream_falls_into_its_nal_units() {
        let stream = Bytes::from_static(&[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3]);
        let nals: Vec<_> = annex_b(&stream).collect();
        assert_eq!(nals, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
        assert_eq!(annex_b(&Bytes::from_static(b"no start")).count(), 0);
    }

    #[test]
    fn a_bent_sps_never_panics() {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        for _ in 0..50_000 {
            let mut sps = HIGH.to_vec();
            for _ in 0..=random() % 4 {
                let at = 1 + random() % (sps.len() - 1);
                sps[at] = random() as u8 & if random().is_multiple_of(2) { 0 } else { 0xff };
            }
            sps.truncate(1 + random() % sps.len());
            let _ = (Sps::parse(&sps), is_b_slice(&sps));
        }
    }
}
