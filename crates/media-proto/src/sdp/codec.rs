//! What `rtpmap` and `fmtp` say of a codec.

use std::num::NonZeroU32;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use super::RtpMap;
use crate::Codec;

/// Cameras pad base64 or do not, and leave bits behind the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The RTP clock of video, RFC 3551 section 5.
pub(super) const VIDEO_CLOCK: NonZeroU32 = NonZeroU32::new(90_000).expect("it is not zero");

/// The sampling rates of MPEG-4 audio by their index, ISO/IEC 14496-3 table 1.18.
const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The payload types of RFC 3551 section 6 that need no `rtpmap`.
pub(super) fn static_map(payload_type: u8) -> Option<RtpMap<'static>> {
    let (encoding, clock_rate, channels) = match payload_type {
        0 => ("PCMU", 8_000, Some(1)),
        3 => ("GSM", 8_000, Some(1)),
        8 => ("PCMA", 8_000, Some(1)),
        9 => ("G722", 8_000, Some(1)),
        10 => ("L16", 44_100, Some(2)),
        11 => ("L16", 44_100, Some(1)),
        14 => ("MPA", 90_000, None),
        26 => ("JPEG", 90_000, None),
        32 => ("MPV", 90_000, None),
        33 => ("MP2T", 90_000, None),
        _ => return None,
    };
    Some(RtpMap { encoding, clock_rate: NonZeroU32::new(clock_rate)?, channels })
}

/// The clock of an encoding whose `rtpmap` has none that can be read.
pub(super) fn default_clock(encoding: &str) -> NonZeroU32 {
    let rate = match encoding.to_ascii_uppercase().as_str() {
        "PCMU" | "PCMA" => 8_000,
        "OPUS" => 48_000,
        _ => return VIDEO_CLOCK,
    };
    NonZeroU32::new(rate).unwrap_or(VIDEO_CLOCK)
}

/// Whether an encoding is more than passed through.
pub(super) fn is_known(encoding: &str) -> bool {
    let known = ["H264", "H265", "MPEG4-GENERIC", "OPUS", "PCMU", "PCMA"];
    known.iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

/// A form of a codec that is known and not taken, by name.
pub(super) fn refused(map: Option<RtpMap<'_>>, fmtp: Option<&str>) -> Option<&'static str> {
    map.filter(|map| map.encoding.eq_ignore_ascii_case("H265"))?;
    let parameters = Parameters(fmtp.unwrap_or_default());
    // RFC 7798 section 7.1.
    if parameters.get("sprop-max-don-diff").is_some_and(|value| value != "0") {
        return Some("H.265 with decoding order numbers (sprop-max-don-diff)");
    }
    let mode = parameters.get("tx-mode").unwrap_or("SRST");
    (!mode.eq_ignore_ascii_case("SRST")).then_some("H.265 over several RTP streams (tx-mode)")
}

/// The codec of a track. What is unknown or cannot be understood passes through.
pub(super) fn read(media: &str, map: Option<RtpMap<'_>>, fmtp: Option<&str>) -> Codec {
    let known = map.and_then(|map| {
        let parameters = Parameters(fmtp.unwrap_or_default());
        match map.encoding.to_ascii_uppercase().as_str() {
            "H264" => Some(h264(&parameters)),
            "H265" => Some(h265(&parameters)),
            "MPEG4-GENERIC" => aac(&parameters, map),
            "OPUS" => Some(Codec::Opus { channels: if parameters.get("sprop-stereo") == Some("1") { 2 } else { 1 } }),
            "PCMU" => Some(Codec::G711 { mu_law: true, channels: map.channels.unwrap_or(1).max(1) }),
            "PCMA" => Some(Codec::G711 { mu_law: false, channels: map.channels.unwrap_or(1).max(1) }),
            _ => None,
        }
    });
    known.unwrap_or_else(|| Codec::Generic {
        media: media.to_owned(),
        encoding: map.map(|map| map.encoding.to_owned()).unwrap_or_default(),
        channels: map.and_then(|map| map.channels),
        fmtp: fmtp.map(str::to_owned),
    })
}

/// The value of an `fmtp` attribute: `name=value` with semicolons between.
struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let pairs = self.0.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(own, value)| (own.trim(), value.trim()))
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn bits(&self, name: &str) -> Option<u8> {
        self.get(name)?.parse().ok().filter(|bits| *bits <= 32)
    }

    /// The NAL units of a base64 list.
    fn nal_units(&self, name: &str) -> Vec<Bytes> {
        let list = self.get(name).unwrap_or_default().split(',');
        list.filter_map(|text| BASE64.decode(text.trim()).ok())
            .map(|nal| Bytes::from(bare_nal(&nal).to_vec()))
            .collect()
    }
}

