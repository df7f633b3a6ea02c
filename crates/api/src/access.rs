//! Who may do what: the one policy of all faces, as the keys `auth*` of the configuration say.
//!
//! The operator's token is good for everything, whatever the method, so that nobody is locked out by a server that does
//! not answer. Everyone else is looked up among the users of the configuration, asked of an HTTP server, or shows a JWT.
//! A wrong secret is answered late, so that guessing is slow, and is never taken for showing nothing. A caller behind a
//! proxy has no address. When the keys `auth*` change, all who are inside are judged anew, and who would no longer be let in
//! has to go; a server that cannot be asked then takes nothing away.

mod callback;
mod grants;
mod internal;
mod jwt;
mod pinned;
mod recent;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use domain::Secret;
use futures_util::{StreamExt as _, future::BoxFuture, stream};
use media::{
    Error,
    admission::{self, Admission, Caller, Credentials, Permit, Request, TokenPolicy},
    config::{
        Global,
        access::{Access, Action, Method, Password, Permission},
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use callback::Callback;
use grants::Grants;
use internal::Passwords;
use jwt::Keys;

/// A wrong guess is answered after up to this long.
const GUESS_DELAY_MAX_MS: u64 = 4_000;
/// Callers that are judged anew at a time after a change.
const JUDGED_AT_ONCE: usize = 32;
/// How long another server may take to answer, all in all.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection to it may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle connections to it that are kept.
const IDLE_CONNECTIONS: usize = 16;

/// The policy.
pub struct Policy {
    operator: Arc<TokenPolicy>,
    global: OnceLock<watch::Receiver<Arc<Global>>>,
    judge: Mutex<Option<Arc<Judge>>>,
    grants: Grants,
}

/// What is needed to judge by one version of the configuration.
struct Judge {
    access: Arc<Access>,
    passwords: Passwords,
    callback: Callback,
    keys: Keys,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").finish_non_exhaustive()
    }
}

impl Policy {
    /// A policy that knows the operator alone until it follows a configuration.
    #[must_use]
    pub fn new(operator: Arc<TokenPolicy>) -> Self {
        Self { operator, global: OnceLock::new(), judge: Mutex::new(None), grants: Grants::default() }
    }

    /// Follows the configuration from now on, once and for all. Trust in loopback peers is then what its users say.
    pub fn follow(&self, global: watch::Receiver<Arc<Global>>) {
        // A second configuration would be a mistake of the wiring; the first one stays.
        let _ = self.global.set(global);
    }

    /// Takes back what was granted and would no longer be, whenever the keys `auth*` change, until `stop`.
    pub async fn enforce(&self, stop: CancellationToken) {
        let Some(mut global) = self.global.get().cloned() else { return };
        let mut enforced = Arc::clone(&global.borrow_and_update().access);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = global.changed() => if changed.is_err() { return },
            }
            let access = Arc::clone(&global.borrow_and_update().access);
            if access == enforced {
                continue;
            }
            enforced = access;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.judge_anew() => {}
            }
        }
    }

    async fn judge_anew(&self) {
        let judged = stream::iter(self.grants.all()).for_each_concurrent(JUDGED_AT_ONCE, async |grant| {
            let verdict = self.decide(&grant.caller, grant.action, &grant.path).await;
            if matches!(verdict, Err(Error::Unauthenticated | Error::Forbidden)) {
                let peer = grant.caller.address.ip();
                tracing::info!(%peer, action = grant.action.name(), stream.path = grant.path, "a right was withdrawn");
                grant.revoke();
            }
        });
        judged.await;
    }

    /// Who the operator is.
    #[must_use]
    pub fn operator(&self) -> &Arc<TokenPolicy> {
        &self.operator
    }

    /// Fetches the keys of the method `jwt` anew when the next token comes.
    pub fn forget_keys(&self) {
        if let Some(judge) = self.judge() {
            judge.keys.forget();
        }
    }

    /// The name under which the caller may do this; empty for one without a name.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], late when something wrong was shown; [`Error::Forbidden`] for a known caller;
    /// [`Error::Io`] when the server that decides does not answer.
    pub async fn allow(&self, caller: &Caller, action: Action, path: &str) -> Result<String, Error> {
        let verdict = self.decide(caller, action, path).await;
        let guessed = !matches!(caller.credentials, Credentials::None);
        if guessed && matches!(verdict, Err(Error::Unauthenticated)) {
            tracing::debug!(peer = %caller.address.ip(), action = action.name(), stream.path = path, "wrong credentials");
            tokio::time::sleep(Duration::from_millis(rand::random::<u64>() % GUESS_DELAY_MAX_MS)).await;
        }
        verdict
    }

    async fn decide(&self, caller: &Caller, action: Action, path: &str) -> Result<String, Error> {
        let Some(judge) = self.judge() else {
            return self.operator.check(caller).map(|()| TokenPolicy::USER.to_owned());
        };
        if !matches!(caller.credentials, Credentials::None) && self.operator.check(caller).is_ok() {
            return Ok(TokenPolicy::USER.to_owned());
        }
        let access = &judge.access;
        match access.method {
            Method::Internal => internal::decide(&access.users, &judge.passwords, caller, action, path).await,
            Method::Http if excluded(&access.http_exclude, action, path) => Ok(String::new()),
            Method::Http => judge.callback.decide(access.http_address.expose(), caller, action, path).await,
            Method::Jwt if excluded(&access.jwt_exclude, action, path) => Ok(String::new()),
            Method::Jwt => judge.keys.decide(access, caller, action, path).await,
        }
    }

    /// The judge of the present configuration; one whose keys `auth*` did not change keeps what it has learnt.
    fn judge(&self) -> Option<Arc<Judge>> {
        let access = Arc::clone(&self.global.get()?.borrow().access);
        let mut kept = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judge) = kept.as_ref().filter(|judge| Arc::ptr_eq(&judge.access, &access) || judge.access == access)
        {
            return Some(Arc::clone(judge));
        }
        let judge = Arc::new(Judge::new(access));
        *kept = Some(Arc::clone(&judge));
        Some(judge)
    }
}

