//! A clip in memory: access units cut out of an H.264 byte stream (ITU-T H.264 annex B), without copying.

use std::{num::NonZeroU32, path::Path, sync::Arc};

use bytes::Bytes;
use media_proto::{Codec, Track, TrackId};

use crate::Error;

const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// Ticks per second of H.264 in RTP (RFC 6184 section 8.2.1).
const CLOCK_RATE: NonZeroU32 = NonZeroU32::new(90_000).expect("90000 is not 0");
/// The payload type the simulated cameras use.
const PAYLOAD_TYPE: u8 = 96;

/// A looped clip: one video track. Cloning gives another handle to the same bytes.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Frames per second.
    pub fps: u32,
    /// Its one track.
    pub track: Track,
    /// Its pictures; the first is a keyframe.
    pub pictures: Arc<[Picture]>,
}

/// One access unit of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its NAL units; those of a keyframe begin with the parameter sets.
    pub nal_units: Arc<[Bytes]>,
    /// Decoding can start here.
    pub keyframe: bool,
}

impl Clip {
    /// Cuts a byte stream into access units. Supplemental information of the encoder is left out.
    ///
    /// # Errors
    /// [`Error::Clip`] naming `path` when the stream does not begin with parameter sets and a keyframe.
    pub fn parse(stream: &Bytes, fps: u32, path: &Path) -> Result<Self, Error> {
        let unusable = |reason| Error::Clip { path: path.to_owned(), reason };
        let pictures = pictures(stream);
        let first = pictures.first().filter(|picture| picture.keyframe).ok_or(unusable("it has no keyframe"))?;
        let set = |kind| first.nal_units.iter().find(|nal| nal_type(nal) == Some(kind)).cloned();
        let (Some(sps), Some(pps)) = (set(SPS), set(PPS)) else {
            return Err(unusable("its first keyframe has no parameter sets"));
        };
        let codec = Codec::H264 { sps, pps };
        let track = Track { id: TrackId(0), codec, clock_rate: CLOCK_RATE, payload_type: PAYLOAD_TYPE };
        Ok(Self { fps, track, pictures: pictures.into() })
    }

    /// The keyframe at or before a picture.
    #[must_use]
    pub fn keyframe_before(&self, picture: usize) -> usize {
        let until = picture.min(self.pictures.len().saturating_sub(1));
        self.pictures.iter().take(until + 1).rposition(|picture| picture.keyframe).unwrap_or(0)
    }
}

impl Picture {
    /// Where its slices begin among its NAL units.
    pub(crate) fn first_slice(&self) -> usize {
        self.nal_units.iter().take_while(|nal| !matches!(nal_type(nal), Some(SLICE | IDR_SLICE))).count()
    }
}

fn pictures(stream: &Bytes) -> Vec<Picture> {
    let mut done = Vec::new();
    let mut open: Vec<Bytes> = Vec::new();
    let mut has_slice = false;
    for nal in nal_units(stream) {
        let Some(kind) = nal_type(&nal) else { continue };
        let slice = matches!(kind, SLICE | IDR_SLICE);
        // `first_mb_in_slice` is 0, coded as a single 1 bit, in the first slice of a picture (section 7.3.3).
        let begins = if slice { nal.get(1).is_some_and(|byte| byte & 0x80 != 0) } else { has_slice };
        if begins && has_slice {
            done.push(close(std::mem::take(&mut open)));
            has_slice = false;
        }
        has_slice |= slice;
        if kind != SEI {
            open.push(nal);
        }
    }
    if has_slice {
        done.push(close(open));
    }
    done
}

fn close(nal_units: Vec<Bytes>) -> Picture {
    let keyframe = nal_units.iter().any(|nal| nal_type(nal) == Some(IDR_SLICE));
    Picture { nal_units: nal_units.into(), keyframe }
}

fn nal_type(nal: &[u8]) -> Option<u8> {
    nal.first().map(|byte| byte & 0x1f)
}

/// The NAL units between start codes, without trailing zeros (annex B section B.1).
fn nal_units(stream: &Bytes) -> Vec<Bytes> {
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let ranges = starts.iter().zip(ends).map(|(&start, end)| (start + 3).min(end)..end);
    ranges
        .map(|range| {
            let zeros = stream[range.clone()].iter().rev().take_while(|&&byte| byte == 0).count();
            stream.slice(range.start..range.end - zeros)
        })
        .filter(|nal| !nal.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &'static [u8], expected: &[(&[&[u8]], bool)]) {
        let clip = Clip::parse(&Bytes::from_static(stream), 15, Path::new("x")).unwrap();
        let got: Vec<_> = clip.pictures.iter().map(|p| (p.nal_units.to_vec(), p.keyframe)).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(nals, keyframe)| (nals.iter().map(|nal| Bytes::copy_from_slice(nal)).collect(), *keyframe))
            .collect::<Vec<(Vec<Bytes>, bool)>>();
        assert_eq!(got, expected);
    }

    #[test]
    fn pictures_are_cut_at_their_first_slice_and_keep_all_of_them() {
        check(
            b"\0\0\0\x01\x67S\0\0\0\x01\x68P\0\0\x01\x06sei\0\0\x01\x65\x80a\0\0\x01\x65\x40b\0\0\0\x01\x41\x80c\0\0\x01\x61\x88",
            &[(&[b"\x67S", b"\x68P", b"\x65\x80a", b"\x65\x40b"], true), (&[b"\x41\x80c"], false), (&[b"\x61\x88"], false)],
        );
    }

    #[test]
    fn a_stream_without_parameter_sets_or_keyframe_is_refused() {
        for stream in [&b""[..], b"\0\0\x01", b"\0\0\x01\x65\x80a", b"\0\0\x01\x67S\0\0\x01\x68P\0\0\x01\x41\x80c"] {
            let parsed = Clip::parse(&Bytes::from_static(stream), 15, Path::new("x"));
            assert!(matches!(parsed, Err(Error::Clip { .. })), "{stream:?}");
        }
    }
}
