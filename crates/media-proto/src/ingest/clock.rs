//! Puts the units of a track on the stream's clock: continuous, close to arrival, in step with the other tracks.
//!
//! A sender whose clock runs a little fast or slow is followed by a slew that nobody sees; one whose clock jumps goes on
//! where its arrival says.

use std::{num::NonZeroU32, time::Instant};

use domain::WallTime;

use super::wall::{Offset, Wall};
use crate::{MediaTime, rtcp::SenderReport};

/// A unit further than this from where its arrival says it belongs means that the sender's clock jumped.
const JUMP_US: i64 = 5_000_000;
/// A step back of more than this is a jump; B-frames and doubled timestamps step back less.
const STEP_BACK_US: i64 = 1_000_000;
/// A late unit is a jump only if the units after it stay late for so long: after a stall a backlog comes at once.
const LATE_US: i64 = 2_000_000;
/// The earliest arrivals of a span this long tell how far the sender's clock has drifted.
const DRIFT_SPAN_US: i64 = 10_000_000;
/// Less drift than this is left alone.
const DRIFT_US: i64 = 200_000;
/// The clock is bent by one tick in so many.
const SLEW: i64 = 200;

/// Where a unit belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) ticks: i64,
    pub(super) wall: WallTime,
    pub(super) jumped: bool,
}

#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    rate: NonZeroU32,
    last: Option<Last>,
    /// The highest ticks given so far.
    highest: i64,
    /// Since when, by arrival, units are too late.
    late_since: Option<i64>,
    drift: Drift,
    start: Option<u32>,
    wall: Wall,
}

/// The last unit.
#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    ticks: i64,
}

impl Clock {
    pub(super) fn new(origin: Instant, rate: NonZeroU32) -> Self {
        let (drift, wall) = (Drift::default(), Wall::new(rate));
        Self { origin, rate, last: None, highest: i64::MIN, late_since: None, drift, start: None, wall }
    }

    pub(super) fn start_at(&mut self, timestamp: u32) {
        self.start = Some(timestamp);
    }

    /// Takes a sender report whose time is `at` by our own clock.
    pub(super) fn note_sender_report(&mut self, report: &SenderReport, at: WallTime) {
        self.wall.note_report(at, report.rtp);
    }

    /// Places a unit that arrived at `now`, which is `wall` by our own clock.
    pub(super) fn place(&mut self, timestamp: u32, now: Instant, wall: WallTime, offset: &Offset) -> Placed {
        let arrival = self.ticks_at(now);
        let (ticks, jumped) = match self.last {
            None => (self.first(timestamp, arrival, wall, offset), false),
            Some(last) => self.following(last, timestamp, arrival),
        };
        self.last = Some(Last { timestamp, ticks });
        self.highest = self.highest.max(ticks);
        if jumped {
            self.wall.forget_report();
        }
        let (wall, stepped) = self.wall.of(timestamp, MediaTime::new(ticks, self.rate).to_us(), wall);
        Placed { ticks, wall, jumped: jumped || stepped }
    }

    /// The first unit of a connection lies where it arrived, or where the sender's clock sets it beside the other tracks.
    fn first(&self, timestamp: u32, arrival: i64, wall: WallTime, offset: &Offset) -> i64 {
        if let (Some(sent), Some(apart)) = (self.wall.sent(timestamp), offset.apart()) {
            let late_us = wall.us_since(sent).saturating_add(apart);
            if late_us.abs() < JUMP_US {
                return arrival - self.ticks(late_us);
            }
        }
        let ahead = self.start.map_or(0, |start| i64::from(timestamp.wrapping_sub(start) as i32));
        // Servers exist whose RTP-Info means nothing.
        if (0..self.ticks(1_000_000)).contains(&ahead) { arrival + ahead } else { arrival }
    }

    /// A later unit lies as far from the one before as the sender says, unless the sender's clock jumped.
    fn following(&mut self, last: Last, timestamp: u32, arrival: i64) -> (i64, bool) {
        let step = i64::from(timestamp.wrapping_sub(last.timestamp) as i32);
        let next = last.ticks + step;
        let ahead = next - arrival;
        if ahead > self.ticks(JUMP_US) || step < -self.ticks(STEP_BACK_US) || self.stays_late(ahead, arrival) {
            self.drift = Drift::default();
            self.late_since = None;
            return (arrival.max(self.highest + 1), true);
        }
        let spans = DriftSpans { length: self.ticks(DRIFT_SPAN_US), tolerance: self.ticks(DRIFT_US) };
        (next + self.drift.bend(step, ahead, arrival, spans), false)
    }

