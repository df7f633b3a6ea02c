//! The ring itself: units in arrival order, indexed for ever upwards, with the places of the keyframes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use media_proto::{AccessUnit, Track, TrackId, TrackKind};

use super::{Backlog, CURRENT_GOP_BYTES, Description, Join, LIVE_BACKLOG, PREVIOUS_GOP_AGE, PREVIOUS_GOP_BYTES};

/// A stream without video begins a new "GOP" this often, so that joins and limits work alike.
const GOP_WITHOUT_VIDEO: Duration = Duration::from_secs(1);

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    next: u64,
    /// Units before the next keyframe of the video are of no use to this reader.
    awaits_keyframe: bool,
    start: Start,
    /// The description this reader has seen.
    version: Option<u64>,
    /// Units lost and not yet told.
    lost: u64,
}

/// How much of the video a reader has seen since it began or was put forward. Pictures that refer to what was before the
/// keyframe it began with are of no use to it (H.265 RASL after CRA or BLA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The keyframe comes.
    Keyframe,
    /// What follows the keyframe.
    FirstGop,
    /// Everything that is there can be decoded.
    InStep,
}

impl Cursor {
    /// Whether the reader can decode the next unit of the video.
    fn can_decode(&mut self, unit: &AccessUnit) -> bool {
        if unit.head().keyframe {
            self.start = if self.start == Start::Keyframe { Start::FirstGop } else { Start::InStep };
        }
        self.start == Start::InStep || !unit.refers_back()
    }

    pub(super) fn awaits_keyframe(&self) -> bool {
        self.awaits_keyframe
    }
}

#[derive(Debug)]
pub(super) enum Read {
    Nothing,
    Described(Description),
    Unit(AccessUnit),
    Gap(u64),
    End,
}

/// What a push did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushed {
    /// The current GOP had to go because it was too large.
    pub(super) truncated: bool,
    /// The source is alive: sound alone does not prove it of a camera that should send pictures.
    pub(super) shows_life: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ring {
    units: VecDeque<AccessUnit>,
    /// The index of `units[0]`.
    first: u64,
    /// The indices of the units with which a GOP begins, all within `units`.
    gops: VecDeque<u64>,
    bytes: usize,
    description: Description,
    /// The first video track, whose keyframes count.
    video: Option<TrackId>,
    last_video: Option<Instant>,
    last_audio: Option<Instant>,
    last_metadata: Option<Instant>,
    video_interval: Option<Duration>,
    ended: bool,
}

