//! What feeds a stream from outside: one connection to a camera at a time, run by the hub's supervisor.

pub mod rtsp;

use std::{fmt, time::Instant};

use domain::ErrorKind;
use futures_util::future::BoxFuture;
use media_proto::{AccessUnit, Track};
use tokio::sync::watch;

use crate::{Stream, config};

/// A way to reach a camera. It knows no retry: the supervisor calls it again.
pub trait Source: Send + Sync {
    /// Connects and feeds until the connection ends. Dropping the future closes the connection.
    ///
    /// It asks `feed` for wanted keyframes and forwards them to the camera where the protocol can.
    fn run(&self, feed: Feed) -> BoxFuture<'_, Result<(), Error>>;
}

/// Makes sources of configuration: the seam for cameras behind a VMS.
pub trait Connector: Send + Sync {
    /// The source of this configuration; `None` when others publish to it.
    fn connect(&self, source: &config::Source) -> Option<Box<dyn Source>>;
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Error {
    /// What a retry can hope for: [`ErrorKind::NotFound`] and [`ErrorKind::Unauthenticated`] are retried rarely.
    pub kind: ErrorKind,
    /// For operators, without credentials: what was tried and what came back.
    pub reason: String,
}

/// Where a source puts what it receives.
#[derive(Clone)]
pub struct Feed {
    stream: Stream,
    /// How many read the stream; `None` where nobody counts.
    readers: Option<watch::Receiver<usize>>,
}

/// A source that waits for its turn to connect. Dropping it says that the turn has come.
#[derive(Debug)]
pub struct Queued(Stream);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.set_queued(false);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed into `stream`.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self { stream, readers: None }
    }

    /// The same, of a stream whose readers are counted.
    #[must_use]
    pub fn with_readers(self, readers: watch::Receiver<usize>) -> Self {
        Self { readers: Some(readers), ..self }
    }

    /// Whether somebody waits for the pictures.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.readers.as_ref().is_none_or(|readers| *readers.borrow() > 0)
    }

    /// Says that the source waits for its turn, so that its silence is not held against it.
    #[must_use]
    pub fn queue(&self) -> Queued {
        self.stream.set_queued(true);
        Queued(self.stream.clone())
    }

    /// Follows whether the source waits for its turn.
    #[must_use]
    pub fn watch_queue(&self) -> watch::Receiver<bool> {
        self.stream.watch_queue()
    }

    /// The stream's origin of media time, for the depacketisers.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.stream.origin()
    }

    /// Says what the stream consists of; also when parameters change.
    pub fn describe(&self, tracks: &[Track]) {
        self.stream.describe(tracks);
    }

    /// Appends a unit.
    pub fn push(&self, unit: AccessUnit) {
        self.stream.push_online(unit);
    }

    /// Counts units that arrived but cannot be used.
    pub fn count_errors(&self, units: u64) {
        self.stream.counters().inbound_units_in_error.fetch_add(units, std::sync::atomic::Ordering::Relaxed);
    }

    /// Waits until a reader wants a keyframe.
    pub async fn keyframe_wanted(&self) {
        self.stream.keyframe_wanted().await;
    }
}
