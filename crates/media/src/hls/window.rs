//! What a packager has published: the segments of the playlist and what can still be fetched.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use media_proto::hls::{self, Directives, LowLatency, MediaPlaylist, Opening, RenditionReport};

use super::cutter::Init;

/// A playlist may be asked for at most this many segments after its last.
const AHEAD_MAX: u64 = 2;
/// How far ahead a part may be asked for (Advance Part Limit), in milliseconds; at least three parts.
const PARTS_AHEAD_MS: u128 = 3_000;

/// One part.
#[derive(Debug)]
pub(super) struct Part {
    /// Empty when there is nothing to fetch.
    pub(super) data: Bytes,
    pub(super) duration: Duration,
    pub(super) independent: bool,
}

/// One segment, whole or being made.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) opening: Opening,
    pub(super) init: Arc<Init>,
    pub(super) parts: Vec<Arc<Part>>,
    /// The parts one after the other, once it is whole.
    data: Bytes,
    /// Discontinuities up to and with this segment.
    discontinuities: u64,
    /// The source gave nothing in this time.
    pub(super) gap: bool,
}

impl Segment {
    fn uri(&self) -> String {
        format!("seg_{}.mp4", self.number)
    }

    pub(super) fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    fn listed(&self, with_parts: bool) -> hls::Segment {
        hls::Segment {
            opening: self.opening.clone(),
            uri: self.uri(),
            duration: self.duration(),
            parts: if with_parts { self.listed_parts() } else { vec![] },
            gap: self.gap,
        }
    }

    fn listed_parts(&self) -> Vec<hls::Part> {
        let part = |(index, part): (usize, &Arc<Part>)| hls::Part {
            uri: part_uri(self.number, index),
            duration: part.duration,
            independent: part.independent,
            gap: self.gap,
        };
        self.parts.iter().enumerate().map(part).collect()
    }

    /// Joins the parts, which become views of the whole, so that the bytes are held once.
    fn seal(&mut self) {
        let mut data = BytesMut::with_capacity(self.parts.iter().map(|part| part.data.len()).sum());
        for part in &self.parts {
            data.extend_from_slice(&part.data);
        }
        self.data = data.freeze();
        let mut at = 0;
        for part in &mut self.parts {
            let end = at + part.data.len();
            let data = self.data.slice(at..end);
            *part = Arc::new(Part { data, duration: part.duration, independent: part.independent });
            at = end;
        }
    }
}

/// What is decided before anything is published, and never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) target_duration_s: u64,
    pub(super) part_target: Duration,
}

impl Frame {
    pub(super) fn target_duration(self) -> Duration {
        Duration::from_secs(self.target_duration_s)
    }
}

/// Everything that is published at one moment. A new one replaces it as a whole.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) frame: Frame,
    segment_count: usize,
    /// Whole segments: those of the playlist, and before them those that can still be fetched.
    segments: VecDeque<Arc<Segment>>,
    /// When each of those before the playlist left it, on `clock`.
    left: VecDeque<Duration>,
    pub(super) open: Option<Segment>,
    /// The number of the next segment to begin.
    next: u64,
    /// The length of all segments so far.
    clock: Duration,
    /// The longest that the playlist has been.
    longest: Duration,
    discontinuities: u64,
    /// The most bits per second of a segment so far.
    peak: u64,
    /// Nothing follows any more.
    pub(super) ended: bool,
}

/// Whether a playlist that was asked for can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    Wait,
    TooFarAhead,
}

impl Window {
    /// Nothing yet; segments are numbered from `first`.
    pub(super) fn new(first: u64, segment_count: usize) -> Self {
        Self {
            frame: Frame::default(),
            segment_count,
            segments: VecDeque::new(),
            left: VecDeque::new(),
            open: None,
            next: first,
            clock: Duration::ZERO,
            longest: Duration::ZERO,
            discontinuities: 0,
            peak: 1,
            ended: false,
        }
    }

