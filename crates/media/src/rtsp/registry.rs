//! Who is connected: the connections and sessions of the server with their numbers. An entry lives as long as its guard.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::{ConnectionId, PathName, SessionId, WallTime};
use tokio_util::sync::CancellationToken;

use super::{ConnectionSnapshot, SessionSnapshot, SessionState, Transport};

#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    connections: BTreeMap<ConnectionId, Arc<Connection>>,
    sessions: BTreeMap<SessionId, Arc<Session>>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) remote: SocketAddr,
    created: WallTime,
    session: Mutex<Option<SessionId>>,
    pub(super) inbound_bytes: AtomicU64,
    pub(super) outbound_bytes: AtomicU64,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) path: PathName,
    created: WallTime,
    remote: SocketAddr,
    connection: ConnectionId,
    query: String,
    user: String,
    user_agent: String,
    activity: Mutex<(SessionState, Option<Transport>)>,
    pub(super) numbers: Numbers,
    /// What the client reports as a reader, and what is measured of it as a publisher.
    pub(super) quality: Mutex<Quality>,
    pub(super) kicked: CancellationToken,
}

/// What a session is made of, besides its id and its connection.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) path: PathName,
    pub(super) query: String,
    pub(super) user: String,
    pub(super) user_agent: String,
}

/// What a session counts.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) inbound_bytes: AtomicU64,
    pub(super) inbound_rtp_packets: AtomicU64,
    pub(super) inbound_rtp_packets_lost: AtomicU64,
    pub(super) inbound_rtp_packets_in_error: AtomicU64,
    pub(super) inbound_rtcp_packets: AtomicU64,
    pub(super) inbound_rtcp_packets_in_error: AtomicU64,
    pub(super) outbound_bytes: AtomicU64,
    pub(super) outbound_rtp_packets: AtomicU64,
    pub(super) outbound_rtp_packets_discarded: AtomicU64,
    pub(super) outbound_rtcp_packets: AtomicU64,
}

/// How well the packets of a session travel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quality {
    pub(super) inbound_jitter_s: f64,
    pub(super) reported_lost: u64,
    pub(super) reported_jitter_s: f64,
    pub(super) round_trip: Option<Duration>,
}

/// Keeps a connection listed.
#[derive(Debug)]
pub(super) struct ListedConnection {
    registry: Arc<Registry>,
    pub(super) entry: Arc<Connection>,
}

/// Keeps a session listed.
#[derive(Debug)]
pub(super) struct ListedSession {
    registry: Arc<Registry>,
    connection: Arc<Connection>,
    pub(super) entry: Arc<Session>,
}

impl Registry {
    /// Lists a new connection; `None` when `max` are listed already.
    pub(super) fn connect(self: &Arc<Self>, remote: SocketAddr, max: usize) -> Option<ListedConnection> {
        let entry = Arc::new(Connection {
            id: ConnectionId::from_uuid(uuid::Uuid::new_v4()),
            remote,
            created: wall_now(),
            session: Mutex::new(None),
            inbound_bytes: AtomicU64::new(0),
            outbound_bytes: AtomicU64::new(0),
        });
        let mut tables = self.tables();
        if tables.connections.len() >= max {
            return None;
        }
        tables.connections.insert(entry.id, Arc::clone(&entry));
        Some(ListedConnection { registry: Arc::clone(self), entry })
    }

    /// Lists a new session of a connection.
    pub(super) fn begin(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        id: SessionId,
        about: About,
        kicked: CancellationToken,
    ) -> ListedSession {
        let entry = Arc::new(Session {
            id,
            path: about.path,
            created: wall_now(),
            remote: connection.remote,
            connection: connection.id,
            query: about.query,
            user: about.user,
            user_agent: about.user_agent,
            activity: Mutex::new((SessionState::Idle, None)),
            numbers: Numbers::default(),
            quality: Mutex::default(),
            kicked,
        });
        *connection.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        self.tables().sessions.insert(id, Arc::clone(&entry));
        ListedSession { registry: Arc::clone(self), connection: Arc::clone(connection), entry }
    }

    pub(super) fn connections(&self) -> Vec<ConnectionSnapshot> {
        self.tables().connections.values().map(|connection| connection.snapshot()).collect()
    }

    pub(super) fn sessions(&self) -> Vec<SessionSnapshot> {
        self.tables().sessions.values().map(|session| session.snapshot()).collect()
    }

    pub(super) fn session(&self, id: SessionId) -> Option<Arc<Session>> {
        self.tables().sessions.get(&id).cloned()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn snapshot(&self) -> ConnectionSnapshot {
        ConnectionSnapshot {
            id: self.id,
            created: self.created,
            remote: self.remote,
            session: *self.session.lock().unwrap_or_else(PoisonError::into_inner),
            inbound_bytes: self.inbound_bytes.load(Ordering::Relaxed),
            outbound_bytes: self.outbound_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Session {
    /// Says what the session does now.
    pub(super) fn does(&self, state: SessionState, transport: Option<Transport>) {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = (state, transport);
    }

    pub(super) fn quality(&self) -> MutexGuard<'_, Quality> {
        self.quality.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> SessionSnapshot {
        let (state, transport) = *self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        let quality = *self.quality();
        let numbers = &self.numbers;
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        SessionSnapshot {
            id: self.id,
            created: self.created,
            remote: self.remote,
            state,
            path: self.path.clone(),
            query: self.query.clone(),
            user: self.user.clone(),
            user_agent: self.user_agent.clone(),
            transport,
            connection: self.connection,
            inbound_bytes: get(&numbers.inbound_bytes),
            inbound_rtp_packets: get(&numbers.inbound_rtp_packets),
            inbound_rtp_packets_lost: get(&numbers.inbound_rtp_packets_lost),
            inbound_rtp_packets_in_error: get(&numbers.inbound_rtp_packets_in_error),
            inbound_jitter_s: quality.inbound_jitter_s,
            inbound_rtcp_packets: get(&numbers.inbound_rtcp_packets),
            inbound_rtcp_packets_in_error: get(&numbers.inbound_rtcp_packets_in_error),
            outbound_bytes: get(&numbers.outbound_bytes),
            outbound_rtp_packets: get(&numbers.outbound_rtp_packets),
            outbound_rtp_packets_reported_lost: quality.reported_lost,
            outbound_rtp_packets_discarded: get(&numbers.outbound_rtp_packets_discarded),
            outbound_rtcp_packets: get(&numbers.outbound_rtcp_packets),
            reported_jitter_s: quality.reported_jitter_s,
            round_trip: quality.round_trip,
        }
    }
}

impl Drop for ListedConnection {
    fn drop(&mut self) {
        self.registry.tables().connections.remove(&self.entry.id);
    }
}

impl Drop for ListedSession {
    fn drop(&mut self) {
        self.registry.tables().sessions.remove(&self.entry.id);
        *self.connection.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

pub(super) fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_us(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
