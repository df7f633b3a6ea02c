//! Cuts the units of a stream into parts and says where segments begin. No clock, no lock.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use domain::WallTime;
use media_proto::{
    AccessUnit, Codec, MediaTime, Track, TrackKind, depacketizer, dts,
    fmp4::{self, Run, Sample},
};

use super::{Config, sounds::Sounds};

/// Pictures further apart than this belong to two timelines.
const BREAK: Duration = Duration::from_secs(2);
/// The fewest pictures of a part.
const PICTURES_MIN: f64 = 2.0;
/// How much longer than its pictures a part may be, for cameras whose clock is uneven.
const UNEVEN: f64 = 1.08;

/// What comes out.
#[derive(Debug)]
pub(super) enum Cut {
    /// A segment begins; `init` when it needs a new initialisation segment.
    Segment { wall: WallTime, init: Option<Init> },
    /// A part of the segment is whole.
    Part { data: Bytes, duration: Duration, independent: bool },
}

/// An initialisation segment and what the multivariant playlist says of it.
#[derive(Debug)]
pub(super) struct Init {
    pub(super) data: Bytes,
    pub(super) codecs: String,
    pub(super) resolution: (u32, u32),
    pub(super) frame_rate: Option<f64>,
}

/// A picture whose length is not known until the next one comes.
#[derive(Debug)]
struct Pending {
    dts: i64,
    sample: Sample,
    wall: WallTime,
}

#[derive(Debug)]
pub(super) struct Cutter {
    config: Config,
    video: Track,
    sounds: Option<Sounds>,
    dts: dts::Estimator,
    /// Ticks between two pictures, as seen lately.
    interval: Option<i64>,
    pending: Option<Pending>,
    pictures: Vec<Sample>,
    part_start: i64,
    segment_start: Option<i64>,
    segment_bytes: usize,
    sequence: u32,
    /// The next segment needs an initialisation segment: the first one, after a break, after new parameter sets.
    init_due: bool,
    segment_max: Duration,
    /// The longest a part may be, once that is decided.
    part_max: Option<Duration>,
    /// What is added to times, so that the first ones are not below zero and renditions of a camera are in step.
    shift_us: i64,
}

impl Cutter {
    /// `None` when the stream has no video of H.264 or H.265.
    pub(super) fn new(config: Config, tracks: &[Track], shift_us: i64) -> Option<Self> {
        let video = tracks.iter().find(|track| matches!(track.codec, Codec::H264 { .. } | Codec::H265 { .. }))?.clone();
        let fits = |track: &&Track| matches!(track.codec, Codec::Aac { .. } | Codec::Opus { .. });
        let sounds = tracks.iter().find(fits).cloned().map(Sounds::new);
        let said = video.codec.video();
        let frame = said.as_ref().and_then(|said| said.fps).unwrap_or(25.0).clamp(1.0, 240.0);
        let frame_ticks = (f64::from(video.clock_rate.get()) / frame) as i64;
        let depth = said.and_then(|said| said.max_num_reorder).unwrap_or(0);
        Some(Self {
            segment_max: config.segment_max(),
            part_max: None,
            shift_us,
            config,
            sounds,
            dts: dts::Estimator::new(depth, frame_ticks),
            video,
            interval: None,
            pending: None,
            pictures: Vec::new(),
            part_start: 0,
            segment_start: None,
            segment_bytes: 0,
            sequence: 0,
            init_due: true,
        })
    }

    /// The longest a part may be: the configured length as a whole number of pictures.
    pub(super) fn part_target(&self) -> Duration {
        if let Some(decided) = self.part_max {
            return decided;
        }
        let picture = self.picture_s();
        let pictures = (self.config.part_duration.as_secs_f64() / picture).round().max(PICTURES_MIN);
        // Whole milliseconds, so that the playlist's text says exactly what is meant.
        Duration::from_millis((pictures * picture * UNEVEN * 1000.0).ceil() as u64)
    }

    /// The length of the pictures that fit into a part no longer than `target`.
    pub(super) fn part_within(&self, target: Duration) -> Duration {
        let picture = self.picture_s();
        Duration::from_secs_f64((target.as_secs_f64() / picture).floor() * picture)
    }

    fn picture_s(&self) -> f64 {
        self.duration(self.interval.unwrap_or(1)).as_secs_f64().max(0.001)
    }

    /// From now on no segment is longer than `segment`, if need be it is cut without a keyframe, and no part than `part`.
    pub(super) fn keep_to(&mut self, segment: Duration, part: Duration) {
        self.segment_max = segment;
        self.part_max = Some(part);
    }

