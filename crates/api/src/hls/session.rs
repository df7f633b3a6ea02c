//! Sessions of HLS viewers: signed, so that a viewer goes on without being asked again, whatever happens to the source or
//! the program; counted while they last.
//!
//! A session is a cookie of the directories of its paths, or the first element of a URL, `/~{session}/{path}/{file}`. It is
//! bound to no address. Viewers that carry none are admitted with every request, and counted by address and program.
//! One that was ended stays so, also after a restart. After a change of rights each session is judged anew with its next
//! request: by what its viewer showed in the beginning, where that is known, else by what is shown now.

mod ended;

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{PathName, Secret, SessionId, WallTime};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use media::{admission::Caller, config::Global};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::{sync::watch, task::spawn_blocking};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use ended::Ended;

use crate::whep::without_credentials;

/// How long a session is good for: one shift.
pub(super) const AGE: Duration = Duration::from_secs(12 * 3600);
/// A session that asks for nothing for this long is no longer listed; it is still good.
const IDLE: Duration = Duration::from_secs(60);
/// The most sessions listed; the one that was idle for longest makes room.
const LISTED_MAX: usize = 20_000;
/// The most viewers whose credentials are remembered to judge them anew; the one judged longest ago makes room.
const REMEMBERED_MAX: usize = 20_000;
/// How long a viewer without a session of its own stays away once it was ended.
const ENDED_FOR: Duration = Duration::from_secs(60);
/// What separates the keys of sessions from other uses of the secret they are made of.
const LABEL: &str = "cctv HLS session";

/// All sessions. Cloning gives another handle.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    sign: EncodingKey,
    verify: DecodingKey,
    listed: Mutex<HashMap<SessionId, Entry>>,
    ended: Ended,
    /// Grows by one when rights change.
    edition: AtomicU64,
    remembered: Mutex<HashMap<SessionId, Remembered>>,
}

/// What a viewer showed, and by which edition of the rights it was judged last.
struct Remembered {
    caller: Arc<Caller>,
    edition: u64,
}

/// Whether a session may go on.
pub(super) enum Standing {
    /// It may.
    Good,
    /// Rights have changed since it was judged; what its viewer showed, if that is known.
    Judge(Option<Arc<Caller>>),
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// What a session says, under its signature.
#[derive(Serialize, Deserialize)]
struct Claims {
    sid: SessionId,
    paths: Vec<String>,
    user: String,
    iat: i64,
    exp: i64,
}

/// A session while it is listed.
#[derive(Clone, Debug)]
struct Entry {
    listed: Listed,
    seen: Instant,
}

/// A session, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created: WallTime,
    /// Where its last request came from.
    pub remote: SocketAddr,
    /// What it watches.
    pub path: PathName,
    /// The query of its last request, without secrets.
    pub query: String,
    /// Whose it is.
    pub user: String,
    /// The program, as it calls itself.
    pub user_agent: String,
    /// A distribution network that fetches for others.
    pub is_cdn: bool,
    /// Bytes sent.
    pub outbound_bytes: u64,
}

/// Whose request it is.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    pub(super) id: SessionId,
    created: WallTime,
    user: String,
    is_cdn: bool,
}

/// What a session that is shown is worth.
pub(super) enum Shown {
    /// Good; `ages` when it has seen more than half of its time.
    Good { viewer: Viewer, paths: Vec<String>, ages: bool },
    /// It was ended.
    Ended,
    /// Nothing: not ours, too old, or for another path.
    Nothing,
}

