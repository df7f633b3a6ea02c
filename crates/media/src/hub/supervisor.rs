//! Keeps the source of one path running: connects on demand, watches for silence, waits and connects again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::ErrorKind;
use rand::RngExt as _;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span, warn};

use super::path::Path;
use crate::{
    Stream,
    source::{Error, Feed, Source},
    stream::State,
};

/// A source is stalled when no video unit came for this long, or for [`STALLED_FRAMES`] frame times if that is longer.
const STALLED_AFTER: Duration = Duration::from_secs(3);
const STALLED_FRAMES: u32 = 5;
/// A source without a sign of life for this long is offline, and its connection is given up (`readTimeout`).
const OFFLINE_AFTER: Duration = Duration::from_secs(10);
/// The longest time between two looks at a source, so that a second stall is seen in time.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The first wait before a new connection; it doubles up to the longest wait.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest wait while somebody waits for the pictures.
const RETRY_MAX_WANTED: Duration = Duration::from_secs(2);
/// The longest wait while nobody does.
const RETRY_MAX_UNWANTED: Duration = Duration::from_secs(30);
/// The longest wait when the camera knows neither us nor the stream.
const RETRY_MAX_REFUSED: Duration = Duration::from_secs(300);
/// After this long online, the waits begin anew.
const RETRY_RESET_AFTER: Duration = Duration::from_secs(60);

/// The same trouble is logged no more often than this.
const TROUBLE_EVERY: Duration = Duration::from_secs(60);

/// Runs the source of `path` until the path closes.
pub(super) async fn run(path: Arc<Path>, source: Box<dyn Source>) {
    let source: Arc<dyn Source> = source.into();
    let span = info_span!("source", stream.path = %path.name());
    let closing = path.closing().clone();
    let supervise = async {
        let mut waits = Waits::default();
        let mut trouble = Trouble::default();
        loop {
            wait_for_demand(&path).await;
            path.stream().set_state(State::Connecting);
            let began = now();
            let Some(error) = connect_once(&path, &source, began).await else {
                info!("source closed, nobody reads");
                waits = Waits::default();
                continue;
            };
            let was_online = now() - began;
            if let Some(before) = trouble.worth_a_line(&error.reason, now()) {
                warn!(reason = %error, online_s = was_online.as_secs(), alike_before = (before > 0).then_some(before), "source lost");
            }
            path.stream().set_state(State::Offline { reason: error.to_string() });
            if was_online > RETRY_RESET_AFTER {
                waits = Waits::default();
            }
            waits.wait(&path, error.kind).await;
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = supervise.instrument(span) => {}
    }
}

/// Gives up a publisher that falls silent and keeps the state of its stream true.
pub(super) async fn watch_publisher(path: Arc<Path>, replaced: CancellationToken) {
    tokio::select! {
        () = replaced.cancelled() => {}
        error = watch(path.stream(), now()) => {
            warn!(stream.path = %path.name(), reason = %error, "publisher lost");
            replaced.cancel();
        }
    }
}

/// One connection, from connect to its end. `None`: closed because nobody reads.
async fn connect_once(path: &Arc<Path>, source: &Arc<dyn Source>, began: Instant) -> Option<Error> {
    // A task of its own, so that a panic in one camera's code ends that connection alone.
    let mut connection = JoinSet::new();
    let feed = Feed::new(path.stream().clone()).with_readers(path.watch_demand());
    let running = Arc::clone(source);
    connection.spawn(async move { running.run(feed).await }.in_current_span());
    tokio::select! {
        ended = connection.join_next() => Some(match ended {
            Some(Ok(Err(error))) => error,
            Some(Ok(Ok(()))) | None => unavailable("the source ended the stream"),
            Some(Err(panic)) => Error { kind: ErrorKind::Internal, reason: format!("the source task failed: {panic}") },
        }),
        error = watch_connected(path.stream(), began) => Some(error),
        () = wait_for_idleness(path) => None,
    }
}

/// As [`watch`], but the time in which the source waits for its turn to connect does not count.
async fn watch_connected(stream: &Stream, began: Instant) -> Error {
    let mut queue = stream.watch_queue();
    let mut began = began;
    loop {
        // The sender lives in the stream, so neither wait can fail.
        tokio::select! {
            error = watch(stream, began) => return error,
            _ = queue.wait_for(|queued| *queued) => {}
        }
        let _ = queue.wait_for(|queued| !*queued).await;
        began = now();
    }
}

/// Marks a stream stalled when its pictures stop and ends when it must count as offline.
async fn watch(stream: &Stream, began: Instant) -> Error {
    loop {
        let seen = stream.last_sign_of_life().filter(|&at| at >= began);
        let alive_at = seen.unwrap_or(began);
        let silent = now().saturating_duration_since(alive_at);
        let stalled_after =
            stream.video_interval().map_or(STALLED_AFTER, |frame| (frame * STALLED_FRAMES).max(STALLED_AFTER));
        let stalled_after = stalled_after.min(OFFLINE_AFTER);
        if silent >= OFFLINE_AFTER {
            return unavailable(match seen {
                Some(_) => "no picture for 10 s",
                None => "connected, but no picture within 10 s",
            });
        }
        if seen.is_some() && silent >= stalled_after {
            stream.set_state(State::Stalled { since: alive_at });
        }
        let next = if seen.is_some() && silent < stalled_after { stalled_after } else { OFFLINE_AFTER };
        sleep((next - silent).min(WATCH_INTERVAL)).await;
    }
}

/// The clock of the runtime, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn unavailable(reason: &str) -> Error {
    Error { kind: ErrorKind::Unavailable, reason: reason.into() }
}