impl Judge {
    fn new(access: Arc<Access>) -> Self {
        let client = match access.method {
            Method::Internal => None,
            Method::Http => client(access.http_fingerprint),
            Method::Jwt => client(access.jwks_fingerprint),
        };
        let (passwords, callback) = (Passwords::default(), Callback::new(client.clone()));
        Self { access, passwords, callback, keys: Keys::new(client) }
    }
}

impl Admission for Policy {
    fn admit<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Permit, Error>> {
        let action = match request.action {
            admission::Action::Read => Action::Read,
            admission::Action::Publish => Action::Publish,
        };
        Box::pin(async move {
            let (caller, path) = (request.caller, request.path.as_str());
            loop {
                let judge = self.judge();
                let user = self.allow(caller, action, path).await?;
                let permit = self.grants.permit(user, caller, action, path);
                // One that was given while the configuration changed may have been missed.
                if same(&judge, &self.judge()) {
                    return Ok(permit);
                }
            }
        })
    }

    fn takes_digests(&self) -> bool {
        let in_clear = |password: &Password| match password {
            Password::Any | Password::Plain(_) => true,
            Password::Sha256(_) | Password::Argon2(_) => false,
        };
        self.judge().is_none_or(|judge| match judge.access.method {
            Method::Internal => judge.access.users.iter().all(|user| in_clear(&user.password)),
            Method::Http | Method::Jwt => false,
        })
    }
}

fn same(one: &Option<Arc<Judge>>, other: &Option<Arc<Judge>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn excluded(exclude: &[Permission], action: Action, path: &str) -> bool {
    exclude.iter().any(|permission| permission.covers(action, path))
}

/// What asks another server: it keeps connections, follows no redirect and uses no proxy. With a fingerprint, the server
/// is known by that alone.
fn client(fingerprint: Option<[u8; 32]>) -> Option<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ASK_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .no_proxy();
    if let Some(fingerprint) = fingerprint {
        let pinned = pinned::config(fingerprint);
        let failed = |error: &_| tracing::error!(%error, "no TLS for the authentication server");
        builder = builder.tls_backend_preconfigured(pinned.inspect_err(failed).ok()?);
    }
    let built = builder.build();
    built.inspect_err(|error| tracing::error!(%error, "no client for the authentication server")).ok()
}

fn io_error(action: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Io { action: action.to_owned(), source: std::io::Error::other(source) }
}

/// The name and password that are shown; a token may hold both, `name:password`.
fn name_and_password(credentials: &Credentials) -> Option<(&str, &str)> {
    match credentials {
        Credentials::Password { user, password } => Some((user, password.expose())),
        Credentials::Token(token) => token.expose().split_once(':'),
        Credentials::None | Credentials::Digest { .. } => None,
    }
}

/// The token that is shown, or what stands in the place of one.
fn token(credentials: &Credentials) -> Option<&Secret> {
    match credentials {
        Credentials::Token(token) => Some(token),
        Credentials::Password { password, .. } => Some(password),
        Credentials::None | Credentials::Digest { .. } => None,
    }
}

#[cfg(test)]
mod tests;