/// A NAL unit without the start code and the zero bytes that some cameras leave around it.
fn bare_nal(mut nal: &[u8]) -> &[u8] {
    for code in [&[0, 0, 0, 1][..], &[0, 0, 1]] {
        nal = nal.strip_prefix(code).unwrap_or(nal);
    }
    while let [rest @ .., 0] = nal {
        nal = rest;
    }
    nal
}

fn h264(parameters: &Parameters<'_>) -> Codec {
    let sets = parameters.nal_units("sprop-parameter-sets");
    let of_type = |kind: u8| sets.iter().find(|nal| nal.first().is_some_and(|head| head & 0x1f == kind)).cloned();
    Codec::H264 { sps: of_type(7).unwrap_or_default(), pps: of_type(8).unwrap_or_default() }
}

fn h265(parameters: &Parameters<'_>) -> Codec {
    let set = |name, kind: u8| {
        let sets = parameters.nal_units(name);
        sets.into_iter().find(|nal| nal.first().is_some_and(|head| head >> 1 & 0x3f == kind)).unwrap_or_default()
    };
    Codec::H265 { vps: set("sprop-vps", 32), sps: set("sprop-sps", 33), pps: set("sprop-pps", 34) }
}

/// `None` when it is not AAC that can be cut into frames.
fn aac(parameters: &Parameters<'_>, map: RtpMap<'_>) -> Option<Codec> {
    let mode = parameters.get("mode").unwrap_or("AAC-hbr").to_ascii_lowercase();
    // RFC 3640 sections 3.3.5 and 3.3.6; some cameras leave the lengths out.
    let (size_length, index_length) = match mode.as_str() {
        "aac-hbr" => (13, 3),
        "aac-lbr" => (6, 2),
        _ => return None,
    };
    let described = parameters.get("config").and_then(unhex).filter(|config| audio_config(config).is_some());
    let config = described.or_else(|| low_complexity_config(map))?;
    let (sample_rate, channels) = audio_config(&config)?;
    Some(Codec::Aac {
        config: config.into(),
        sample_rate,
        // Channel configuration 0 is described elsewhere in the stream, which the number in the rtpmap sums up.
        channels: if channels == 0 { map.channels.unwrap_or(1).clamp(1, 8) } else { channels },
        size_length: parameters.bits("sizelength").unwrap_or(size_length),
        index_length: parameters.bits("indexlength").unwrap_or(index_length),
        index_delta_length: parameters.bits("indexdeltalength").unwrap_or(index_length),
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches('"');
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    bytes.collect()
}

/// Sampling rate and channel configuration of an `AudioSpecificConfig`, ISO/IEC 14496-3 section 1.6.2.1.
fn audio_config(config: &[u8]) -> Option<(u32, u8)> {
    let [first, second, ..] = *config else { return None };
    let index = (first & 7) << 1 | second >> 7;
    let (rate, channels) = if index == 15 {
        let [_, b, c, d, e, ..] = *config else { return None };
        let rate = u32::from(b & 0x7f) << 17 | u32::from(c) << 9 | u32::from(d) << 1 | u32::from(e >> 7);
        (rate, e >> 3 & 15)
    } else {
        (*AAC_RATES.get(usize::from(index))?, second >> 3 & 15)
    };
    match channels {
        0..=6 => Some((rate, channels)),
        7 => Some((rate, 8)),
        _ => None,
    }
}

/// The `AudioSpecificConfig` of AAC-LC with the rate and channels of the `rtpmap`.
fn low_complexity_config(map: RtpMap<'_>) -> Option<Vec<u8>> {
    let index = AAC_RATES.iter().position(|&rate| rate == map.clock_rate.get())?;
    let index = u8::try_from(index).ok()?;
    let channels = match map.channels.unwrap_or(1) {
        8 => 7,
        channels @ 1..=6 => channels,
        _ => return None,
    };
    Some(vec![2 << 3 | index >> 1, index << 7 | channels << 3])
}
