//! What of a track is lost on its way, and how much of it may be sent again.

use std::time::{Duration, Instant};

/// Of what was sent in the last seconds, so much may be sent again: on a way that loses more, the rest would only make it
/// fuller, and what the peer reports as lost must tell of that.
const AGAIN_SHARE: f64 = 0.15;
/// What was sent is added up over so long, and over as long before.
const RECENT: Duration = Duration::from_secs(1);
/// Loss is told of over so long: a single report may be of a few packets.
const LOSS_OVER: Duration = Duration::from_millis(900);

/// How many bytes may be sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    since: Option<Instant>,
    now: f64,
    before: f64,
    room: f64,
}

impl Budget {
    /// So much was sent.
    pub(super) fn earn(&mut self, bytes: f64, now: Instant) {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= RECENT {
            (self.since, self.before, self.now) = (Some(now), self.now, 0.0);
        }
        self.now += bytes;
        self.room = (self.room + bytes * AGAIN_SHARE).min((self.now + self.before) * AGAIN_SHARE);
    }

    /// So much is to be sent again. False when it may not.
    pub(super) fn spend(&mut self, bytes: f64) -> bool {
        let may = self.room >= bytes;
        if may {
            self.room -= bytes;
        }
        may
    }
}

/// What is lost on the way, over the packets of about a second: by the packets that the peer asks for, and by its reports,
/// from which some peers leave out what they got when it was sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    since: Option<Instant>,
    /// The highest sequence number reported.
    highest: Option<u32>,
    expected: u32,
    lost: f32,
    sent: u32,
    asked_for: u32,
}

impl Loss {
    /// A packet was sent.
    pub(super) fn sent(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// A packet is asked for that was not asked for before.
    pub(super) fn asked_for(&mut self) {
        self.asked_for = self.asked_for.saturating_add(1);
    }

    /// Takes a report: the 256ths that were lost since the one before, and the highest sequence number. The part that was
    /// lost, once a second.
    pub(super) fn note(&mut self, lost: u8, highest: u32, now: Instant) -> Option<f32> {
        let since = *self.since.get_or_insert(now);
        let new = highest.wrapping_sub(self.highest.replace(highest)?);
        self.expected = self.expected.saturating_add(new);
        self.lost += f32::from(lost) / 256.0 * new as f32;
        if self.expected == 0 || now.saturating_duration_since(since) < LOSS_OVER {
            return None;
        }
        let (reported, asked_for) = (self.lost / self.expected as f32, self.asked_for as f32 / self.sent.max(1) as f32);
        *self = Self { since: Some(now), highest: Some(highest), ..Self::default() };
        Some(reported.max(asked_for).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_sent_again_as_was_sent_of_late() {
        let (start, mut budget) = (Instant::now(), Budget::default());
        assert!(!budget.spend(1.0), "nothing was sent");
        budget.earn(10_000.0, start);
        assert!(budget.spend(1_500.0) && !budget.spend(1.0));
        for second in 1..60 {
            budget.earn(1_000.0, start + RECENT * second);
        }
        assert!(budget.spend(300.0) && !budget.spend(1.0), "what was not needed is not saved up");
    }

    #[test]
    fn loss_is_told_of_over_the_packets_of_a_second() {
        let (start, mut loss) = (Instant::now(), Loss::default());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(loss.note(0, 1000, at(0)), None, "the first report has no packets before it");
        assert_eq!(loss.note(128, 1100, at(500)), None);
        assert_eq!(loss.note(0, 1100, at(900)), Some(0.5), "a report of no packets does not count");
        assert_eq!(loss.note(64, 1300, at(1000)), None);
        assert_eq!(loss.note(0, 1400, at(2000)), Some(50.0 / 300.0));
        (loss.sent, loss.asked_for) = (100, 30);
        assert_eq!(loss.note(10, 1500, at(3000)), Some(0.3), "what was asked for counts, though it came in the end");
    }
}
