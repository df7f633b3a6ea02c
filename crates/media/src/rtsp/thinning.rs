//! What a reader gets that stays slow: keyframes only, until it may have recovered.

use std::time::{Duration, Instant};

/// Gaps further apart than this do not belong together.
const FORGET_AFTER: Duration = Duration::from_secs(15);
/// A reader that still has gaps after this long gets keyframes only.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it gets keyframes only before all units are tried again.
const THIN_FOR: Duration = Duration::from_secs(10);

/// What a unit is to a reader that may lack those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: decoding can start here.
    Entry,
    /// What came since the last entry.
    Gop,
    /// Also what came before the last entry (H.265 RASL).
    Earlier,
}

/// Whether units are held back from one reader.
#[derive(Debug, Default)]
pub(super) struct Thinning {
    /// The first and the last gap of the present trouble.
    trouble: Option<(Instant, Instant)>,
    thin_until: Option<Instant>,
    /// A unit was held back since the last entry.
    withheld: bool,
    /// What came before the last entry is not whole.
    torn: bool,
}

impl Thinning {
    /// The reader lost units. True when it gets keyframes only from now on.
    pub(super) fn note_gap(&mut self, now: Instant) -> bool {
        let first = self.trouble.filter(|(_, last)| now.saturating_duration_since(*last) < FORGET_AFTER);
        let first = first.map_or(now, |(first, _)| first);
        self.trouble = Some((first, now));
        let slow = now.saturating_duration_since(first) >= PATIENCE;
        let begins = slow && self.thin_until.is_none();
        if slow {
            self.thin_until = Some(now + THIN_FOR);
        }
        begins
    }

    /// Whether a unit goes out. All units are tried again at an entry only.
    pub(super) fn lets_through(&mut self, now: Instant, need: Need) -> bool {
        if need == Need::Entry {
            self.torn = std::mem::take(&mut self.withheld);
            self.thin_until = self.thin_until.filter(|until| now < *until);
            return true;
        }
        let goes = self.thin_until.is_none() && (need == Need::Gop || !self.torn);
        self.withheld |= !goes && need == Need::Gop;
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events with their second: `g` a gap, `k` a keyframe, `p` another unit, `r` one that refers back over the keyframe;
    /// units in upper case go out.
    fn check(events: &str) {
        let start = Instant::now();
        let mut thinning = Thinning::default();
        for event in events.split(' ') {
            let (kind, second) = event.split_at(1);
            let now = start + Duration::from_secs(second.parse().unwrap());
            match kind {
                "g" => {
                    thinning.note_gap(now);
                }
                unit => {
                    let expected = unit == unit.to_uppercase();
                    let need = match unit.to_lowercase().as_str() {
                        "k" => Need::Entry,
                        "r" => Need::Earlier,
                        _ => Need::Gop,
                    };
                    assert_eq!(thinning.lets_through(now, need), expected, "{event}");
                }
            }
        }
    }

    #[test]
    fn a_reader_with_single_gaps_gets_everything() {
        check("P0 g1 K1 P1 g20 K20 P20 g40 P40");
    }

    #[test]
    fn what_refers_back_over_a_keyframe_waits_until_all_before_it_was_sent() {
        check("K0 R0 P0 g1 K1 P2 g7 K7 r7 p7 K18 r18 P18 K19 R19 P19");
    }

    #[test]
    fn a_reader_that_stays_slow_gets_keyframes_and_later_everything_again() {
        check("P0 g1 K1 P2 g7 K7 p7 K9 p16 K17 P17");
    }
}