    /// The whole segments of the playlist.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + Clone {
        self.segments.iter().skip(self.left.len())
    }

    fn listed_duration(&self) -> Duration {
        self.listed().map(|segment| segment.duration()).sum()
    }

    /// Ends the open segment and begins another.
    pub(super) fn begin(&mut self, opening: Opening, init: Arc<Init>, gap: bool) {
        self.close();
        self.discontinuities += u64::from(opening.discontinuity);
        let discontinuities = self.discontinuities;
        let (number, parts, data) = (self.next, vec![], Bytes::new());
        self.open = Some(Segment { number, opening, init, parts, data, discontinuities, gap });
        self.next += 1;
    }

    /// Appends to the open segment.
    pub(super) fn push(&mut self, part: Part) {
        if let Some(open) = &mut self.open {
            open.parts.push(Arc::new(part));
        }
    }

    /// Ends the open segment. One without parts was never shown: its number is free again.
    pub(super) fn close(&mut self) {
        let Some(mut segment) = self.open.take() else { return };
        if segment.parts.is_empty() {
            self.next = segment.number;
            self.discontinuities -= u64::from(segment.opening.discontinuity);
            return;
        }
        segment.seal();
        let duration = segment.duration();
        self.clock += duration;
        let bits = segment.data.len() as f64 * 8.0 / duration.as_secs_f64().max(0.1);
        self.peak = self.peak.max(bits.ceil() as u64);
        self.segments.push_back(Arc::new(segment));
        self.trim();
    }

    /// Ends the list for good.
    pub(super) fn end_list(&mut self) {
        self.close();
        self.ended = true;
    }

    /// Takes from the playlist what it need not list, and forgets what nobody who saw it listed can still want
    /// (rfc8216bis section 6.2.2).
    fn trim(&mut self) {
        let target = self.frame.target_duration();
        let mut listed = self.listed_duration();
        // The open segment is part of the list, too.
        self.longest = self.longest.max(listed + target);
        while self.listed().count() > self.segment_count {
            let first = self.listed().next().map_or(Duration::ZERO, |first| first.duration());
            listed = listed.saturating_sub(first);
            if listed < target * 3 {
                break;
            }
            self.left.push_back(self.clock);
        }
        while let (Some(left), Some(first)) = (self.left.front(), self.segments.front())
            && self.clock >= *left + first.duration() + self.longest
        {
            self.left.pop_front();
            self.segments.pop_front();
        }
    }

    /// The number of the segment that is being made or comes next, and how many of its parts there are.
    pub(super) fn end(&self) -> (u64, u64) {
        self.open.as_ref().map_or((self.next, 0), |open| (open.number, open.parts.len() as u64))
    }

    /// Whether segments are whole up to `msn`, and parts up to `part` of it where parts are listed. A part beyond the last
    /// of its segment is the first of the next. Once the list has ended there is nothing to wait for.
    pub(super) fn readiness(&self, directives: Directives, with_parts: bool) -> Readiness {
        if self.ended {
            return Readiness::Ready;
        }
        let (open, parts) = self.end();
        let Some(msn) = directives.msn else { return Readiness::Ready };
        let last = if parts > 0 { open } else { open.saturating_sub(1) };
        if msn > last + AHEAD_MAX {
            return Readiness::TooFarAhead;
        }
        let ready = |yes| if yes { Readiness::Ready } else { Readiness::Wait };
        let Some(part) = directives.part.filter(|_| with_parts) else { return ready(msn < open) };
        let ahead = PARTS_AHEAD_MS.div_ceil(self.frame.part_target.as_millis().max(1)).max(3) as u64;
        if msn >= open {
            let there = if msn == open { parts } else { 0 };
            let too_far = part >= there + ahead;
            return if too_far { Readiness::TooFarAhead } else { ready(part < there) };
        }
        let beyond = self.segments.back().is_some_and(|last| last.number == msn && part >= last.parts.len() as u64);
        ready(!beyond || parts > 0)
    }

    /// What the multivariant playlist says of this rendition, whose media playlist is at `uri`.
    pub(super) fn variant(&self, uri: String) -> hls::Variant {
        let open = self.open.as_ref().filter(|open| !open.parts.is_empty());
        let shown = self.segments.iter().map(|segment| &segment.init).chain(open.map(|open| &open.init));
        let mut codecs: Vec<&str> = Vec::new();
        for codec in shown.clone().flat_map(|init| init.codecs.split(',')) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        let newest = shown.last();
        hls::Variant {
            uri,
            codecs: codecs.join(","),
            bandwidth: self.peak,
            resolution: newest.map(|init| init.resolution),
            frame_rate: newest.and_then(|init| init.frame_rate),
        }
    }

    /// The media playlist.
    pub(super) fn playlist(&self, low_latency: bool, reports: Vec<RenditionReport>) -> MediaPlaylist {
        let open_duration = self.open.as_ref().map_or(Duration::ZERO, Segment::duration);
        let mut from_end = open_duration;
        let mut segments: Vec<hls::Segment> = Vec::new();
        for segment in self.listed().rev() {
            segments.push(segment.listed(from_end <= self.frame.target_duration() * 3));
            from_end += segment.duration();
        }
        segments.reverse();
        let first = self.listed().next();
        // The discontinuity of the first listed segment itself is still in the list.
        let gone = first.map_or(0, |first| first.discontinuities - u64::from(first.opening.discontinuity));
        MediaPlaylist {
            target_duration_s: self.frame.target_duration_s,
            media_sequence: first.map_or(self.next, |first| first.number),
            discontinuity_sequence: gone,
            segments,
            low_latency: low_latency.then(|| self.low_latency()),
            reports,
            ended: self.ended,
        }
    }

    fn low_latency(&self) -> LowLatency {
        let open = self.open.as_ref().filter(|open| !open.parts.is_empty());
        LowLatency {
            part_target: self.frame.part_target,
            open: open.map(|open| open.opening.clone()),
            open_parts: open.map(Segment::listed_parts).unwrap_or_default(),
            preload_hint: self.hint().map(|(number, index)| part_uri(number, index)),
        }
    }

    /// The part that comes next; none is promised while the source gives nothing, or at the end.
    fn hint(&self) -> Option<(u64, usize)> {
        let (open, parts) = self.end();
        let gap = self.open.as_ref().is_some_and(|open| open.gap);
        (!gap && !self.ended).then_some((open, usize::try_from(parts).unwrap_or(usize::MAX)))
    }

    /// How far this rendition has come, for the playlists of others that find it at `uri`.
    pub(super) fn report(&self, uri: String) -> Option<RenditionReport> {
        let newest = self.open.as_ref().filter(|open| !open.parts.is_empty());
        let newest = newest.or_else(|| self.segments.back().map(|segment| &**segment))?;
        let last_part = (newest.parts.len() as u64).saturating_sub(1);
        Some(RenditionReport { uri, last_msn: newest.number, last_part })
    }

    /// A part, segment or initialisation segment by its name.
    pub(super) fn media(&self, file: &str) -> Option<Bytes> {
        let open = self.open.as_ref();
        let mut all = self.segments.iter().map(|segment| &**segment).chain(open);
        if file.starts_with("init_") {
            return all.find(|segment| segment.opening.map_uri == file).map(|segment| segment.init.data.clone());
        }
        if let Some(number) = file.strip_prefix("seg_").and_then(|rest| rest.strip_suffix(".mp4")) {
            let number = number.parse::<u64>().ok()?;
            let whole = self.segments.iter().find(|segment| segment.number == number && !segment.gap);
            return whole.map(|segment| segment.data.clone());
        }
        let (number, index) = part_of(file)?;
        let segment = all.find(|segment| segment.number == number && !segment.gap)?;
        segment.parts.get(index).map(|part| part.data.clone())
    }

    /// Whether a file is the part that the preload hint names.
    pub(super) fn is_hinted(&self, file: &str) -> bool {
        self.hint().is_some_and(|hinted| part_of(file) == Some(hinted))
    }
}

fn part_uri(segment: u64, index: usize) -> String {
    format!("part_{segment}_{index}.mp4")
}

fn part_of(file: &str) -> Option<(u64, usize)> {
    let (number, index) = file.strip_prefix("part_")?.strip_suffix(".mp4")?.split_once('_')?;
    Some((number.parse().ok()?, index.parse().ok()?))
}
