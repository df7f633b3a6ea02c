//! The parameter sets, ITU-T H.265 sections 7.3.2.1 to 7.3.2.3 and annex E, as far as the engine needs them.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::{PPS, SPS, VPS, bits::Bits, nal_type};

/// The longest side of a picture that any level allows (table A.8: the square root of 8 × `MaxLumaPs`).
const SIDE_MAX: u32 = 33_776;
/// The most sub-layers, section 7.4.3.1.
const SUB_LAYERS_MAX: u8 = 7;
/// The most pictures in a decoder's buffer, section A.4.2.
const PICTURES_MAX: u32 = 16;
/// The most short-term reference picture sets, section 7.4.3.2.1.
const REFERENCE_SETS_MAX: u32 = 64;
/// The most long-term reference pictures, section 7.4.3.2.1.
const LONG_TERM_MAX: u32 = 32;

/// The general part of `profile_tier_level`, section 7.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileTierLevel {
    /// `general_profile_space`, `general_tier_flag` and `general_profile_idc` in one byte.
    pub profile: u8,
    /// The compatibility flags, flag 0 in the highest bit.
    pub compatibility: u32,
    /// The six bytes of constraint flags.
    pub constraints: [u8; 6],
    /// `general_level_idc`, thirty times the level.
    pub level_idc: u8,
}

/// What a video parameter set says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vps {
    /// `vps_video_parameter_set_id`.
    pub id: u8,
    /// Pictures per second, where it says.
    pub fps: Option<f64>,
}

/// What a sequence parameter set says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sps {
    /// The VPS it refers to.
    pub vps_id: u8,
    /// `sps_seq_parameter_set_id`.
    pub id: u8,
    /// Cropped picture width in pixels.
    pub width: u32,
    /// Cropped picture height in pixels.
    pub height: u32,
    /// Profile, tier and level.
    pub general: ProfileTierLevel,
    /// Temporal sub-layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nested: bool,
    /// `chroma_format_idc`; 1 = 4:2:0.
    pub chroma_format_idc: u8,
    /// Luma bits above 8.
    pub bit_depth_luma_minus8: u8,
    /// Chroma bits above 8.
    pub bit_depth_chroma_minus8: u8,
    /// How many pictures may be decoded before one that is shown earlier.
    pub max_num_reorder: u32,
    /// Pictures per second, where the VUI says.
    pub fps: Option<f64>,
}

/// What a picture parameter set says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pps {
    /// `pps_pic_parameter_set_id`.
    pub id: u8,
    /// The SPS it refers to.
    pub sps_id: u8,
}

impl Vps {
    /// Reads the NAL unit, without start code. `None` when it cannot be understood.
    #[must_use]
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let mut bits = of_type(nal, VPS)?;
        let id = small(bits.number(4)?)?;
        bits.skip(2 + 6)?;
        let sub_layers = small(bits.number(3)?)?;
        bits.skip(1 + 16)?;
        profile_tier_level(&mut bits, sub_layers)?;
        Some(Self { id, fps: vps_fps(&mut bits, sub_layers) })
    }
}

/// What follows `profile_tier_level`; `None` where there is no timing or it cannot be read.
fn vps_fps(bits: &mut Bits<'_>, sub_layers: u8) -> Option<f64> {
    ordering_info(bits, sub_layers)?;
    let layer_id_max = bits.number(6)?;
    let layer_sets = bits.golomb_to(1023)?;
    bits.skip(layer_sets * (u32::try_from(layer_id_max).ok()? + 1))?;
    if bits.flag()? { fps(bits) } else { None }
}