impl Ring {
    pub(super) fn description(&self) -> &Description {
        &self.description
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn video_interval(&self) -> Option<Duration> {
        self.video_interval
    }

    pub(super) fn last_arrival(&self, kind: TrackKind) -> Option<Instant> {
        match kind {
            TrackKind::Video => self.last_video,
            TrackKind::Audio => self.last_audio,
            TrackKind::Metadata => self.last_metadata,
        }
    }

    pub(super) fn last_sign_of_life(&self) -> Option<Instant> {
        match self.video {
            Some(_) => self.last_video,
            None => self.last_audio.max(self.last_metadata),
        }
    }

    /// Takes new tracks. Units of the old ones go: no reader could tell them apart.
    pub(super) fn describe(&mut self, tracks: &[Track]) {
        if *self.description.tracks == *tracks {
            return;
        }
        let same_shape = self.description.tracks.len() == tracks.len()
            && self.description.tracks.iter().zip(tracks).all(|(old, new)| old.same_shape(new));
        self.description = Description { tracks: tracks.into(), version: self.description.version + 1 };
        self.video = tracks.iter().find(|track| track.kind() == TrackKind::Video).map(|track| track.id);
        if !same_shape {
            self.drop_before(self.end_index());
        }
    }

    /// Appends.
    pub(super) fn push(&mut self, unit: AccessUnit) -> Pushed {
        let head = *unit.head();
        self.note_arrival(head.track, head.arrived);
        if self.begins_gop(&unit) {
            self.gops.push_back(self.end_index());
        }
        self.bytes += unit.size();
        self.units.push_back(unit);
        let truncated = self.shrink(head.arrived);
        Pushed { truncated, shows_life: self.video.is_none_or(|video| video == head.track) }
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn join(&self, join: Join) -> Cursor {
        let held = match join {
            Join::NewestKeyframe => self.gops.back().copied(),
            Join::OldestKeyframe => self.gops.front().copied(),
            Join::NextKeyframe => None,
        };
        Cursor {
            next: held.unwrap_or_else(|| self.end_index()),
            awaits_keyframe: held.is_none() && (self.video.is_some() || self.description.version == 0),
            start: Start::Keyframe,
            version: None,
            lost: 0,
        }
    }

    /// All that is held, the oldest first.
    pub(super) fn held(&self) -> Vec<AccessUnit> {
        self.units.iter().cloned().collect()
    }

    pub(super) fn rewind(&self, cursor: &mut Cursor) -> bool {
        let Some(newest) = self.gops.back().copied() else {
            return false;
        };
        cursor.next = newest;
        cursor.awaits_keyframe = false;
        cursor.start = Start::Keyframe;
        true
    }

    pub(super) fn read(&self, cursor: &mut Cursor, backlog: Backlog) -> Read {
        if cursor.version != Some(self.description.version) && self.description.version > 0 {
            cursor.version = Some(self.description.version);
            return Read::Described(self.description.clone());
        }
        self.skip_if_late(cursor, backlog);
        while let Some(unit) = self.get(cursor.next) {
            if cursor.awaits_keyframe && !self.lets_in(cursor, unit) {
                cursor.next += 1;
                cursor.lost += u64::from(cursor.lost > 0);
                continue;
            }
            if cursor.lost > 0 {
                return Read::Gap(std::mem::take(&mut cursor.lost));
            }
            cursor.next += 1;
            if Some(unit.head().track) == self.video && !cursor.can_decode(unit) {
                continue;
            }
            return Read::Unit(unit.clone());
        }
        if self.ended { Read::End } else { Read::Nothing }
    }

    /// Puts a cursor forward that the ring has left behind, or that is too far back for a live picture.
    fn skip_if_late(&self, cursor: &mut Cursor, backlog: Backlog) {
        let left_behind = cursor.next < self.first;
        if !left_behind && (backlog == Backlog::Deep || !self.is_late(cursor)) {
            return;
        }
        let keyframe = match backlog {
            Backlog::Live => self.gops.back().copied(),
            Backlog::Deep => self.gops.front().copied(),
        };
        let target = keyframe.filter(|&at| at > cursor.next).unwrap_or_else(|| self.end_index().max(cursor.next));
        cursor.awaits_keyframe = keyframe.is_none() && self.video.is_some();
        cursor.start = Start::Keyframe;
        cursor.lost += target - cursor.next;
        cursor.next = target;
    }

    fn is_late(&self, cursor: &Cursor) -> bool {
        let Some(&newest) = self.gops.back() else {
            return false;
        };
        let (Some(next), Some(last)) = (self.get(cursor.next), self.units.back()) else {
            return false;
        };
        newest > cursor.next && last.head().arrived.saturating_duration_since(next.head().arrived) > LIVE_BACKLOG
    }

    /// Whether a reader that waits for a keyframe gets this unit; the keyframe ends the waiting.
    fn lets_in(&self, cursor: &mut Cursor, unit: &AccessUnit) -> bool {
        let head = unit.head();
        if self.video.is_none() || (Some(head.track) == self.video && head.keyframe) {
            cursor.awaits_keyframe = false;
        }
        !cursor.awaits_keyframe
    }

    fn begins_gop(&self, unit: &AccessUnit) -> bool {
        let head = unit.head();
        if self.video.is_some() {
            return Some(head.track) == self.video && head.keyframe;
        }
        let newest = self.gops.back().and_then(|&at| self.get(at));
        newest.is_none_or(|newest| head.arrived.saturating_duration_since(newest.head().arrived) >= GOP_WITHOUT_VIDEO)
    }

    fn note_arrival(&mut self, track: TrackId, arrived: Instant) {
        let kind = self.description.tracks.iter().find(|known| known.id == track).map(Track::kind);
        let last = match kind {
            Some(TrackKind::Video) => &mut self.last_video,
            Some(TrackKind::Audio) => &mut self.last_audio,
            Some(TrackKind::Metadata) | None => &mut self.last_metadata,
        };
        let before = last.replace(arrived);
        if let (Some(TrackKind::Video), Some(before)) = (kind, before) {
            let interval = arrived.saturating_duration_since(before);
            self.video_interval = Some(self.video_interval.map_or(interval, |mean| (mean * 7 + interval) / 8));
        }
    }

    /// Keeps the current GOP and what came since the one before, within the limits. True when the current one went.
    fn shrink(&mut self, now: Instant) -> bool {
        if let Some(previous) = self.gops.len().checked_sub(2).and_then(|at| self.gops.get(at).copied()) {
            self.drop_before(previous);
        }
        let age = self.units.front().map(|unit| now.saturating_duration_since(unit.head().arrived));
        if self.bytes > PREVIOUS_GOP_BYTES || age.is_some_and(|age| age > PREVIOUS_GOP_AGE) {
            // Without any keyframe the units serve only readers that are already in step, so the newest few do.
            let current = self.gops.back().copied().unwrap_or_else(|| self.end_index() - 1);
            self.drop_before(current);
        }
        let truncated = self.bytes > CURRENT_GOP_BYTES;
        if truncated {
            self.drop_before(self.end_index());
        }
        truncated
    }

    fn drop_before(&mut self, index: u64) {
        while self.first < index {
            let Some(unit) = self.units.pop_front() else {
                break;
            };
            self.bytes -= unit.size();
            self.first += 1;
        }
        while self.gops.front().is_some_and(|&at| at < self.first) {
            self.gops.pop_front();
        }
    }

    fn end_index(&self) -> u64 {
        self.first + self.units.len() as u64
    }

    fn get(&self, index: u64) -> Option<&AccessUnit> {
        let offset = index.checked_sub(self.first)?;
        self.units.get(usize::try_from(offset).ok()?)
    }
}
