//! Builds windows out of cuts and of the time in which there were none.

use std::{sync::Arc, time::Duration};

use domain::WallTime;
use media_proto::hls::Opening;

use super::{
    Config,
    cutter::{Cut, Cutter, Init},
    window::{Frame, Part, Window},
};

/// Segments whose lengths are known before the target duration is decided.
const OBSERVED: usize = 2;
/// By how much a GOP may grow before segments are cut without a keyframe.
const MARGIN: f64 = 1.25;
/// A segment may be this much longer than the target duration, which is compared with rounded lengths.
const ROUNDING: Duration = Duration::from_millis(400);
/// Parts of others as short as this, measured against their target, are parts of ours, too (rfc8216bis section 4.4.3.7).
const PART_LEAST: f64 = 0.85;

#[derive(Debug)]
pub(super) struct Publication {
    config: Config,
    window: Window,
    decided: bool,
    inits: u64,
    first_init: u64,
    init: Option<Arc<Init>>,
    /// Where the open or the last segment ends.
    wall: Option<WallTime>,
    /// What comes next does not follow from what was.
    broken: bool,
}

impl Publication {
    /// Names of one packager never come again in the next, because viewers keep media for an hour: numbers begin with the
    /// tenths of a second since 1970, and segments are longer than that.
    pub(super) fn new(created: WallTime, config: Config) -> Self {
        let first = u64::try_from(created.unix_us() / 100_000).unwrap_or(0);
        let window = Window::new(first, config.segment_count);
        Self { config, window, decided: false, inits: 0, first_init: first, init: None, wall: None, broken: false }
    }

    /// Takes a cut; true when there is something new to publish. `kin` is what another rendition of the camera has decided.
    pub(super) fn take(&mut self, cut: Cut, cutter: &mut Cutter, kin: impl Fn() -> Option<Frame>) -> bool {
        match cut {
            Cut::Segment { wall, init } => self.begin(wall, init),
            Cut::Part { data, duration, independent } => {
                self.window.push(Part { data, duration, independent });
                self.advance(duration);
                return self.decided;
            }
        }
        if !self.decided && self.observed_enough() {
            self.decide(cutter, kin());
        }
        self.decided
    }

    fn begin(&mut self, wall: WallTime, init: Option<Init>) {
        let known = self.init.is_some();
        let fresh = init.is_some();
        if let Some(init) = init {
            self.init = Some(Arc::new(init));
            self.inits += 1;
        }
        let Some(init) = self.init.clone() else { return };
        let discontinuity = (known && fresh) || self.broken;
        self.broken = false;
        self.window.begin(self.opening(wall, discontinuity), init, false);
        self.wall = Some(wall);
    }

    fn opening(&self, program_date_time: WallTime, discontinuity: bool) -> Opening {
        let map_uri = format!("init_{}.mp4", self.first_init + self.inits.saturating_sub(1));
        Opening { map_uri, program_date_time, discontinuity }
    }

    fn advance(&mut self, duration: Duration) {
        let us = i64::try_from(duration.as_micros()).unwrap_or(0);
        self.wall = self.wall.map(|wall| WallTime::from_unix_us(wall.unix_us() + us));
    }

    fn observed_enough(&self) -> bool {
        let total: Duration = self.window.listed().map(|segment| segment.duration()).sum();
        self.window.listed().count() >= OBSERVED || total >= self.config.segment_max()
    }

    /// Nothing is published before: the target durations never change.
    fn decide(&mut self, cutter: &mut Cutter, kin: Option<Frame>) {
        let longest = self.window.listed().map(|segment| segment.duration()).max().unwrap_or_default();
        let fits = |kin: &Frame| {
            let filled = cutter.part_within(kin.part_target).as_secs_f64() / kin.part_target.as_secs_f64();
            longest <= kin.target_duration() + ROUNDING && (PART_LEAST..=1.0).contains(&filled)
        };
        let least = longest.mul_f64(MARGIN).max(self.config.segment_duration);
        let most = self.config.segment_max().as_secs_f64().max(longest.as_secs_f64().round());
        let own = Frame {
            target_duration_s: (least.as_secs_f64().ceil().min(most) as u64).max(1),
            part_target: cutter.part_target(),
        };
        let frame = kin.filter(fits).unwrap_or(own);
        cutter.keep_to(frame.target_duration() + ROUNDING, frame.part_target);
        self.window.frame = frame;
        self.decided = true;
    }

    /// Says that the source gave nothing for the length of one part; true when that is to be published.
    pub(super) fn miss(&mut self) -> bool {
        let (Some(init), Some(wall)) = (self.init.clone(), self.wall) else { return false };
        if !self.decided {
            return false;
        }
        let Frame { part_target, .. } = self.window.frame;
        let longest = self.window.frame.target_duration();
        let open = self.window.open.as_ref().filter(|open| open.gap);
        if open.is_none_or(|open| open.duration() + part_target > longest) {
            self.window.begin(self.opening(wall, false), init, true);
        }
        self.window.push(Part { data: bytes::Bytes::new(), duration: part_target, independent: false });
        self.advance(part_target);
        self.broken = true;
        true
    }

    /// Says that nothing follows any more; true when that is to be published.
    pub(super) fn end(&mut self) -> bool {
        self.window.end_list();
        self.decided
    }

    /// The length of a part, once it is decided.
    pub(super) fn part_target(&self) -> Option<Duration> {
        self.decided.then_some(self.window.frame.part_target)
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }
}