    fn stays_late(&mut self, ahead: i64, arrival: i64) -> bool {
        if ahead >= -self.ticks(JUMP_US) {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(arrival);
        arrival - since >= self.ticks(LATE_US)
    }

    fn ticks_at(&self, now: Instant) -> i64 {
        let us = now.saturating_duration_since(self.origin).as_micros();
        self.ticks(i64::try_from(us).unwrap_or(i64::MAX))
    }

    fn ticks(&self, us: i64) -> i64 {
        MediaTime::from_us(us, self.rate).ticks
    }
}

#[derive(Clone, Copy, Debug)]
struct DriftSpans {
    length: i64,
    tolerance: i64,
}

/// Watches how far a sender's clock runs away from arrival and bends it back.
///
/// Of each span only the least late unit counts: the others were held up on their way, which says nothing of clocks.
#[derive(Debug, Default)]
struct Drift {
    /// When the span began, and how far its least late unit is ahead of its arrival.
    span: Option<(i64, i64)>,
    /// How far the clock is still to be moved.
    wanted: i64,
    /// Ticks that have passed since the last one was moved.
    passed: i64,
}

impl Drift {
    /// How many ticks to move the next unit by, `step` ticks after the last one.
    fn bend(&mut self, step: i64, ahead: i64, arrival: i64, spans: DriftSpans) -> i64 {
        let (since, most) = *self.span.get_or_insert((arrival, ahead));
        let most = most.max(ahead);
        self.span = Some((since, most));
        if arrival - since >= spans.length {
            self.span = None;
            self.wanted = if most.abs() > spans.tolerance { -most } else { 0 };
        }
        self.passed += step.max(0);
        let moved = (self.passed / SLEW).min(self.wanted.abs()) * self.wanted.signum();
        self.passed %= SLEW;
        self.wanted -= moved;
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Sender {
        clock: Clock,
        timestamp: u32,
        origin: Instant,
        now: Instant,
    }

    impl Sender {
        fn new() -> Self {
            #[expect(clippy::disallowed_methods, reason = "any instant will do")]
            let now = Instant::now();
            Self { clock: Clock::new(now, NonZeroU32::new(90_000).unwrap()), timestamp: 0, origin: now, now }
        }

        /// A unit whose timestamp is `ticks` later and which arrives `us` later: milliseconds it lies at, and whether
        /// the clock jumped.
        fn unit(&mut self, ticks: i32, us: u64) -> (i64, bool) {
            self.timestamp = self.timestamp.wrapping_add_signed(ticks);
            self.now += Duration::from_micros(us);
            let elapsed = self.now.duration_since(self.origin).as_micros();
            let wall = WallTime::from_unix_us(i64::try_from(elapsed).unwrap());
            let placed = self.clock.place(self.timestamp, self.now, wall, &Offset::default());
            (placed.ticks / 90, placed.jumped)
        }
    }

    #[test]
    fn slow_drift_never_cuts() {
        // 500 ppm fast and slow, for six hours of 25 pictures a second: 10.8 s of drift.
        for us in [39_980, 40_020] {
            let mut sender = Sender::new();
            let (mut last, mut arrived_ms) = (0, 0.0);
            for picture in 0..6 * 3600 * 25 {
                let (ms, jumped) = sender.unit(3600, us);
                arrived_ms += us as f64 / 1000.0;
                assert!(
                    !jumped && (picture == 0 || (39..=41).contains(&(ms - last))),
                    "picture {picture}: {last} {ms}"
                );
                assert!((ms as f64 - arrived_ms).abs() < 500.0, "picture {picture}: {ms} at {arrived_ms}");
                last = ms;
            }
        }
    }

    #[test]
    fn a_backlog_after_a_stall_is_no_jump() {
        let mut sender = Sender::new();
        assert_eq!(sender.unit(0, 0), (0, false));
        assert_eq!(sender.unit(3600, 8_000_000), (40, false), "the first of a backlog of 8 s");
        for picture in 2..200 {
            assert_eq!(sender.unit(3600, 1_000), (picture * 40, false));
        }
    }

    #[test]
    fn a_clock_that_stood_still_goes_on_at_arrival() {
        let mut sender = Sender::new();
        sender.unit(0, 0);
        sender.unit(3600, 8_000_000);
        let jumps: Vec<_> = (0..100).map(|_| sender.unit(3600, 40_000)).filter(|(_, jumped)| *jumped).collect();
        assert_eq!(jumps, [(10_000, true)]);
    }

    #[test]
    fn a_step_back_goes_on_after_the_latest_unit() {
        let mut sender = Sender::new();
        sender.unit(0, 0);
        assert_eq!(sender.unit(3600, 40_000), (40, false));
        assert_eq!(sender.unit(-1800, 40_000), (20, false), "a B-frame");
        assert_eq!(sender.unit(-2 * 90_000, 40_000), (120, true));
        assert_eq!(sender.unit(90_000 * 60, 0), (120, true), "a step ahead");
    }
}
