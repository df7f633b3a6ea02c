//! The method `http`: another server decides. Any 20x lets the caller in; a server that fails or hangs lets in nobody.
//! Equal questions at the same time are asked once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::SessionId;
use media::{
    Error,
    admission::{Caller, Credentials, Protocol},
    config::access::Action,
};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};

use super::{ASK_TIMEOUT, io_error, name_and_password, recent::Recent};

/// Questions on their way at a time; more wait, within the time that one may take.
const QUESTIONS_MAX: usize = 64;
/// Consents that are remembered.
const REMEMBERED_MAX: usize = 4_096;
/// For how long.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// Failures are reported no more often than this.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// What a failure is called.
const ACTION: &str = "cannot ask the authentication server";

pub(super) struct Callback {
    client: Option<Client>,
    turns: Semaphore,
    allowed: Recent,
    /// The questions on their way; as many as there are requests.
    asked: Mutex<HashMap<[u8; 32], Arc<OnceCell<Answer>>>>,
    failures: Mutex<(u64, Option<Instant>)>,
}

/// What came of a question.
#[derive(Clone)]
enum Answer {
    Yes,
    No,
    None(String),
}

/// The question, in the form of MediaMTX.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    user: &'a str,
    password: &'a str,
    token: &'a str,
    ip: String,
    action: &'static str,
    path: &'a str,
    protocol: &'static str,
    id: Option<SessionId>,
    query: &'a str,
    user_agent: &'a str,
}

impl<'a> Question<'a> {
    fn new(caller: &'a Caller, action: Action, path: &'a str) -> Self {
        let (user, password) = match &caller.credentials {
            Credentials::Token(_) => ("", ""),
            Credentials::None | Credentials::Password { .. } | Credentials::Digest { .. } => {
                name_and_password(&caller.credentials).unwrap_or_default()
            }
        };
        let token = if let Credentials::Token(token) = &caller.credentials { token.expose() } else { "" };
        let about = &caller.about;
        let protocol = match about.protocol {
            Protocol::Other => "",
            Protocol::Rtsp => "rtsp",
            Protocol::Hls => "hls",
            Protocol::WebRtc => "webrtc",
        };
        let ip = caller.address.ip().to_canonical().to_string();
        let (id, query, user_agent) = (about.session, about.query.as_str(), about.user_agent.as_str());
        Self { user, password, token, ip, action: action.name(), path, protocol, id, query, user_agent }
    }

    /// What makes two questions the same: all but the session and the program.
    fn key(&self) -> [&[u8]; 8] {
        let texts = [self.user, self.password, self.token, &self.ip, self.action, self.path, self.protocol, self.query];
        texts.map(str::as_bytes)
    }

    fn user(&self) -> String {
        self.user.to_owned()
    }
}

impl Callback {
    pub(super) fn new(client: Option<Client>) -> Self {
        let allowed = Recent::new(REMEMBERED_MAX, REMEMBERED_FOR);
        Self {
            client,
            turns: Semaphore::new(QUESTIONS_MAX),
            allowed,
            asked: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    pub(super) async fn decide(&self, url: &str, caller: &Caller, action: Action, path: &str) -> Result<String, Error> {
        if matches!(caller.credentials, Credentials::Digest { .. }) {
            // A digest cannot be passed on.
            return Err(Error::Unauthenticated);
        }
        let question = Question::new(caller, action, path);
        if self.allowed.holds(&question.key()) {
            return Ok(question.user());
        }
        match self.answer_once(url, &question).await {
            Answer::Yes => Ok(question.user()),
            Answer::No => Err(Error::Unauthenticated),
            Answer::None(reason) => Err(io_error(ACTION, reason)),
        }
    }

    /// The answer to a question, shared by all who have it at the same time.
    async fn answer_once(&self, url: &str, question: &Question<'_>) -> Answer {
        let key = self.allowed.key(&question.key());
        let cell = Arc::clone(self.asked().entry(key).or_default());
        let asking = Asking { callback: self, key, cell };
        // When who asks goes away, the next one who waits asks.
        asking.cell.get_or_init(|| self.answer(url, question)).await.clone()
    }

    async fn answer(&self, url: &str, question: &Question<'_>) -> Answer {
        let answered = timeout(ASK_TIMEOUT, self.ask(url, question)).await;
        let status = match answered {
            Ok(Ok(status)) if !status.is_server_error() => status,
            Ok(Ok(status)) => return self.failed(format!("it answered {status}")),
            Ok(Err(error)) => return self.failed(error),
            Err(_) => return self.failed(format!("no answer within {} s", ASK_TIMEOUT.as_secs())),
        };
        if !status.is_success() {
            return Answer::No;
        }
        self.allowed.keep(&question.key());
        Answer::Yes
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<OnceCell<Answer>>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, url: &str, question: &Question<'_>) -> Result<StatusCode, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let client = self.client.as_ref().ok_or("there is no HTTP client")?;
        let response = client.post(url).json(question).send().await;
        // The address may hold a password.
        response.map(|response| response.status()).map_err(|error| chain(&error.without_url()))
    }

    /// Counts a failure and reports it now and then.
    fn failed(&self, reason: String) -> Answer {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 += 1;
        if failures.1.is_none_or(|reported| reported.elapsed() >= REPORT_EVERY) {
            tracing::warn!(%reason, failures = failures.0, "the authentication server does not decide");
            *failures = (0, Some(Instant::now()));
        }
        Answer::None(reason)
    }
}

/// One who waits for an answer. When the first of them leaves, equal questions are asked anew.
struct Asking<'a> {
    callback: &'a Callback,
    key: [u8; 32],
    cell: Arc<OnceCell<Answer>>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut asked = self.callback.asked();
        if asked.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.cell)) {
            asked.remove(&self.key);
        }
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
