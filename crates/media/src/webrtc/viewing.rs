//! A viewer's place in one stream: what it has read, and when what it reads is shown.

use std::time::{Duration, Instant};

use domain::PathName;
use media_proto::{AccessUnit, Track, TrackKind};

use super::{offer::AudioTypes, outlet::Outlet, payload, timeline::Anchor};
use crate::{
    Error, Pulled, Stream, Subscription,
    hub::{Reader, ReaderKind},
    stream::{Backlog, Description, Join},
};

/// A viewer that asks for a keyframe gets one from the ring at most this often.
const REPLAY_EVERY: Duration = Duration::from_millis(500);

/// A source that has sent nothing for so long, or for two pictures, is silent.
const SILENT: Duration = Duration::from_secs(1);

/// A viewer's place in one stream.
#[derive(Debug)]
pub(super) struct Viewing {
    // Dropping the reader gives the place back.
    reader: Reader,
    subscription: Subscription,
    video: Option<Track>,
    audio: Option<Track>,
    anchor: Option<Anchor>,
    /// The next frames come all at once and end now.
    bursts: bool,
    replayed: Option<Instant>,
    /// The newest GOP is due as soon as the source speaks again.
    owed: bool,
    /// The viewer wants no more frames per second than this; 0 is all.
    fps_wanted: u32,
    /// The media time of the last frame put up.
    put_us: Option<i64>,
}

/// What came of reading.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Video frames put up.
    pub(super) frames: u64,
    /// Units this viewer lost.
    pub(super) lost: u64,
    /// The timestamp with which a burst began.
    pub(super) burst_at: Option<u32>,
    /// The stream is gone.
    pub(super) ended: bool,
}

impl Viewing {
    /// Begins at the newest keyframe held, or at the next to come where the source is not up: what is held is old then.
    pub(super) fn new(reader: Reader) -> Self {
        let join = if reader.stream().state().is_up() { Join::NewestKeyframe } else { Join::NextKeyframe };
        let subscription = reader.subscribe(join, Backlog::Live);
        Self {
            reader,
            subscription,
            video: None,
            audio: None,
            anchor: None,
            bursts: true,
            replayed: None,
            owed: false,
            fps_wanted: 0,
            put_us: None,
        }
    }

    pub(super) fn stream(&self) -> &Stream {
        self.reader.stream()
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.reader.is_revoked()
    }

    /// A place in another stream under the same permit.
    pub(super) fn beside(&self, path: &PathName) -> Result<Self, Error> {
        self.reader.beside(path, ReaderKind::WebRtcSession).map(Self::new)
    }

    /// Leaves out pictures that no other needs, as far as more than `fps` come; 0 leaves out nothing.
    pub(super) fn want_fps(&mut self, fps: u32) {
        self.fps_wanted = fps;
    }

    pub(super) fn video_track(&self) -> Option<&Track> {
        self.video.as_ref()
    }

    /// Reads all there is and puts it up on the outlets.
    pub(super) fn flow(
        &mut self,
        now: Instant,
        video: Option<&mut Outlet>,
        audio: Option<(&mut Outlet, AudioTypes)>,
    ) -> Flow {
        let mut flow = Flow::default();
        let units = self.read(&mut flow);
        let (pictures, sounds) = self.sort(units);
        if let Some(outlet) = video {
            self.put_video(now, outlet, pictures, &mut flow);
        }
        if let Some((outlet, types)) = audio {
            self.put_audio(now, outlet, types, sounds, flow.burst_at.is_some());
        }
        flow
    }

    /// Reads all there is and puts up only the newest keyframe.
    pub(super) fn flow_keyframes(&mut self, now: Instant, outlet: &mut Outlet) -> Flow {
        let mut flow = Flow::default();
        let units = self.read(&mut flow);
        let newest = self.sort(units).0.into_iter().rfind(|unit| unit.head().keyframe);
        self.bursts = true;
        self.put_video(now, outlet, newest.into_iter().collect(), &mut flow);
        flow
    }

    /// Begins anew at the newest keyframe when the next unit comes, after frames were left out.
    pub(super) fn resume(&mut self) {
        self.owed = true;
    }

    /// Reads without showing, for what nobody wants to see now.
    pub(super) fn skip(&mut self) -> Flow {
        let mut flow = Flow::default();
        self.read(&mut flow);
        self.bursts = true;
        flow
    }

    /// Goes back to the newest keyframe for a viewer that lost its picture; asks the source when none is held.
    ///
    /// While the source is silent nothing is sent again: old pictures would pass for live ones.
    pub(super) fn replay(&mut self, now: Instant) -> Replay {
        if self.replayed.is_some_and(|at| now.saturating_duration_since(at) < REPLAY_EVERY) {
            return Replay::TooSoon;
        }
        self.replayed = Some(now);
        if self.is_silent(now) {
            self.owed = true;
            return Replay::SourceSilent;
        }
        self.bursts = true;
        if self.subscription.rewind_to_keyframe() { Replay::FromRing } else { Replay::NothingHeld }
    }