impl Sps {
    /// Reads the NAL unit, without start code. `None` when it cannot be understood.
    #[must_use]
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let mut bits = of_type(nal, SPS)?;
        let vps_id = small(bits.number(4)?)?;
        let sub_layers = small(bits.number(3)?)?;
        let temporal_id_nested = bits.flag()?;
        let general = profile_tier_level(&mut bits, sub_layers)?;
        let id = small(bits.golomb_to(15)?)?;
        let chroma_format_idc = small(bits.golomb_to(3)?)?;
        let separate_planes = chroma_format_idc == 3 && bits.flag()?;
        let (width, height) = size(&mut bits, if separate_planes { 0 } else { chroma_format_idc })?;
        let bit_depth_luma_minus8 = small(bits.golomb_to(8)?)?;
        let bit_depth_chroma_minus8 = small(bits.golomb_to(8)?)?;
        let poc_bits = small(bits.golomb_to(12)?)? + 4;
        let max_num_reorder = ordering_info(&mut bits, sub_layers)?;
        Some(Self {
            vps_id,
            id,
            width,
            height,
            general,
            temporal_layers: sub_layers + 1,
            temporal_id_nested,
            chroma_format_idc,
            bit_depth_luma_minus8,
            bit_depth_chroma_minus8,
            max_num_reorder,
            // The rate is a courtesy: a picture without one is shown all the same.
            fps: sps_fps(&mut bits, poc_bits),
        })
    }

    /// The codec string of ISO/IEC 14496-15 annex E.3 for parameter sets out of band, such as `hvc1.1.6.L93.B0`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        let general = &self.general;
        let space = ["", "A", "B", "C"].get(usize::from(general.profile >> 6)).unwrap_or(&"");
        let mut text = format!(
            "hvc1.{space}{}.{:X}.{}{}",
            general.profile & 0x1f,
            general.compatibility.reverse_bits(),
            if self.has_high_tier() { 'H' } else { 'L' },
            general.level_idc
        );
        let used = general.constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in general.constraints.iter().take(used) {
            let _ = write!(text, ".{byte:X}");
        }
        text
    }

    /// The profile's name as the control API writes it.
    #[must_use]
    pub fn profile_name(&self) -> String {
        match self.general.profile & 0x1f {
            1 => "Main".into(),
            2 => "Main 10".into(),
            3 => "Main Still Picture".into(),
            4 => "Format Range Extensions".into(),
            5 => "High Throughput".into(),
            9 => "Screen Content".into(),
            other => other.to_string(),
        }
    }

    /// Whether a decoder of the main profile can decode it: it is of that profile, or compatible with it.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.general.profile & 0x1f == 1 || self.general.compatibility >> 30 & 1 == 1
    }

    /// The level's name, such as `3.1`.
    #[must_use]
    pub fn level_name(&self) -> String {
        match (self.general.level_idc / 30, self.general.level_idc % 30 / 3) {
            (whole, 0) => whole.to_string(),
            (whole, part) => format!("{whole}.{part}"),
        }
    }

    /// Whether it is of the high tier.
    #[must_use]
    pub fn has_high_tier(&self) -> bool {
        self.general.profile & 0x20 != 0
    }
}

impl Pps {
    /// Reads the NAL unit, without start code. `None` when it cannot be understood.
    #[must_use]
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let mut bits = of_type(nal, PPS)?;
        Some(Self { id: small(bits.golomb_to(63)?)?, sps_id: small(bits.golomb_to(15)?)? })
    }
}

fn of_type(nal: &[u8], kind: u8) -> Option<Bits<'_>> {
    (nal_type(nal) == kind).then(|| Bits::of(nal))
}

/// A number that is known to be small.
fn small(value: impl TryInto<u8>) -> Option<u8> {
    value.try_into().ok()
}

/// Section 7.3.3; `sub_layers` is one less than there are.
fn profile_tier_level(bits: &mut Bits<'_>, sub_layers: u8) -> Option<ProfileTierLevel> {
    if sub_layers >= SUB_LAYERS_MAX {
        return None;
    }
    let profile = bits.byte()?;
    let compatibility = u32::try_from(bits.number(32)?).ok()?;
    let mut constraints = [0; 6];
    for byte in &mut constraints {
        *byte = bits.byte()?;
    }
    let level_idc = bits.byte()?;
    let mut present = Vec::with_capacity(usize::from(SUB_LAYERS_MAX));
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - u32::from(sub_layers)))?;
    }
    for (profile_present, level_present) in present {
        bits.skip(if profile_present { 88 } else { 0 } + if level_present { 8 } else { 0 })?;
    }
    Some(ProfileTierLevel { profile, compatibility, constraints, level_idc })
}

