//! What a packager has published: the segments of the playlist and what can still be fetched.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use media_proto::hls::{self, Directives, MediaPlaylist, Opening};

/// Segments kept beyond the playlist, so that a viewer who read it can still fetch them.
const KEPT_AFTER: usize = 7;
/// Segments from the end whose parts are listed.
const WITH_PARTS: usize = 4;
/// A playlist may be asked for at most this many segments ahead.
const AHEAD_MAX: u64 = 2;

/// The media playlist's name.
pub(super) const MEDIA_PLAYLIST: &str = "main_stream.m3u8";

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) data: Bytes,
    pub(super) duration: Duration,
    pub(super) independent: bool,
}

/// One segment, whole or being made.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) opening: Opening,
    pub(super) parts: Vec<Arc<Part>>,
}

impl Segment {
    fn uri(&self) -> String {
        format!("seg_{}.mp4", self.number)
    }

    fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    fn listed_parts(&self) -> Vec<hls::Part> {
        let part = |(index, part): (usize, &Arc<Part>)| hls::Part {
            uri: part_uri(self.number, index),
            duration: part.duration,
            independent: part.independent,
        };
        self.parts.iter().enumerate().map(part).collect()
    }

    fn data(&self) -> Bytes {
        let mut data = BytesMut::with_capacity(self.parts.iter().map(|part| part.data.len()).sum());
        for part in &self.parts {
            data.extend_from_slice(&part.data);
        }
        data.freeze()
    }
}

/// What is known of the stream when it is published for the first time; it never changes.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) target_duration_s: u64,
    pub(super) part_target: Duration,
    pub(super) segment_count: usize,
}

/// Everything that is published at one moment. A new one replaces it as a whole.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) frame: Frame,
    /// The first number of segments and initialisation segments. Names of one packager never come again in the next,
    /// because viewers keep media for an hour.
    pub(super) base: u64,
    /// Initialisation segments by number.
    pub(super) inits: Vec<Bytes>,
    pub(super) codecs: String,
    pub(super) resolution: Option<(u32, u32)>,
    pub(super) frame_rate: Option<f64>,
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) open: Option<Segment>,
    /// The number of the next segment to begin.
    pub(super) next: u64,
}

/// Whether a playlist that was asked for can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    Wait,
    TooFarAhead,
}

impl Window {
    /// Ends the open segment.
    pub(super) fn close_segment(&mut self) {
        if let Some(segment) = self.open.take().filter(|segment| !segment.parts.is_empty()) {
            self.segments.push_back(Arc::new(segment));
        }
        while self.segments.len() > self.frame.segment_count + KEPT_AFTER {
            self.segments.pop_front();
        }
    }

    /// The number of the segment that is being made or comes next, and how many of its parts there are.
    pub(super) fn end(&self) -> (u64, u64) {
        self.open.as_ref().map_or((self.next, 0), |open| (open.number, open.parts.len() as u64))
    }

    pub(super) fn readiness(&self, directives: Directives) -> Readiness {
        let (open, parts) = self.end();
        let Some(msn) = directives.msn else { return Readiness::Ready };
        if msn < open {
            return Readiness::Ready;
        }
        let parts_ahead_max = (3_000_u128).div_ceil(self.frame.part_target.as_millis().max(1)) as u64;
        match directives.part {
            _ if msn > open + AHEAD_MAX => Readiness::TooFarAhead,
            Some(part) if msn == open && part < parts => Readiness::Ready,
            Some(part) if msn == open && part >= parts + parts_ahead_max => Readiness::TooFarAhead,
            Some(_) | None => Readiness::Wait,
        }
    }

    /// The multivariant playlist.
    pub(super) fn variant(&self) -> String {
        let peak = self.segments.iter().map(|segment| {
            let bytes: usize = segment.parts.iter().map(|part| part.data.len()).sum();
            (bytes as f64 * 8.0 / segment.duration().as_secs_f64().max(0.1)) as u64
        });
        hls::Variant {
            uri: MEDIA_PLAYLIST.into(),
            codecs: self.codecs.clone(),
            bandwidth: peak.max().unwrap_or(1).max(1),
            resolution: self.resolution,
            frame_rate: self.frame_rate,
        }
        .to_text()
    }

    /// The media playlist.
    pub(super) fn playlist(&self) -> String {
        let skip = self.segments.len().saturating_sub(self.frame.segment_count);
        let with_parts = self.segments.len().saturating_sub(WITH_PARTS);
        let listed = self.segments.iter().enumerate().skip(skip).map(|(at, segment)| hls::Segment {
            opening: segment.opening.clone(),
            uri: segment.uri(),
            duration: segment.duration(),
            parts: if at >= with_parts { segment.listed_parts() } else { vec![] },
        });
        let first = self.segments.get(skip).map_or(self.next, |segment| segment.number);
        let gone = self.discontinuities_before(first);
        let (open, parts) = self.end();
        MediaPlaylist {
            target_duration_s: self.frame.target_duration_s,
            part_target: self.frame.part_target,
            media_sequence: first,
            discontinuity_sequence: gone,
            segments: listed.collect(),
            open_parts: self.open.as_ref().map(Segment::listed_parts).unwrap_or_default(),
            open: self.open.as_ref().filter(|open| !open.parts.is_empty()).map(|open| open.opening.clone()),
            preload_hint: Some(part_uri(open, usize::try_from(parts).unwrap_or(usize::MAX))),
        }
        .to_text()
    }

    /// Discontinuities are counted by the number in their initialisation segment's name: each brings a new one.
    fn discontinuities_before(&self, first: u64) -> u64 {
        let first = self.segments.iter().find(|segment| segment.number == first);
        first.map_or(0, |segment| {
            let init: u64 = number_in(&segment.opening.map_uri, "init_").unwrap_or(self.base);
            let init = init.saturating_sub(self.base);
            // The discontinuity of the first listed segment itself is still in the list.
            init.saturating_sub(u64::from(segment.opening.discontinuity))
        })
    }

    /// A part, segment or initialisation segment by its name.
    pub(super) fn media(&self, file: &str) -> Option<Bytes> {
        if let Some(number) = number_in::<u64>(file, "init_") {
            let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
            return self.inits.get(index).cloned();
        }
        if let Some(number) = number_in::<u64>(file, "seg_") {
            return self.segments.iter().find(|segment| segment.number == number).map(|segment| segment.data());
        }
        let (number, index) = part_of(file)?;
        let whole = self.segments.iter().find(|segment| segment.number == number).map(|segment| &segment.parts);
        let open = self.open.as_ref().filter(|open| open.number == number).map(|open| &open.parts);
        whole.or(open)?.get(index).map(|part| part.data.clone())
    }

    /// Whether a file is the part that the preload hint names.
    pub(super) fn is_hinted(&self, file: &str) -> bool {
        let (open, parts) = self.end();
        part_of(file).is_some_and(|(number, index)| number == open && index as u64 == parts)
    }
}

fn part_uri(segment: u64, index: usize) -> String {
    format!("part_{segment}_{index}.mp4")
}

fn part_of(file: &str) -> Option<(u64, usize)> {
    let (number, index) = file.strip_prefix("part_")?.strip_suffix(".mp4")?.split_once('_')?;
    Some((number.parse().ok()?, index.parse().ok()?))
}

fn number_in<T: std::str::FromStr>(file: &str, prefix: &str) -> Option<T> {
    file.strip_prefix(prefix)?.strip_suffix(".mp4")?.parse().ok()
}