    fn is_silent(&self, now: Instant) -> bool {
        let stream = self.reader.stream();
        let limit = SILENT.max(stream.video_interval().unwrap_or_default() * 2);
        stream.last_sign_of_life().is_some_and(|at| now.saturating_duration_since(at) > limit)
    }

    fn read(&mut self, flow: &mut Flow) -> Vec<AccessUnit> {
        let units = self.pull(flow);
        if !self.owed || units.is_empty() {
            return units;
        }
        self.owed = false;
        self.bursts = true;
        if self.subscription.rewind_to_keyframe() { self.pull(flow) } else { units }
    }

    fn pull(&mut self, flow: &mut Flow) -> Vec<AccessUnit> {
        let mut units = Vec::new();
        while let Some(pulled) = self.subscription.try_pull() {
            match pulled {
                Pulled::Described(description) => self.described(&description),
                Pulled::Unit(unit) => units.push(unit),
                Pulled::Gap(lost) => {
                    flow.lost += lost;
                    units.clear();
                    self.bursts = true;
                }
                Pulled::End => {
                    flow.ended = true;
                    break;
                }
            }
        }
        units
    }

    fn described(&mut self, description: &Description) {
        let first = |kind| description.tracks.iter().find(|track| track.kind() == kind).cloned();
        self.video = first(TrackKind::Video);
        self.audio = first(TrackKind::Audio);
    }

    fn sort(&self, units: Vec<AccessUnit>) -> (Vec<AccessUnit>, Vec<AccessUnit>) {
        let is =
            |track: &Option<Track>, unit: &AccessUnit| track.as_ref().map(|track| track.id) == Some(unit.head().track);
        let (pictures, others): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| is(&self.video, unit));
        (pictures, others.into_iter().filter(|unit| is(&self.audio, unit)).collect())
    }

    fn put_video(&mut self, now: Instant, outlet: &mut Outlet, units: Vec<AccessUnit>, flow: &mut Flow) {
        let Some(track) = &self.video else {
            return;
        };
        outlet.set_video(self.reader.stream(), track);
        flow.frames = units.len() as u64;
        if self.bursts {
            let from_keyframe: Vec<AccessUnit> = units.into_iter().skip_while(|unit| !unit.head().keyframe).collect();
            if let Some(newest) = from_keyframe.last() {
                self.anchor = Some(Anchor::new(now, newest.head().pts));
                self.bursts = false;
                self.replayed = Some(now);
                flow.burst_at = outlet.burst(now, from_keyframe);
            }
            return;
        }
        let Some(anchor) = &self.anchor else {
            return;
        };
        for unit in units {
            let us = unit.head().pts.to_us();
            if thins(self.fps_wanted, self.put_us, us) && payload::is_disposable(&unit, &track.codec) {
                continue;
            }
            self.put_us = Some(us);
            if !outlet.follow(anchor, unit) {
                flow.lost += 1;
                self.bursts = true;
                self.subscription.rewind_to_keyframe();
                break;
            }
        }
    }

    /// Sound begins where the picture is live; sound that belongs to the burst is past.
    fn put_audio(
        &mut self,
        now: Instant,
        outlet: &mut Outlet,
        types: AudioTypes,
        units: Vec<AccessUnit>,
        after_burst: bool,
    ) {
        let Some(track) = &self.audio else {
            return;
        };
        if after_burst || (self.video.is_some() && self.bursts) || !outlet.set_audio(self.reader.stream(), track, types)
        {
            return;
        }
        for unit in units {
            let anchor = self.anchor.get_or_insert_with(|| Anchor::new(now, unit.head().pts));
            outlet.follow(anchor, unit);
        }
    }
}

/// Whether a frame comes too soon after the last one for the frames per second that are wanted. A tenth of tolerance
/// lets a source pass that has just the rate.
fn thins(fps: u32, last_us: Option<i64>, us: i64) -> bool {
    let since = last_us.map_or(i64::MAX, |last| us.saturating_sub(last));
    fps > 0 && since >= 0 && since < 900_000 / i64::from(fps)
}

/// What was done for a viewer that lost its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// The last replay is too short ago.
    TooSoon,
    /// The newest GOP is sent again.
    FromRing,
    /// The source has to be asked.
    NothingHeld,
    /// The newest GOP follows when the source speaks again.
    SourceSilent,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of frames at `rate`, all disposable, how many of 100 are put up.
    fn check(rate: i64, wanted: u32, want: usize) {
        let (mut last, mut put) = (None, 0);
        for number in 0..100 {
            let us = number * 1_000_000 / rate;
            if !thins(wanted, last, us) {
                last = Some(us);
                put += 1;
            }
        }
        assert_eq!(put, want, "{wanted} of {rate}");
    }

    #[test]
    fn frames_are_left_out_only_as_far_as_more_come_than_are_wanted() {
        check(25, 0, 100);
        check(25, 25, 100);
        check(25, 24, 100);
        check(25, 30, 100);
        check(25, 15, 50);
        check(30, 15, 50);
        check(30, 10, 34);
        check(25, 1, 5);
    }
}