/// The size of a picture after cropping (section 7.4.3.2.1).
fn size(bits: &mut Bits<'_>, chroma_array_type: u8) -> Option<(u32, u32)> {
    let (width, height) = (bits.golomb_to(SIDE_MAX)?, bits.golomb_to(SIDE_MAX)?);
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = bits.golomb_to(SIDE_MAX)?;
        }
    }
    let [left, right, top, bottom] = crop;
    let across = if matches!(chroma_array_type, 1 | 2) { 2 } else { 1 };
    let down = if chroma_array_type == 1 { 2 } else { 1 };
    let width = width.checked_sub(across * (left + right)).filter(|width| *width > 0)?;
    let height = height.checked_sub(down * (top + bottom)).filter(|height| *height > 0)?;
    Some((width, height))
}

/// The reorder depth of the highest sub-layer, which all pictures obey.
fn ordering_info(bits: &mut Bits<'_>, sub_layers: u8) -> Option<u32> {
    let every_layer = bits.flag()?;
    let mut reorder = 0;
    for _ in 0..=(if every_layer { sub_layers } else { 0 }) {
        let _buffered = bits.golomb_to(PICTURES_MAX)?;
        reorder = bits.golomb_to(PICTURES_MAX)?;
        let _latency = bits.golomb()?;
    }
    Some(reorder)
}

/// What follows the ordering info up to the timing of the VUI.
fn sps_fps(bits: &mut Bits<'_>, poc_bits: u8) -> Option<f64> {
    for _ in 0..6 {
        bits.golomb()?;
    }
    if bits.flag()? && bits.flag()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
    }
    reference_sets(bits)?;
    if bits.flag()? {
        let count = bits.golomb_to(LONG_TERM_MAX)?;
        bits.skip(count * (u32::from(poc_bits) + 1))?;
    }
    bits.skip(2)?;
    if bits.flag()? { vui_fps(bits) } else { None }
}

/// Section 7.3.4.
fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.golomb()?;
                continue;
            }
            let coefficients = 64.min(1 << (4 + (size << 1)));
            for _ in 0..coefficients + u32::from(size > 1) {
                bits.golomb()?;
            }
        }
    }
    Some(())
}

/// Section 7.3.7, all sets of an SPS. How many pictures a set has depends on the one before.
fn reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let mut pictures = 0;
    for index in 0..bits.golomb_to(REFERENCE_SETS_MAX)? {
        if index > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.golomb()?;
            let before = pictures;
            pictures = 0;
            for _ in 0..=before {
                let used = bits.flag()? || bits.flag()?;
                pictures += u32::from(used);
            }
        } else {
            let (earlier, later) = (bits.golomb_to(PICTURES_MAX)?, bits.golomb_to(PICTURES_MAX)?);
            pictures = earlier + later;
            for _ in 0..pictures {
                bits.golomb()?;
                bits.skip(1)?;
            }
        }
        if pictures > PICTURES_MAX {
            return None;
        }
    }
    Some(())
}

/// Annex E.2.1 as far as the timing.
fn vui_fps(bits: &mut Bits<'_>) -> Option<f64> {
    if bits.flag()? && bits.byte()? == 255 {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.golomb()?;
        bits.golomb()?;
    }
    bits.skip(3)?;
    if bits.flag()? {
        for _ in 0..4 {
            bits.golomb()?;
        }
    }
    if bits.flag()? { fps(bits) } else { None }
}

fn fps(bits: &mut Bits<'_>) -> Option<f64> {
    let (ticks, rate) = (bits.number(32)?, bits.number(32)?);
    let (ticks, rate) = (u32::try_from(ticks).ok()?, u32::try_from(rate).ok()?);
    (ticks > 0 && rate > 0).then(|| f64::from(rate) / f64::from(ticks))
}
