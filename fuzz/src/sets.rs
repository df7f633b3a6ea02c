//! Parameter sets and slice headers.

use std::num::NonZeroU32;

use bytes::Bytes;
use media_proto::{Codec, Track, TrackId, fmp4, h264, h265};

use super::records;

/// Parameter sets of H.265, each after its length, are read without harm, and what can be read can be written into MP4.
pub fn h265(bytes: &[u8]) {
    let mut rest = bytes;
    let mut next = || Bytes::copy_from_slice(records::next(&mut rest).unwrap_or_default());
    let (vps, sps, pps) = (next(), next(), next());
    let parsed = h265::Sps::parse(&sps);
    if let Some(sps) = parsed {
        assert!(sps.width > 0 && sps.height > 0 && sps.max_num_reorder <= 16);
        assert!(sps.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
        assert!(sps.codec_string().is_ascii() && !sps.level_name().is_empty());
    }
    let readable = h265::Vps::parse(&vps).is_some() && parsed.is_some() && h265::Pps::parse(&pps).is_some();
    let clock_rate = NonZeroU32::new(90_000).expect("it is not 0");
    let track = Track { id: TrackId(0), codec: Codec::H265 { vps, sps, pps }, clock_rate, payload_type: 96 };
    assert_eq!(fmp4::init(&[track]).is_ok(), readable);
}

/// Parameter sets and slices of H.264 are read without harm, and an Annex B stream falls into parts of itself.
pub fn h264(bytes: &[u8]) {
    if let Some(sps) = h264::Sps::parse(bytes) {
        assert!(sps.width > 0 && sps.height > 0);
        assert!(sps.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
        assert!(sps.codec_string().is_ascii() && !sps.level_name().is_empty() && !sps.profile_name().is_empty());
        let codec = Codec::H264 { sps: Bytes::copy_from_slice(bytes), pps: Bytes::from_static(&[0x68, 0xce]) };
        let clock_rate = NonZeroU32::new(90_000).expect("it is not 0");
        let track = Track { id: TrackId(0), codec, clock_rate, payload_type: 96 };
        assert!(fmp4::init(&[track]).is_ok(), "what can be read can be written into MP4");
    }
    assert!(!h264::is_b_slice(bytes) || matches!(h264::nal_type(bytes), h264::NON_IDR | h264::IDR));
    let stream = Bytes::copy_from_slice(bytes);
    let nals: Vec<_> = h264::annex_b(&stream).collect();
    assert!(nals.iter().map(Bytes::len).sum::<usize>() + 3 * nals.len() <= bytes.len());
    assert!(nals.iter().all(|nal| !nal.is_empty() && !nal.ends_with(&[0])));
    let again = Bytes::from(nals.iter().flat_map(|nal| [&[0, 0, 1], &nal[..]].concat()).collect::<Vec<_>>());
    assert_eq!(h264::annex_b(&again).collect::<Vec<_>>(), nals);
}
