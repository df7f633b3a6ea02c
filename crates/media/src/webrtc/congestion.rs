//! When a viewer has to do with the sub stream, and when the main one is tried again: pure rules.
//!
//! Two things tell of a congested way: the packets that the peer reports as lost, and a queue on the way that does not drain
//! (`bandwidth`). How much more than the sub stream the way would take cannot be known without sending it, so the main
//! stream is tried again after a calm time, later each time that fails.

use std::time::{Duration, Instant};

use domain::Rendition;

/// A way that loses this part of its packets is congested.
const CONGESTED_LOSS: f32 = 0.1;
/// One report may be chance; so many in a row are not.
const CONGESTED_REPORTS: u32 = 3;
/// The main stream is tried again after this time,
const CONGESTED_FOR: Duration = Duration::from_secs(30);
/// or after twice the time of the last try that failed within so long, up to the longest.
const RELAPSE: Duration = Duration::from_secs(60);
const CONGESTED_FOR_MAX: Duration = Duration::from_secs(480);

/// Whether the way to the peer takes the main stream: by what the peer reports as lost of it, or as measured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Congestion {
    reports: u32,
    until: Option<Instant>,
    lasted: Duration,
}

impl Congestion {
    /// The peer reports what part was lost of the rendition shown.
    pub(super) fn report(&mut self, part: f32, shown: Rendition, now: Instant) {
        let counts = part >= CONGESTED_LOSS && shown == Rendition::Main;
        self.reports = if counts { self.reports + 1 } else { 0 };
        if self.reports >= CONGESTED_REPORTS {
            self.begin(now, Duration::ZERO);
        }
    }

    /// The main stream is too much for the way. It is tried again `apart` later than the rule says.
    pub(super) fn begin(&mut self, now: Instant, apart: Duration) {
        if self.is_now(now) {
            return;
        }
        let again = self.until.is_some_and(|until| now.saturating_duration_since(until) < RELAPSE);
        self.lasted = if again { (self.lasted * 2).min(CONGESTED_FOR_MAX) } else { CONGESTED_FOR };
        self.until = Some(now + self.lasted + apart);
        self.reports = 0;
    }

    /// The sub stream must do for now.
    pub(super) fn is_now(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// Pictures may need this part, in hundredths, of what a full way takes; the rest lets its queue drain.
const SHARE: u64 = 95;

/// What a viewer needs of the way, and whether it has a sub stream to give way to others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    pub(super) kbps: u64,
    pub(super) gives_way: bool,
}

/// The tiles that have to do with the sub stream where a full way takes `bps`: the costliest first, until the others fit.
pub(super) fn relieve(bps: u64, needs: &[Need]) -> Vec<usize> {
    let room = bps / 1000 * SHARE / 100;
    let mut needed: u64 = needs.iter().map(|need| need.kbps).sum();
    let mut giving: Vec<(usize, &Need)> = needs.iter().enumerate().filter(|(_, need)| need.gives_way).collect();
    giving.sort_by_key(|(number, need)| (std::cmp::Reverse(need.kbps), *number));
    let mut chosen = Vec::new();
    for (number, need) in giving {
        if needed <= room {
            break;
        }
        needed -= need.kbps;
        chosen.push(number);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_congested_after_three_reports_of_loss_in_a_row_and_for_half_a_minute() {
        let now = Instant::now();
        for (reports, shown, want) in [
            (&[0.2, 0.2][..], Rendition::Main, false),
            (&[0.2, 0.1, 0.3], Rendition::Main, true),
            (&[0.2, 0.2, 0.0, 0.2], Rendition::Main, false),
            (&[0.2, 0.2, 0.2], Rendition::Sub, false),
        ] {
            let mut congestion = Congestion::default();
            for part in reports {
                congestion.report(*part, shown, now);
            }
            assert_eq!(congestion.is_now(now), want, "{reports:?}");
            assert!(!congestion.is_now(now + CONGESTED_FOR));
        }
    }

    #[test]
    fn a_main_stream_that_fails_again_is_tried_later_each_time() {
        let mut congestion = Congestion::default();
        let (mut now, mut lasted) = (Instant::now(), Vec::new());
        for calm in [0, 5, 5, 5, 5, 5, 5, 61, 5] {
            now += Duration::from_secs(calm);
            congestion.begin(now, Duration::ZERO);
            let begun = now;
            while congestion.is_now(now) {
                congestion.begin(now, Duration::ZERO);
                now += Duration::from_secs(1);
            }
            lasted.push((now - begun).as_secs());
        }
        assert_eq!(lasted, [30, 60, 120, 240, 480, 480, 480, 30, 60]);
        congestion.begin(now, Duration::from_secs(10));
        assert!(congestion.is_now(now + Duration::from_secs(129)), "later than others by so much");
        assert!(!congestion.is_now(now + Duration::from_secs(130)));
    }

    #[test]
    fn the_costliest_tiles_give_way_until_the_others_fit() {
        let needs = [(2000, true), (300, false), (4000, true), (4000, false), (1000, true)];
        let needs = needs.map(|(kbps, gives_way)| Need { kbps, gives_way });
        for (kbps, want) in
            [(12_000, &[][..]), (11_800, &[2]), (7_600, &[2, 0]), (5_500, &[2, 0, 4]), (100, &[2, 0, 4])]
        {
            assert_eq!(relieve(kbps * 1000, &needs), want, "{kbps} kbit/s");
        }
        assert_eq!(relieve(0, &[]), Vec::<usize>::new());
    }
}
