//! The clock of one outgoing track: timestamps that go on whatever is shown on it.
//!
//! A viewer's decoder sees one endless stream. When another camera or rendition comes onto the track, or the viewer goes
//! back to a keyframe, the frames up to the newest are stamped close together so that the last of them is shown now.

use std::time::{Duration, Instant};

use media_proto::MediaTime;

/// Frames of a burst are at most this far apart.
const BURST_STEP: Duration = Duration::from_millis(2);

/// Ties the media time of a stream to the instants at which a viewer is shown it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    at: Instant,
    media_us: i64,
}

impl Anchor {
    /// What has this media time is shown at this instant.
    pub(super) fn new(at: Instant, shown: MediaTime) -> Self {
        Self { at, media_us: shown.to_us() }
    }

    /// When something of this media time is shown.
    pub(super) fn instant_of(&self, time: MediaTime) -> Instant {
        let us = time.to_us().saturating_sub(self.media_us);
        let distance = Duration::from_micros(us.unsigned_abs());
        let moved = if us < 0 { self.at.checked_sub(distance) } else { self.at.checked_add(distance) };
        moved.unwrap_or(self.at)
    }
}

/// The clock of one outgoing track.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    rate: u32,
    epoch: Instant,
    base: u32,
    last: i64,
}

impl Timeline {
    /// A clock of `rate` ticks per second. Where it starts is the caller's choice, at random as RFC 3550 section 5.1 asks.
    pub(super) fn new(rate: u32, epoch: Instant, base: u32) -> Self {
        Self { rate, epoch, base, last: -1 }
    }

    /// Goes on with another clock rate, for another codec on the same track.
    pub(super) fn set_rate(&mut self, rate: u32) {
        if rate != self.rate {
            self.last =
                i64::try_from(i128::from(self.last) * i128::from(rate) / i128::from(self.rate.max(1))).unwrap_or(-1);
            self.rate = rate;
        }
    }

    /// The timestamp of a frame that is shown at `shown`; never before one that was given out.
    pub(super) fn follow(&mut self, shown: Instant) -> i64 {
        self.last = self.ticks_of(shown).max(self.last + 1);
        self.last
    }

    /// The timestamps of `count` frames of which the last is shown at `now` and the others directly before it.
    pub(super) fn burst(&mut self, now: Instant, count: usize) -> Vec<i64> {
        let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
        let end = self.ticks_of(now).max(self.last.saturating_add(count));
        let room = (end - self.last - 1).max(0) / count;
        let step = room.clamp(1, ticks(BURST_STEP, self.rate).max(1));
        self.last = end;
        (0..count).rev().map(|before_end| end - before_end * step).collect()
    }

    /// A timestamp as it stands in the packet.
    pub(super) fn wire(&self, ticks: i64) -> u32 {
        // Modulo 2^32, as RTP timestamps are.
        self.base.wrapping_add(ticks as u32)
    }

    /// Ticks per second.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    fn ticks_of(&self, instant: Instant) -> i64 {
        match instant.checked_duration_since(self.epoch) {
            Some(after) => ticks(after, self.rate),
            None => -ticks(self.epoch.saturating_duration_since(instant), self.rate),
        }
    }
}

fn ticks(duration: Duration, rate: u32) -> i64 {
    let ticks = duration.as_nanos() * u128::from(rate) / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn check(before: &[u64], now_ms: u64, burst: usize, want: &[i64]) {
        let epoch = Instant::now();
        let mut timeline = Timeline::new(1000, epoch, 0);
        for ms in before {
            timeline.follow(epoch + Duration::from_millis(*ms));
        }
        assert_eq!(timeline.burst(epoch + Duration::from_millis(now_ms), burst), want, "{before:?} {now_ms}");
    }

    #[test]
    fn a_burst_ends_now_and_its_frames_are_close_together() {
        check(&[], 1000, 3, &[996, 998, 1000]);
        check(&[0, 40, 80], 120, 4, &[114, 116, 118, 120]);
    }

    #[test]
    fn a_burst_longer_than_the_time_that_passed_begins_after_the_last_frame() {
        check(&[100], 104, 4, &[101, 102, 103, 104]);
        check(&[100], 100, 3, &[101, 102, 103]);
        check(&[100], 90, 2, &[101, 102]);
    }

    #[test]
    fn timestamps_grow_even_if_media_time_goes_back() {
        let epoch = Instant::now();
        let mut timeline = Timeline::new(1000, epoch, u32::MAX);
        assert_eq!(timeline.follow(epoch + Duration::from_millis(5)), 5);
        assert_eq!(timeline.follow(epoch), 6);
        assert_eq!(timeline.wire(6), 5);
    }

    #[test]
    fn an_anchor_keeps_tracks_of_different_rates_together() {
        let at = Instant::now();
        let rate = |hz| NonZeroU32::new(hz).unwrap();
        let anchor = Anchor::new(at, MediaTime::new(180_000, rate(90_000)));
        assert_eq!(anchor.instant_of(MediaTime::new(16_000, rate(8_000))), at);
        assert_eq!(anchor.instant_of(MediaTime::new(24_000, rate(8_000))), at + Duration::from_secs(1));
        assert_eq!(anchor.instant_of(MediaTime::new(90_000, rate(90_000))), at - Duration::from_secs(1));
    }
}
