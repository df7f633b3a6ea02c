//! Refusals in the log: the first of its kind at once, those that are like it as a number now and then.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::PathName;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long refusals of a kind are counted before their number is logged.
const COUNTED_FOR: Duration = Duration::from_secs(10);
/// Kinds that are told apart at a time; what is beyond counts as one kind.
const KINDS_MAX: usize = 256;

/// What is refused, to whom it matters, and why: equal ones are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Refusal {
    /// A connection beyond the limit.
    Connection { limit: usize },
    /// A request on a path.
    Request { path: PathName, reason: String },
    /// A wrong name, password or token.
    Credentials { path: PathName, peer: IpAddr },
    /// A connection that was closed for a fault.
    Fault { reason: String },
    /// Too many kinds to tell apart.
    Others,
}

/// The refusals of a server.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Refusal, Counted>>);

#[derive(Debug)]
struct Counted {
    since: Instant,
    more: u64,
}

/// Refusals that were like one that is in the log.
#[derive(Debug, PartialEq, Eq)]
struct More {
    refusal: Refusal,
    count: u64,
    within: Duration,
}

impl Refusals {
    /// Logs a refusal, or counts it when one like it was logged lately.
    pub(super) fn note(&self, refusal: Refusal) {
        if self.is_new(&refusal, Instant::now()) {
            refusal.log();
        }
    }

    /// Logs the numbers until `stop`, and those that are left then.
    pub(super) async fn report(&self, stop: &CancellationToken) {
        let mut ticks = interval(COUNTED_FOR / 4);
        loop {
            let least = tokio::select! {
                () = stop.cancelled() => Duration::ZERO,
                _ = ticks.tick() => COUNTED_FOR,
            };
            for more in self.due(Instant::now(), least) {
                more.log();
            }
            if least.is_zero() {
                return;
            }
        }
    }

    fn is_new(&self, refusal: &Refusal, now: Instant) -> bool {
        let mut kinds = self.kinds();
        if let Some(counted) = kinds.get_mut(refusal) {
            counted.more += 1;
            return false;
        }
        let fresh = Counted { since: now, more: 0 };
        if kinds.len() < KINDS_MAX {
            kinds.insert(refusal.clone(), fresh);
            return true;
        }
        kinds.entry(Refusal::Others).or_insert(fresh).more += 1;
        false
    }

    /// The kinds that were counted for at least so long; one of which no more came is forgotten.
    fn due(&self, now: Instant, least: Duration) -> Vec<More> {
        let mut due = Vec::new();
        self.kinds().retain(|refusal, counted| {
            let within = now.saturating_duration_since(counted.since);
            if within < least {
                return true;
            }
            let count = std::mem::take(&mut counted.more);
            counted.since = now;
            if count > 0 {
                due.push(More { refusal: refusal.clone(), count, within });
            }
            count > 0
        });
        due
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Refusal, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    fn log(&self) {
        match self {
            Self::Connection { limit } => warn!(limit, "RTSP connection refused, too many"),
            Self::Request { path, reason } => info!(stream.path = %path, %reason, "RTSP request refused"),
            Self::Credentials { path, .. } => warn!(stream.path = %path, "RTSP request with wrong credentials"),
            Self::Fault { reason } => warn!(%reason, "RTSP connection closed"),
            Self::Others => {}
        }
    }
}

impl More {
    fn log(&self) {
        let (more, in_s) = (self.count, self.within.as_secs());
        match &self.refusal {
            Refusal::Connection { limit } => warn!(more, in_s, limit, "RTSP connections refused, too many"),
            Refusal::Request { path, reason } => {
                info!(more, in_s, stream.path = %path, %reason, "RTSP requests refused");
            }
            Refusal::Credentials { path, peer } => {
                warn!(more, in_s, stream.path = %path, %peer, "RTSP requests with wrong credentials");
            }
            Refusal::Fault { reason } => warn!(more, in_s, %reason, "RTSP connections closed"),
            Refusal::Others => warn!(more, in_s, "RTSP refusals of other kinds, too many to tell apart"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(number: usize) -> Refusal {
        Refusal::Fault { reason: number.to_string() }
    }

    #[test]
    fn the_first_of_a_kind_is_logged_at_once_and_the_others_as_a_number() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let after = |s| began + Duration::from_secs(s);
        let logged = [0, 0, 1, 0].map(|number| refusals.is_new(&fault(number), began));
        assert_eq!(logged, [true, false, true, false]);
        assert_eq!(refusals.due(after(9), COUNTED_FOR), []);
        let more = More { refusal: fault(0), count: 2, within: Duration::from_secs(10) };
        assert_eq!(refusals.due(after(10), COUNTED_FOR), [more]);
        assert!(!refusals.is_new(&fault(0), after(11)), "a flood that goes on is counted on");
        assert!(refusals.is_new(&fault(1), after(11)), "one that had ended is new again");
    }

    #[test]
    fn kinds_beyond_the_limit_count_as_one() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let logged = (0..2 * KINDS_MAX).filter(|number| refusals.is_new(&fault(*number), now)).count();
        assert_eq!(logged, KINDS_MAX);
        let others = More { refusal: Refusal::Others, count: KINDS_MAX as u64, within: Duration::ZERO };
        assert_eq!(refusals.due(now, Duration::ZERO), [others]);
    }
}
