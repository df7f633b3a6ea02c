//! What is known of the sessions outside the thread that runs them: numbers, states and the secrets of their URLs.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use domain::{SessionId, WallTime};

use super::{
    socket::{Route, Transport},
    wall::Report,
};
use crate::Error;

/// Who opened a session, as the request shows it.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The session's id, the same under which it reads from the hub.
    pub id: SessionId,
    /// The peer's address on the HTTP side.
    pub remote_addr: SocketAddr,
    /// The query of the request without credentials.
    pub query: String,
    /// The name the caller was recognised under.
    pub user: String,
    /// What the browser calls itself.
    pub user_agent: String,
}

/// What a client gets back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The SDP answer with all candidates.
    pub sdp: String,
    /// The unguessable part of the session's URL.
    pub secret: String,
    /// The entity tag of the ICE session, without quotes.
    pub etag: String,
}

/// What a session does with its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It views: WHEP, or a wall.
    Read,
    /// It feeds the path: WHIP.
    Publish,
}

/// What a request to a session's URL is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The path it reads or feeds.
    pub path: String,
    /// Which of both.
    pub role: Role,
    /// The entity tag of the ICE session, without quotes.
    pub etag: String,
    /// The name the peer has for itself in ICE.
    pub ufrag: String,
}

/// A session as it is now, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct SessionSnapshot {
    /// Its id.
    pub id: SessionId,
    /// When it was opened.
    pub created: WallTime,
    /// Where its media goes; the address of the request until that is known.
    pub remote_addr: SocketAddr,
    /// ICE and DTLS are done.
    pub peer_connection_established: bool,
    /// Our end, as `type/protocol/address/port`.
    pub local_candidate: String,
    /// Its end, as `type/protocol/address/port`.
    pub remote_candidate: String,
    /// The path it reads or feeds; empty for a wall session, which reads many.
    pub path: String,
    /// What it does with it.
    pub role: Role,
    /// The query of the request.
    pub query: String,
    /// The name the caller was recognised under.
    pub user: String,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Bytes received.
    pub inbound_bytes: u64,
    /// RTP packets received.
    pub inbound_rtp_packets: u64,
    /// RTP packets missing by their sequence numbers.
    pub inbound_rtp_packets_lost: u64,
    /// Interarrival jitter of the video (else of the sound) in ticks.
    pub inbound_rtp_packets_jitter: f64,
    /// RTCP packets received.
    pub inbound_rtcp_packets: u64,
    /// Bytes sent.
    pub outbound_bytes: u64,
    /// RTP packets sent.
    pub outbound_rtp_packets: u64,
    /// RTCP packets sent.
    pub outbound_rtcp_packets: u64,
    /// Access units this session lost because it was slow.
    pub outbound_frames_discarded: u64,
    /// Bits per second that the way to the peer takes: measured while it was full, else the most that was seen to
    /// arrive. None without feedback.
    pub bandwidth_bps: Option<u64>,
    /// Why it sends no video, when it stopped.
    pub video_stopped: Option<String>,
    /// What the window of a wall said lately of its tiles.
    pub seen: Option<Seen>,
}

/// What a window says of its tiles, taken together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Tiles it speaks of.
    pub tiles: u32,
    /// Frames per second shown by the slowest tile.
    pub fps_min: f32,
    /// Frames dropped by all tiles since they began.
    pub frames_dropped: u64,
    /// The largest jitter buffer of a tile.
    pub jitter_ms_max: f32,
    /// The largest delay from push to display, where one can be told.
    pub latency_ms_max: Option<f32>,
}

