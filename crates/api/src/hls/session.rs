//! Sessions of HLS viewers: signed, so that a viewer goes on without being asked again, whatever happens to the source or
//! the program; counted while they last.
//!
//! A session is a cookie of the directories of its paths, or the first element of a URL, `/~{session}/{path}/{file}`. It is
//! bound to no address. Viewers that carry none are admitted with every request, and counted by address and program.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{PathName, Secret, SessionId, WallTime};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use media::admission::Caller;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::whep::without_credentials;

/// How long a session is good for: one shift.
pub(super) const AGE: Duration = Duration::from_secs(12 * 3600);
/// A session that asks for nothing for this long is no longer listed; it is still good.
const IDLE: Duration = Duration::from_secs(60);
/// The most sessions listed; the one that was idle for longest makes room.
const LISTED_MAX: usize = 20_000;
/// The most sessions that are remembered as ended; the one that has been so for longest makes room.
const ENDED_MAX: usize = 10_000;
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
    ended: Mutex<HashMap<SessionId, Instant>>,
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
    id: SessionId,
    created: WallTime,
    user: String,
    is_cdn: bool,
}

/// What a session that is shown is worth.
pub(super) enum Shown {
    /// Good; `ages` when it has seen more than half of its time.
    Good { viewer: Viewer, ages: bool },
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
        Self(Arc::new(Shared { sign, verify, listed: Mutex::default(), ended: Mutex::default() }))
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
    #[must_use]
    pub fn kick(&self, id: SessionId) -> bool {
        if self.listed().remove(&id).is_none() {
            return false;
        }
        let mut ended = self.ended();
        if ended.len() >= ENDED_MAX
            && let Some(oldest) = ended.iter().min_by_key(|(_, since)| **since).map(|(id, _)| *id)
        {
            ended.remove(&oldest);
        }
        ended.insert(id, Instant::now());
        true
    }

    /// A new session of a user for these paths.
    pub(super) fn begin(&self, paths: &[PathName], user: &str) -> Option<String> {
        let now = OffsetDateTime::now_utc();
        let claims = Claims {
            sid: SessionId::from_uuid(Uuid::new_v4()),
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
        if self.ended().get(&claims.sid).is_some_and(|since| since.elapsed() < AGE) {
            return Shown::Ended;
        }
        let half = i64::try_from(AGE.as_secs() / 2).unwrap_or(i64::MAX);
        let ages = claims.exp - OffsetDateTime::now_utc().unix_timestamp() < half;
        let created = WallTime::from_unix_us(claims.iat.saturating_mul(1_000_000));
        Shown::Good { viewer: Viewer { id: claims.sid, created, user: claims.user, is_cdn: false }, ages }
    }

    /// The viewer without a session of its own; `None` while it is kept away.
    pub(super) fn without(&self, caller: &Caller, path: &PathName, user: String, is_cdn: bool) -> Option<Viewer> {
        let about = format!("{}\n{}\n{path}\n{user}", caller.address.ip(), caller.about.user_agent);
        let id = SessionId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_URL, about.as_bytes()));
        let away = self.ended().get(&id).is_some_and(|since| since.elapsed() < ENDED_FOR);
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

    fn ended(&self) -> MutexGuard<'_, HashMap<SessionId, Instant>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> WallTime {
    WallTime::from_unix_us(OffsetDateTime::now_utc().unix_timestamp().saturating_mul(1_000_000))
}