impl Sessions {
    /// No sessions yet. Sessions of another process with the same secret are good here, too.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let key = Sha256::new().chain_update(LABEL).chain_update(secret.expose()).finalize();
        let (sign, verify) = (EncodingKey::from_secret(&key), DecodingKey::from_secret(&key));
        let (listed, ended, edition, remembered) = Default::default();
        Self(Arc::new(Shared { sign, verify, listed, ended, edition, remembered }))
    }

    /// The sessions of a secret; those that were ended are kept in this directory.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn open(secret: &Secret, directory: &Path) -> io::Result<Self> {
        let mut shared = Self::new(secret);
        if let Some(shared) = Arc::get_mut(&mut shared.0) {
            shared.ended = Ended::open(directory)?;
        }
        Ok(shared)
    }

    /// Judges all sessions anew whenever the keys `auth*` change, until `stop`.
    pub async fn follow(&self, mut global: watch::Receiver<Arc<Global>>, stop: CancellationToken) {
        let mut known = Arc::clone(&global.borrow_and_update().access);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = global.changed() => if changed.is_err() { return },
            }
            let access = Arc::clone(&global.borrow_and_update().access);
            if access != known {
                known = access;
                self.rights_changed().await;
            }
        }
    }

    /// Judges all sessions anew with their next requests.
    pub(super) async fn rights_changed(&self) {
        self.0.edition.fetch_add(1, Ordering::Relaxed);
        self.keep(Ended::rights_changed).await;
    }

    /// Keeps something of the ended sessions on disk, where there is a place for it.
    async fn keep(&self, write: impl FnOnce(&Ended) -> io::Result<()> + Send + 'static) {
        let shared = Arc::clone(&self.0);
        let written = spawn_blocking(move || write(&shared.ended)).await;
        if let Err(error) = written.map_err(io::Error::other).and_then(|written| written) {
            tracing::warn!(%error, "an ended HLS session may be good again after a restart: it cannot be kept");
        }
    }

    /// The sessions that asked for something lately, in the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let mut listed = self.listed();
        listed.retain(|_, entry| entry.seen.elapsed() < IDLE);
        let mut all: Vec<Listed> = listed.values().map(|entry| entry.listed.clone()).collect();
        all.sort_by_key(|session| session.id);
        all
    }

    /// Ends a session; false when none of this id is listed.
    pub async fn kick(&self, id: SessionId) -> bool {
        if self.listed().remove(&id).is_none() {
            return false;
        }
        self.end(id).await;
        true
    }

    /// Ends a session, for good.
    pub(super) async fn end(&self, id: SessionId) {
        self.listed().remove(&id);
        self.remembered().remove(&id);
        self.keep(move |ended| ended.add(id)).await;
    }

    /// Whether a session may go on, or is to be judged anew.
    pub(super) fn standing(&self, viewer: &Viewer) -> Standing {
        let edition = self.0.edition.load(Ordering::Relaxed);
        match self.remembered().get(&viewer.id) {
            Some(known) if known.edition == edition => Standing::Good,
            Some(known) => Standing::Judge(Some(Arc::clone(&known.caller))),
            None if viewer.created.unix_us() / 1_000_000 > self.0.ended.changed() => Standing::Good,
            None => Standing::Judge(None),
        }
    }

    /// Remembers that a session was judged by the present rights.
    pub(super) fn judged(&self, id: SessionId, caller: Arc<Caller>) {
        let edition = self.0.edition.load(Ordering::Relaxed);
        let mut all = self.remembered();
        if all.len() >= REMEMBERED_MAX
            && !all.contains_key(&id)
            && let Some(oldest) = all.iter().min_by_key(|(_, known)| known.edition).map(|(id, _)| *id)
        {
            all.remove(&oldest);
        }
        all.insert(id, Remembered { caller, edition });
    }

    /// A new session of a user for these paths, and what it is to be judged by later.
    pub(super) fn begin(&self, paths: &[PathName], user: &str, caller: &Caller) -> Option<String> {
        let now = OffsetDateTime::now_utc();
        let sid = SessionId::from_uuid(Uuid::new_v4());
        self.judged(sid, Arc::new(caller.clone()));
        let claims = Claims {
            sid,
            paths: paths.iter().map(ToString::to_string).collect(),
            user: user.to_owned(),
            iat: now.unix_timestamp(),
            exp: (now + AGE).unix_timestamp(),
        };
        encode(&Header::default(), &claims, &self.0.sign).ok()
    }

    /// What a session that is shown for a path is worth.
    pub(super) fn shown(&self, session: &str, path: &PathName) -> Shown {
        let decoded = decode::<Claims>(session, &self.0.verify, &Validation::default());
        let Ok(claims) = decoded.map(|decoded| decoded.claims) else {
            return Shown::Nothing;
        };
        if !claims.paths.iter().any(|known| known == path.as_str()) {
            return Shown::Nothing;
        }
        if self.0.ended.holds(claims.sid, AGE.as_secs()) {
            return Shown::Ended;
        }
        let half = i64::try_from(AGE.as_secs() / 2).unwrap_or(i64::MAX);
        let ages = claims.exp - OffsetDateTime::now_utc().unix_timestamp() < half;
        let created = WallTime::from_unix_us(claims.iat.saturating_mul(1_000_000));
        let viewer = Viewer { id: claims.sid, created, user: claims.user, is_cdn: false };
        Shown::Good { viewer, paths: claims.paths, ages }
    }

    /// The viewer without a session of its own; `None` while it is kept away.
    pub(super) fn without(&self, caller: &Caller, path: &PathName, user: String, is_cdn: bool) -> Option<Viewer> {
        let about = format!("{}\n{}\n{path}\n{user}", caller.address.ip(), caller.about.user_agent);
        let id = SessionId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_URL, about.as_bytes()));
        let away = self.0.ended.holds(id, ENDED_FOR.as_secs());
        (!away).then(|| Viewer { id, created: now(), user, is_cdn })
    }

    /// A viewer that begins anew.
    pub(crate) fn anew(&self, user: &str) -> Viewer {
        Viewer { id: SessionId::from_uuid(Uuid::new_v4()), created: now(), user: user.to_owned(), is_cdn: false }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, viewer: &Viewer, caller: &Caller, path: &PathName, bytes: u64) {
        let mut all = self.listed();
        if all.len() >= LISTED_MAX
            && !all.contains_key(&viewer.id)
            && let Some(idle) = all.iter().min_by_key(|(_, entry)| entry.seen).map(|(id, _)| *id)
        {
            all.remove(&idle);
        }
        let entry = all.entry(viewer.id).or_insert_with(|| {
            let listed = Listed {
                id: viewer.id,
                created: viewer.created,
                remote: caller.address,
                path: path.clone(),
                query: String::new(),
                user: viewer.user.clone(),
                user_agent: caller.about.user_agent.clone(),
                is_cdn: viewer.is_cdn,
                outbound_bytes: 0,
            };
            Entry { listed, seen: Instant::now() }
        });
        entry.seen = Instant::now();
        entry.listed.remote = caller.address;
        entry.listed.query = without_credentials(Some(&caller.about.query));
        entry.listed.outbound_bytes += bytes;
    }

    fn listed(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.0.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<SessionId, Remembered>> {
        self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> WallTime {
    WallTime::from_unix_us(OffsetDateTime::now_utc().unix_timestamp().saturating_mul(1_000_000))
}