    /// The source gives nothing any more: what is there becomes a part, and what may follow is another timeline.
    pub(super) fn pause(&mut self) -> Option<Cut> {
        let last = self.finish_part();
        self.end_timeline();
        last
    }

    /// Takes what the stream now consists of. Other tracks than before end the timeline; without video that can be shown
    /// nothing is cut until there is some.
    pub(super) fn describe(&mut self, tracks: &[Track]) -> Option<Cut> {
        let fresh = Self::new(self.config.clone(), tracks, self.shift_us)?;
        let same = |new: &Track, old: &Track| {
            new.id == old.id && new.clock_rate == old.clock_rate && is_same(&new.codec, &old.codec)
        };
        let same_audio = match (&fresh.sounds, &self.sounds) {
            (Some(new), Some(old)) => same(new.track(), old.track()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same_audio && same(&fresh.video, &self.video) {
            return None;
        }
        let last = self.pause();
        let (sequence, segment_max, part_max) = (self.sequence, self.segment_max, self.part_max);
        *self = Self { sequence, segment_max, part_max, ..fresh };
        last
    }

    /// Readers of the ring were put forward: what follows is another timeline.
    pub(super) fn note_gap(&mut self) {
        self.end_timeline();
    }

    /// Whether a unit is of the video that is shown.
    pub(super) fn is_picture(&self, unit: &AccessUnit) -> bool {
        unit.head().track == self.video.id
    }

    /// Takes the next unit.
    pub(super) fn push(&mut self, unit: &AccessUnit) -> Vec<Cut> {
        let head = unit.head();
        if head.track == self.video.id {
            return self.push_picture(unit);
        }
        let sounds = self.sounds.as_mut().filter(|sounds| sounds.track().id == head.track);
        if let (Some(sounds), Some(_)) = (sounds, self.segment_start) {
            sounds.push(unit);
        }
        vec![]
    }

    fn push_picture(&mut self, unit: &AccessUnit) -> Vec<Cut> {
        let head = unit.head();
        if self.segment_start.is_none() && self.pending.is_none() && !head.keyframe {
            return vec![];
        }
        let mut cuts = Vec::new();
        let pts = head.pts.ticks;
        let breaks = self.pending.as_ref().is_some_and(|pending| self.duration(pts - pending.dts) > BREAK);
        if breaks {
            cuts.extend(self.finish_part());
            self.end_timeline();
            if !head.keyframe {
                return cuts;
            }
        }
        if head.keyframe {
            self.learn(unit);
        }
        let dts = self.dts.next(pts);
        if let Some(before) = self.pending.take() {
            self.place(before, dts, &mut cuts, head.keyframe);
        }
        let codec = &self.video.codec;
        let data = unit.length_prefixed(|packets| depacketizer::frames(codec, packets));
        let composition_offset = i32::try_from(pts - dts).unwrap_or(0);
        let sample = Sample { duration: 0, composition_offset, keyframe: head.keyframe, data };
        let starts = self.segment_start.is_none();
        self.pending = Some(Pending { dts, sample, wall: head.wall });
        if starts {
            cuts.extend(self.begin_segment());
        }
        cuts
    }

    /// Puts a picture, whose length is now known, into the part, and cuts before the next one where a part or segment ends.
    fn place(&mut self, picture: Pending, next_dts: i64, cuts: &mut Vec<Cut>, next_is_keyframe: bool) {
        let length = (next_dts - picture.dts).max(1);
        self.interval = Some(self.interval.map_or(length, |mean| (mean * 7 + length) / 8));
        if self.pictures.is_empty() {
            self.part_start = picture.dts;
        }
        self.segment_bytes += picture.sample.data.len();
        self.pictures.push(Sample { duration: u32::try_from(length).unwrap_or(u32::MAX), ..picture.sample });
        let start = self.segment_start.unwrap_or(picture.dts);
        let segment = self.duration(next_dts - start);
        let too_long = self.duration(next_dts - start + length) > self.segment_max;
        let too_large = self.segment_bytes > self.config.segment_max_bytes;
        // A tenth short is long enough: cameras do not keep exact time.
        let long_enough = segment >= self.config.segment_duration.mul_f64(0.9);
        if too_long || too_large || (next_is_keyframe && (long_enough || self.init_due)) {
            cuts.extend(self.finish_part_at(next_dts));
            self.segment_start = None;
        } else if self.duration(next_dts - self.part_start + length) > self.part_target() {
            cuts.extend(self.finish_part_at(next_dts));
        }
    }

    fn begin_segment(&mut self) -> Option<Cut> {
        let pending = self.pending.as_ref()?;
        self.segment_start = Some(pending.dts);
        self.segment_bytes = 0;
        let wall = pending.wall;
        let init = if self.init_due { self.init() } else { None };
        self.init_due &= init.is_none();
        Some(Cut::Segment { wall, init })
    }

    fn finish_part(&mut self) -> Option<Cut> {
        let length = self.interval.unwrap_or(1).max(1);
        let pending = self.pending.take()?;
        if self.pictures.is_empty() {
            self.part_start = pending.dts;
        }
        let end = pending.dts + length;
        self.pictures.push(Sample { duration: u32::try_from(length).unwrap_or(u32::MAX), ..pending.sample });
        self.finish_part_at(end)
    }

    /// Writes the pictures up to `end`, and the sounds of that time.
    fn finish_part_at(&mut self, end: i64) -> Option<Cut> {
        let pictures = std::mem::take(&mut self.pictures);
        let independent = pictures.first()?.keyframe;
        // A picture that was late makes its part longer than is allowed to be said; the next segment's date puts it right.
        let duration = self.duration(end - self.part_start).min(self.part_max.unwrap_or(Duration::MAX));
        let of_pictures = |ticks| MediaTime::new(ticks, self.video.clock_rate);
        let (from, until) = (of_pictures(self.part_start), of_pictures(end));
        let shift_us = self.shift_us;
        let sounds = self.sounds.as_mut().and_then(|sounds| {
            let rate = sounds.track().clock_rate;
            let (first, samples) = sounds.take(from.ticks_at(rate), until.ticks_at(rate))?;
            Some((sounds.track().id, shifted(first, rate, shift_us), samples))
        });
        let mut runs = vec![Run {
            track: self.video.id,
            base_decode_time: shifted(self.part_start, self.video.clock_rate, self.shift_us),
            samples: &pictures,
        }];
        if let Some((track, base_decode_time, samples)) = &sounds {
            runs.push(Run { track: *track, base_decode_time: *base_decode_time, samples });
        }
        self.sequence += 1;
        let data = fmp4::fragment(self.sequence, &runs);
        self.part_start = end;
        Some(Cut::Part { data, duration, independent })
    }

    fn end_timeline(&mut self) {
        self.pending = None;
        self.pictures.clear();
        if let Some(sounds) = &mut self.sounds {
            sounds.restart();
        }
        self.segment_start = None;
        self.init_due = true;
    }

    /// Takes new parameter sets from a keyframe.
    fn learn(&mut self, unit: &AccessUnit) {
        let codec = self.video.codec.clone();
        self.init_due |= self.video.codec.learn(unit.frames(|packets| depacketizer::frames(&codec, packets)));
    }

    fn init(&self) -> Option<Init> {
        let audio = self.sounds.as_ref().map(Sounds::track);
        let tracks: Vec<Track> = std::iter::once(&self.video).chain(audio).cloned().collect();
        let said = self.video.codec.video()?;
        let audio = audio.map_or("", |audio| match audio.codec {
            Codec::Opus { .. } => ",opus",
            Codec::H264 { .. }
            | Codec::H265 { .. }
            | Codec::Aac { .. }
            | Codec::G711 { .. }
            | Codec::Generic { .. } => ",mp4a.40.2",
        });
        Some(Init {
            data: fmp4::init(&tracks).ok()?,
            codecs: format!("{}{audio}", said.codec_string),
            resolution: (said.width, said.height),
            frame_rate: said.fps,
        })
    }

    fn duration(&self, ticks: i64) -> Duration {
        Duration::from_micros(u64::try_from(MediaTime::new(ticks, self.video.clock_rate).to_us()).unwrap_or(0))
    }
}

/// Whether a stream has something to show here.
pub(super) fn has_video(tracks: &[Track]) -> bool {
    tracks.iter().any(|track| track.kind() == TrackKind::Video)
}

/// The same codec with the same settings. Parameter sets of video may differ: keyframes bring theirs.
fn is_same(new: &Codec, old: &Codec) -> bool {
    let both_video = new.kind() == TrackKind::Video && old.kind() == TrackKind::Video;
    if both_video { std::mem::discriminant(new) == std::mem::discriminant(old) } else { new == old }
}

fn shifted(ticks: i64, rate: NonZeroU32, shift_us: i64) -> u64 {
    u64::try_from(ticks + MediaTime::from_us(shift_us, rate).ticks).unwrap_or(0)
}