impl Seen {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            tiles: self.tiles + other.tiles,
            fps_min: self.fps_min.min(other.fps_min),
            frames_dropped: self.frames_dropped.saturating_add(other.frames_dropped),
            jitter_ms_max: self.jitter_ms_max.max(other.jitter_ms_max),
            latency_ms_max: match (self.latency_ms_max, other.latency_ms_max) {
                (Some(one), Some(two)) => Some(one.max(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

impl From<Report> for Seen {
    fn from(report: Report) -> Self {
        Self {
            tiles: 1,
            fps_min: report.fps,
            frames_dropped: report.dropped,
            jitter_ms_max: report.jitter_ms,
            latency_ms_max: report.latency_ms,
        }
    }
}

/// What a session's thread writes and others read.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) meta: Meta,
    created: WallTime,
    path: String,
    role: Role,
    pub(super) established: AtomicBool,
    pub(super) inbound_bytes: AtomicU64,
    pub(super) inbound_rtp_packets: AtomicU64,
    pub(super) inbound_rtp_packets_lost: AtomicU64,
    /// In ticks.
    pub(super) inbound_rtp_jitter: AtomicU64,
    pub(super) inbound_rtcp_packets: AtomicU64,
    pub(super) outbound_bytes: AtomicU64,
    pub(super) outbound_rtp_packets: AtomicU64,
    pub(super) outbound_rtcp_packets: AtomicU64,
    pub(super) outbound_frames_discarded: AtomicU64,
    /// 0 is unknown.
    pub(super) bandwidth_bps: AtomicU64,
    words: Mutex<Words>,
}

#[derive(Debug, Default)]
struct Words {
    route: Option<(Transport, SocketAddr, SocketAddr)>,
    video_stopped: Option<&'static str>,
    seen: Option<Seen>,
}

impl Shared {
    pub(super) fn new(meta: Meta, path: String, role: Role) -> Self {
        Self {
            meta,
            created: wall_now(),
            path,
            role,
            established: AtomicBool::new(false),
            inbound_bytes: AtomicU64::new(0),
            inbound_rtp_packets: AtomicU64::new(0),
            inbound_rtp_packets_lost: AtomicU64::new(0),
            inbound_rtp_jitter: AtomicU64::new(0),
            inbound_rtcp_packets: AtomicU64::new(0),
            outbound_bytes: AtomicU64::new(0),
            outbound_rtp_packets: AtomicU64::new(0),
            outbound_rtcp_packets: AtomicU64::new(0),
            outbound_frames_discarded: AtomicU64::new(0),
            bandwidth_bps: AtomicU64::new(0),
            words: Mutex::default(),
        }
    }

    pub(super) fn set_route(&self, local: SocketAddr, (transport, remote): Route) {
        self.words().route = Some((transport, local, remote));
    }

    pub(super) fn set_video_stopped(&self, reason: Option<&'static str>) {
        self.words().video_stopped = reason;
    }

    pub(super) fn set_seen(&self, seen: Option<Seen>) {
        self.words().seen = seen;
    }

    fn snapshot(&self) -> SessionSnapshot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let words = self.words();
        let candidate = |transport: Transport, address: SocketAddr, kind| {
            format!("{kind}/{}/{}/{}", transport.word(), address.ip(), address.port())
        };
        SessionSnapshot {
            id: self.meta.id,
            created: self.created,
            remote_addr: words.route.map_or(self.meta.remote_addr, |(_, _, remote)| remote),
            peer_connection_established: self.established.load(Ordering::Relaxed),
            local_candidate: words
                .route
                .map(|(transport, local, _)| candidate(transport, local, "host"))
                .unwrap_or_default(),
            remote_candidate: words
                .route
                .map(|(transport, _, remote)| candidate(transport, remote, "prflx"))
                .unwrap_or_default(),
            path: self.path.clone(),
            role: self.role,
            query: self.meta.query.clone(),
            user: self.meta.user.clone(),
            user_agent: self.meta.user_agent.clone(),
            inbound_bytes: load(&self.inbound_bytes),
            inbound_rtp_packets: load(&self.inbound_rtp_packets),
            inbound_rtp_packets_lost: load(&self.inbound_rtp_packets_lost),
            inbound_rtp_packets_jitter: load(&self.inbound_rtp_jitter) as f64,
            inbound_rtcp_packets: load(&self.inbound_rtcp_packets),
            outbound_bytes: load(&self.outbound_bytes),
            outbound_rtp_packets: load(&self.outbound_rtp_packets),
            outbound_rtcp_packets: load(&self.outbound_rtcp_packets),
            outbound_frames_discarded: load(&self.outbound_frames_discarded),
            bandwidth_bps: Some(load(&self.bandwidth_bps)).filter(|bps| *bps > 0),
            video_stopped: words.video_stopped.map(str::to_owned),
            seen: words.seen,
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Failures that are remembered; the oldest goes first.
const FAILURES: usize = 100;

/// A session whose connection did not come about, or was lost.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The session.
    pub session: SessionSnapshot,
    /// When it ended.
    pub ended: WallTime,
    /// Why, with the candidates and ports concerned.
    pub reason: String,
}

/// All sessions, found by id or by the secret of their URL.
#[derive(Debug)]
pub(super) struct Registry {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sessions: HashMap<SessionId, Arc<Shared>>,
    secrets: HashMap<String, (SessionId, Access)>,
    failures: VecDeque<Failure>,
}

impl Registry {
    pub(super) fn new(max: usize) -> Self {
        Self { max, table: Mutex::default() }
    }

    /// Lists a session, with the secret of its URL where it has one.
    pub(super) fn add(&self, shared: &Arc<Shared>, access: Option<(String, Access)>) -> Result<(), Error> {
        let mut table = self.table();
        if table.sessions.len() >= self.max {
            return Err(Error::Limit { what: "the number of WebRTC sessions", limit: self.max as u64 });
        }
        let id = shared.meta.id;
        table.sessions.insert(id, Arc::clone(shared));
        if let Some((secret, access)) = access {
            table.secrets.insert(secret, (id, access));
        }
        Ok(())
    }

    pub(super) fn remove(&self, id: SessionId) -> bool {
        let mut table = self.table();
        table.secrets.retain(|_, (owner, _)| *owner != id);
        table.sessions.remove(&id).is_some()
    }

    /// The session has another ICE session from now on.
    pub(super) fn restarted(&self, secret: &str, etag: &str, ufrag: &str) {
        if let Some((_, access)) = self.table().secrets.get_mut(secret) {
            access.etag = etag.to_owned();
            access.ufrag = ufrag.to_owned();
        }
    }

    /// Remembers why a session ended.
    pub(super) fn note_failure(&self, shared: &Shared, reason: &str) {
        let failure = Failure { session: shared.snapshot(), ended: wall_now(), reason: reason.to_owned() };
        let failures = &mut self.table().failures;
        if failures.len() >= FAILURES {
            failures.pop_front();
        }
        failures.push_back(failure);
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        self.table().failures.iter().rev().cloned().collect()
    }

    pub(super) fn by_secret(&self, secret: &str) -> Option<(SessionId, Access)> {
        self.table().secrets.get(secret).cloned()
    }

    pub(super) fn snapshots(&self) -> Vec<SessionSnapshot> {
        let mut all: Vec<SessionSnapshot> = self.table().sessions.values().map(|shared| shared.snapshot()).collect();
        all.sort_by_key(|session| (session.created, session.id));
        all
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of day.
pub(super) fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_us(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
