//! The wall time of each unit of a track, by the sender reports where there are any, else by arrival.
//!
//! Wall time runs with the media time of the track. What a report says otherwise is made up for so slowly that nobody
//! sees it; only a report that is far off makes a step, which is told. A sender whose clock is set wrongly is put right
//! by the distance of its clock to ours.

use std::num::NonZeroU32;

use domain::WallTime;

use crate::MediaTime;

/// A sender's clock within this of ours is right.
const RIGHT_US: i64 = 10_000_000;
/// One that was right stays so within this.
const RIGHT_STILL_US: i64 = 2 * RIGHT_US;
/// A distance that changes by more than this means that one of the clocks was set.
const SET_US: i64 = 1_000_000;
/// Wall time that is off by more than this steps.
const STEP_US: i64 = 1_000_000;
/// Without reports, it steps only when it was off for so long: a backlog comes late at once.
const OFF_US: i64 = 10_000_000;
/// Wall time is bent by one microsecond in so many.
const SLEW: i64 = 200;
/// A report says nothing of units further from it than this.
const REPORT_AGE_US: i64 = 600_000_000;

/// The distance between the sender's wall clock and ours, the same for all tracks.
#[derive(Debug, Default)]
pub(super) struct Offset {
    /// With the first report.
    first: Option<i64>,
    /// By the last report; taken from the sender's time where its clock is wrong.
    now: i64,
    wrong: bool,
}

impl Offset {
    /// How far the sender's clock is ahead of ours, as first seen.
    pub(super) fn apart(&self) -> Option<i64> {
        self.first.map(|first| if self.wrong { first.saturating_sub(self.now) } else { first })
    }

    /// Takes the time of a report that arrived `here` by our clock, and puts it right.
    pub(super) fn note(&mut self, sender: WallTime, here: WallTime) -> WallTime {
        let apart = sender.us_since(here);
        let right = if self.first.is_none() || self.wrong { RIGHT_US } else { RIGHT_STILL_US };
        let was_wrong = self.wrong;
        self.wrong = apart.abs() > right;
        if self.first.is_none() || !was_wrong || apart.abs_diff(self.now) > SET_US.unsigned_abs() {
            self.now = apart;
        }
        self.first.get_or_insert(apart);
        if self.wrong { sender.plus_us(self.now.saturating_neg()) } else { sender }
    }
}

/// The wall time of one track.
#[derive(Debug)]
pub(super) struct Wall {
    rate: NonZeroU32,
    /// The last report: when, and for which RTP timestamp.
    report: Option<(WallTime, u32)>,
    /// A report has set the wall time before.
    reported: bool,
    /// The wall time at the origin of media time, and the media time of the last unit.
    line: Option<(WallTime, i64)>,
    /// Without reports: since which media time units arrive elsewhere than the line says.
    off_since: Option<i64>,
}

impl Wall {
    pub(super) fn new(rate: NonZeroU32) -> Self {
        Self { rate, report: None, reported: false, line: None, off_since: None }
    }

    /// Takes a report: `timestamp` was taken at `at`.
    pub(super) fn note_report(&mut self, at: WallTime, timestamp: u32) {
        self.report = Some((at, timestamp));
    }

    /// The sender counts its timestamps anew.
    pub(super) fn forget_report(&mut self) {
        self.report = None;
    }

    /// When a timestamp was taken, by the last report.
    pub(super) fn sent(&self, timestamp: u32) -> Option<WallTime> {
        let (at, reported) = self.report?;
        let ticks = i64::from(timestamp.wrapping_sub(reported) as i32);
        let us = MediaTime::new(ticks, self.rate).to_us();
        (us.abs() <= REPORT_AGE_US).then(|| at.plus_us(us))
    }

    /// The wall time of a unit at `media_us` that arrived at `arrived`, and whether it made a step.
    pub(super) fn of(&mut self, timestamp: u32, media_us: i64, arrived: WallTime) -> (WallTime, bool) {
        let sent = self.sent(timestamp);
        let begins = sent.unwrap_or(arrived).plus_us(media_us.saturating_neg());
        let Some((line, last)) = self.line else {
            self.reported = sent.is_some();
            self.line = Some((begins, media_us));
            return (begins.plus_us(media_us), false);
        };
        let off = begins.us_since(line);
        let first_report = sent.is_some() && !self.reported;
        let steps = off.abs() > STEP_US && (sent.is_some() || self.stays_off(media_us));
        let moved = if steps {
            off
        } else if sent.is_some() {
            let most = (media_us - last).max(0) / SLEW;
            off.clamp(-most, most)
        } else {
            0
        };
        if steps || off.abs() <= STEP_US {
            self.off_since = None;
        }
        self.reported |= sent.is_some();
        let line = line.plus_us(moved);
        self.line = Some((line, media_us.max(last)));
        (line.plus_us(media_us), steps && !first_report)
    }

    fn stays_off(&mut self, media_us: i64) -> bool {
        media_us - *self.off_since.get_or_insert(media_us) >= OFF_US
    }
}

#[cfg(test)]
mod tests;