/// Waits until the source should run: always, or while somebody reads.
async fn wait_for_demand(path: &Path) {
    let mut config = path.watch_config();
    let mut demand = path.watch_demand();
    loop {
        if !config.borrow_and_update().on_demand || *demand.borrow_and_update() > 0 {
            return;
        }
        path.stream().set_state(State::Idle);
        // Both senders live in `path`, so neither wait can fail.
        tokio::select! {
            _ = config.changed() => {}
            _ = demand.changed() => {}
        }
    }
}

/// Ends when an on-demand source has had no reader for `sourceOnDemandCloseAfter`.
async fn wait_for_idleness(path: &Path) {
    let mut config = path.watch_config();
    let mut demand = path.watch_demand();
    loop {
        let (on_demand, close_after) = {
            let config = config.borrow_and_update();
            (config.on_demand, config.on_demand_close_after)
        };
        let unused = on_demand && *demand.borrow_and_update() == 0;
        tokio::select! {
            _ = config.changed() => {}
            _ = demand.changed() => {}
            () = sleep(close_after), if unused => return,
        }
    }
}

/// Why a source was lost lately: a camera that stays away is not told of with every attempt.
#[derive(Default)]
struct Trouble {
    logged: Option<(String, Instant)>,
    /// How often the same has happened since.
    alike: u32,
}

impl Trouble {
    /// How often the same has happened since it was last logged, where it is to be logged again.
    fn worth_a_line(&mut self, reason: &str, now: Instant) -> Option<u32> {
        let same = self.logged.as_ref().is_some_and(|(logged, _)| logged == reason);
        let fresh = self.logged.as_ref().is_some_and(|(_, at)| now.saturating_duration_since(*at) < TROUBLE_EVERY);
        if same && fresh {
            self.alike += 1;
            return None;
        }
        self.logged = Some((reason.to_owned(), now));
        Some(std::mem::take(&mut self.alike))
    }
}

/// The waits between connections.
#[derive(Default)]
struct Waits {
    failures: u32,
}

impl Waits {
    async fn wait(&mut self, path: &Path, kind: ErrorKind) {
        let refused = matches!(kind, ErrorKind::NotFound | ErrorKind::Unauthenticated | ErrorKind::Forbidden);
        let failures = self.failures;
        self.failures += 1;
        let spread: f64 = rand::rng().random();
        let wanted = backoff(failures, true, refused, spread);
        let unwanted = backoff(failures, false, refused, spread);
        let mut demand = path.watch_demand();
        sleep(wanted).await;
        // The rest of the long wait ends as soon as somebody wants the pictures.
        tokio::select! {
            () = sleep(unwanted.saturating_sub(wanted)) => {}
            _ = demand.wait_for(|readers| *readers > 0) => {}
        }
    }
}

/// The wait after so many failures. `spread` (0–1) sets it within ±50 % when nobody waits, ±20 % when somebody does.
fn backoff(failures: u32, wanted: bool, refused: bool, spread: f64) -> Duration {
    let longest = match (refused, wanted) {
        (true, _) => RETRY_MAX_REFUSED,
        (false, true) => RETRY_MAX_WANTED,
        (false, false) => RETRY_MAX_UNWANTED,
    };
    let doubled = RETRY_FIRST.saturating_mul(1 << failures.min(16)).min(longest);
    let width = if wanted { 0.4 } else { 1.0 };
    doubled.mul_f64(1.0 + (spread - 0.5) * width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_two_seconds_when_wanted_and_to_thirty_otherwise() {
        let wait = |failures, wanted, refused| backoff(failures, wanted, refused, 0.5).as_millis();
        assert_eq!([0, 1, 2, 3, 9].map(|n| wait(n, true, false)), [500, 1000, 2000, 2000, 2000]);
        assert_eq!([0, 3, 6, 9].map(|n| wait(n, false, false)), [500, 4000, 30_000, 30_000]);
        assert_eq!(wait(20, true, true), 300_000);
    }

    #[test]
    fn a_camera_that_stays_away_is_told_of_once_a_minute() {
        let (mut trouble, began) = (Trouble::default(), now());
        let mut line = |reason, at_s| trouble.worth_a_line(reason, began + Duration::from_secs(at_s));
        assert_eq!([0, 2, 4, 59].map(|at_s| line("refused", at_s)), [Some(0), None, None, None]);
        assert_eq!(line("refused", 60), Some(3));
        assert_eq!([line("no picture", 61), line("refused", 62)], [Some(0), Some(0)]);
    }

    #[test]
    fn unwanted_waits_are_spread_by_half() {
        assert_eq!(backoff(9, false, false, 0.0), Duration::from_secs(15));
        assert_eq!(backoff(9, false, false, 1.0), Duration::from_secs(45));
    }
}
