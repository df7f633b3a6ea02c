//! How fast packets leave for one peer: a frame of the usual size at once, what is larger – the newest GOP for a viewer
//! that joins, a large keyframe – in portions, so that no router or socket on the way has to hold it all.

use std::time::{Duration, Instant};

/// So many bytes leave at once after a pause: more than nearly every frame has.
const AT_ONCE_BYTES: i64 = 64 << 10;
/// What is more leaves at this rate,
const RATE_BPS: u64 = 100_000_000;
/// or at so many times the rate of the last second, where a wall of many main streams needs that,
const FACTOR: f64 = 2.5;
/// but at no more than so many times what the way is known to take, and no less than this.
const LIMITED_BPS_MIN: u64 = 2_000_000;
/// The least that leaves together: packets in rows cost less than one by one.
const PORTION_BYTES: i64 = 12 << 10;
/// The rate of what is sent is taken over so long.
const MEASURED_OVER: Duration = Duration::from_secs(1);

/// The allowance of one peer.
#[derive(Debug)]
pub(super) struct Pace {
    allowed: i64,
    at: Instant,
    bytes_per_s: f64,
    measured: (Instant, u64),
    sent_bps: f64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        let bytes_per_s = RATE_BPS as f64 / 8.0;
        Self { allowed: AT_ONCE_BYTES, at: now, bytes_per_s, measured: (now, 0), sent_bps: 0.0 }
    }

    /// Time passes. `limit_bps` is what the way takes, where it is known to be full.
    pub(super) fn tick(&mut self, now: Instant, limit_bps: Option<u64>) {
        let since = now.saturating_duration_since(self.measured.0);
        if since >= MEASURED_OVER {
            self.sent_bps = self.measured.1 as f64 * 8.0 / since.as_secs_f64();
            self.measured = (now, 0);
        }
        let usual = (RATE_BPS as f64).max(self.sent_bps * FACTOR);
        let limited = limit_bps.map(|bps| (bps as f64 * FACTOR).max(LIMITED_BPS_MIN as f64));
        self.bytes_per_s = limited.map_or(usual, |limited| limited.min(usual)) / 8.0;
        let earned = self.bytes_per_s * now.saturating_duration_since(self.at).as_secs_f64();
        // The time of less than a byte is kept.
        if earned >= 1.0 {
            self.allowed = self.allowed.saturating_add(earned as i64).min(AT_ONCE_BYTES);
            self.at = now;
        }
    }

    /// How many bytes may leave now.
    pub(super) fn allowed(&self) -> usize {
        usize::try_from(self.allowed).unwrap_or(0)
    }

    /// Notes what has left.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.allowed = self.allowed.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.measured.1 += bytes as u64;
    }

    /// When the next portion may leave.
    pub(super) fn next_at(&self) -> Instant {
        let missing = (PORTION_BYTES - self.allowed).max(1) as f64;
        self.at + Duration::from_secs_f64(missing / self.bytes_per_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many bytes as soon as they may leave; how long the last of them waited.
    fn check(bytes: usize, limit_bps: Option<u64>, at_once: usize, ms: std::ops::RangeInclusive<u128>) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut now, mut rest) = (start, bytes);
        pace.tick(now, limit_bps);
        assert_eq!(pace.allowed().min(bytes), at_once, "{bytes} at once");
        while rest > 0 {
            let portion = pace.allowed().min(rest);
            pace.sent(portion);
            rest -= portion;
            if rest > 0 {
                assert!(pace.next_at() > now, "time goes on");
                now = pace.next_at();
                pace.tick(now, limit_bps);
                assert!(pace.allowed() as i64 >= PORTION_BYTES.min(rest as i64) - 1, "in portions");
            }
        }
        let waited = (now - start).as_millis();
        assert!(ms.contains(&waited), "{bytes} bytes took {waited} ms");
    }

    #[test]
    fn a_frame_of_the_usual_size_leaves_at_once_and_what_is_more_at_the_rate() {
        check(60_000, None, 60_000, 0..=0);
        check(300_000, None, 65_536, 17..=20);
        check(2_500_000, None, 65_536, 190..=200);
    }

    #[test]
    fn on_a_full_way_a_burst_leaves_little_faster_than_the_way_takes_it() {
        check(60_000, Some(4_000_000), 60_000, 0..=0);
        check(315_536, Some(4_000_000), 65_536, 195..=210);
        check(315_536, Some(100_000), 65_536, 990..=1050);
        check(2_500_000, Some(1_000_000_000), 65_536, 190..=200);
    }

    #[test]
    fn a_wall_that_needs_more_than_the_rate_gets_it() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut left = 0;
        for ms in 0..4_000 {
            pace.tick(start + Duration::from_millis(ms), None);
            // 320 Mbit/s wait to be sent.
            let portion = pace.allowed().min(40_000);
            pace.sent(portion);
            left += portion * usize::from(ms >= 3_000);
        }
        assert!(left >= 39_000_000, "{left} bytes in the fourth second");
    }
}
