//! One path while it runs: its stream, who feeds it and who reads it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use domain::{PathName, SessionId};
use media_proto::Track;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{PathSnapshot, PublisherKind, ReaderKind, SourceSnapshot};
use crate::{
    Error, Stream, config,
    stream::{Description, State},
};

#[derive(Debug)]
pub(super) struct Path {
    name: PathName,
    entry: String,
    config: watch::Sender<Arc<config::Path>>,
    stream: Stream,
    users: Mutex<Users>,
    /// The number of readers: what an on-demand source looks at.
    demand: watch::Sender<usize>,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Users {
    publisher: Option<(SessionId, PublisherKind, CancellationToken)>,
    /// How many places each session has: the slots of a wall may show the same path.
    readers: BTreeMap<SessionId, (ReaderKind, usize)>,
}

impl Users {
    fn places(&self) -> usize {
        self.readers.values().map(|(_, places)| places).sum()
    }
}

impl Path {
    pub(super) fn new(
        name: PathName,
        entry: String,
        config: Arc<config::Path>,
        stream: Stream,
        closing: CancellationToken,
    ) -> Self {
        if config.source == config::Source::Publisher {
            stream.set_state(nobody_publishes());
        }
        Self {
            name,
            entry,
            config: watch::Sender::new(config),
            stream,
            users: Mutex::default(),
            demand: watch::Sender::new(0),
            closing,
        }
    }

    pub(super) fn name(&self) -> &PathName {
        &self.name
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(super) fn config(&self) -> Arc<config::Path> {
        Arc::clone(&self.config.borrow())
    }

    /// Takes a new configuration while running. False when its source differs, so that the path must start anew.
    pub(super) fn takes(&self, entry: &str, config: &Arc<config::Path>) -> bool {
        let fits = self.entry == entry && self.config.borrow().source == config.source;
        if fits {
            self.config.send_if_modified(|now| {
                let changed = now != config;
                *now = Arc::clone(config);
                changed
            });
        }
        fits
    }

    pub(super) fn watch_config(&self) -> watch::Receiver<Arc<config::Path>> {
        self.config.subscribe()
    }

    pub(super) fn watch_demand(&self) -> watch::Receiver<usize> {
        self.demand.subscribe()
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Ends the source and all readers.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.stream.end();
    }

    pub(super) fn add_reader(&self, id: SessionId, kind: ReaderKind) -> Result<(), Error> {
        let limit = self.config.borrow().max_readers;
        let mut users = self.users();
        if limit > 0 && users.places() >= limit as usize {
            return Err(Error::Limit { what: "the number of readers of this path", limit: u64::from(limit) });
        }
        users.readers.entry(id).or_insert((kind, 0)).1 += 1;
        self.demand.send_replace(users.places());
        Ok(())
    }

    pub(super) fn remove_reader(&self, id: SessionId) {
        let mut users = self.users();
        if let Some((_, places)) = users.readers.get_mut(&id) {
            *places -= 1;
            if *places == 0 {
                users.readers.remove(&id);
            }
        }
        self.demand.send_replace(users.places());
    }

    /// Puts a publisher in; the token says when it must go.
    pub(super) fn add_publisher(
        &self,
        id: SessionId,
        kind: PublisherKind,
        tracks: &[Track],
    ) -> Result<CancellationToken, Error> {
        let mut users = self.users();
        self.yields(&users)?;
        if let Some((_, _, current)) = &users.publisher {
            current.cancel();
        }
        let replaced = self.closing.child_token();
        users.publisher = Some((id, kind, replaced.clone()));
        self.stream.describe(tracks);
        self.stream.set_state(State::Connecting);
        Ok(replaced)
    }

    /// Whether a publisher could be put in now.
    pub(super) fn may_publish(&self) -> Result<(), Error> {
        self.yields(&self.users())
    }

    fn yields(&self, users: &Users) -> Result<(), Error> {
        let config = self.config();
        if config.source != config::Source::Publisher {
            return Err(has_a_source(&self.name));
        }
        if users.publisher.is_some() && !config.override_publisher {
            return Err(Error::Occupied { path: self.name.clone(), reason: "somebody else publishes to it" });
        }
        Ok(())
    }

    pub(super) fn remove_publisher(&self, id: SessionId) {
        let mut users = self.users();
        if users.publisher.as_ref().is_some_and(|(current, _, _)| *current == id) {
            if let Some((_, _, token)) = users.publisher.take() {
                token.cancel();
            }
            self.stream.set_state(nobody_publishes());
        }
    }

    pub(super) fn is_unused(&self) -> bool {
        let users = self.users();
        users.publisher.is_none() && users.readers.is_empty()
    }

    /// Waits until the stream can be read.
    pub(super) async fn ready(&self) -> Result<Description, Error> {
        let config = self.config();
        if config.source == config::Source::Publisher && self.users().publisher.is_none() {
            return Err(Error::NoStream(self.name.clone()));
        }
        let mut state = self.stream.watch_state();
        let up = async {
            // The sender lives in the stream, which this path holds, so the wait ends only with a fitting state.
            let _ = state.wait_for(State::is_up).await;
        };
        tokio::select! {
            () = self.closing.cancelled() => Err(Error::NoStream(self.name.clone())),
            waited = timeout(config.on_demand_start_timeout, up) => match waited {
                Ok(()) => Ok(self.stream.description()),
                Err(_) => Err(self.not_ready(config.on_demand_start_timeout)),
            },
        }
    }

    pub(super) fn snapshot(&self) -> PathSnapshot {
        let state = self.stream.state();
        let counters = self.stream.counters();
        let users = self.users();
        let source = match (self.config.borrow().source.clone(), &users.publisher) {
            (config::Source::Rtsp(_), _) => Some(SourceSnapshot::RtspSource),
            (config::Source::Vms(_), _) => Some(SourceSnapshot::VmsSource),
            (config::Source::Publisher, Some((id, kind, _))) => Some(SourceSnapshot::Publisher(*kind, *id)),
            (config::Source::Publisher, None) => None,
        };
        PathSnapshot {
            name: self.name.clone(),
            entry: self.entry.clone(),
            source,
            state,
            online_since: self.stream.up_since(),
            tracks: self.stream.description().tracks,
            inbound_bytes: counters.inbound_bytes.load(Ordering::Relaxed),
            outbound_bytes: counters.outbound_bytes.load(Ordering::Relaxed),
            inbound_units_in_error: counters.inbound_units_in_error.load(Ordering::Relaxed),
            held_bytes: self.stream.held_bytes() as u64,
            skipped_units: counters.skipped_units.load(Ordering::Relaxed),
            gops_truncated: counters.gops_truncated.load(Ordering::Relaxed),
            readers: users.readers.iter().map(|(id, (kind, _))| (*kind, *id)).collect(),
        }
    }

    fn not_ready(&self, waited: Duration) -> Error {
        let reason = match self.stream.state() {
            State::Offline { reason } => reason,
            State::Connecting if *self.stream.watch_queue().borrow() => {
                format!("too many cameras are being connected to; its turn did not come within {} s", waited.as_secs())
            }
            State::Idle | State::Connecting | State::Online | State::Stalled { .. } => {
                format!("no picture within {} s", waited.as_secs())
            }
        };
        Error::SourceNotReady { path: self.name.clone(), reason }
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn has_a_source(name: &PathName) -> Error {
    Error::Occupied { path: name.clone(), reason: "it has a source of its own" }
}

fn nobody_publishes() -> State {
    State::Offline { reason: "nobody publishes to this path".into() }
}
