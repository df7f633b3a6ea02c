//! The method `internal`: users of the configuration.

use std::time::Duration;

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use media::{
    Error,
    admission::{Caller, Credentials},
    config::access::{Action, Password, User},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::{name_and_password, recent::Recent};

/// Argon2 checks at a time, for each takes much memory.
const CHECKS_MAX: usize = 2;
/// Right passwords that are remembered, so that a player's many requests cost one check.
const REMEMBERED_MAX: usize = 1_024;
/// For how long.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Checks passwords that take long to check.
pub(super) struct Passwords {
    turns: Semaphore,
    right: Recent,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Semaphore::new(CHECKS_MAX), right: Recent::new(REMEMBERED_MAX, REMEMBERED_FOR) }
    }
}

/// The name of the user who may do this. `any` counts for who shows nothing, and for known users.
pub(super) async fn decide(
    users: &[User],
    passwords: &Passwords,
    caller: &Caller,
    action: Action,
    path: &str,
) -> Result<String, Error> {
    let here = || users.iter().filter(|user| comes_from(user, caller));
    let may = |user: &User| user.permissions.iter().any(|permission| permission.covers(action, path));
    let mut known = None;
    for user in here() {
        let Some(name) = &user.name else { continue };
        if passwords.recognises(name, &user.password, &caller.credentials).await {
            if may(user) {
                return Ok(name.clone());
            }
            known = Some(name);
        }
    }
    let shows_nothing = matches!(caller.credentials, Credentials::None);
    if (shows_nothing || known.is_some()) && here().any(|user| user.name.is_none() && may(user)) {
        return Ok(known.cloned().unwrap_or_default());
    }
    Err(if known.is_some() { Error::Forbidden } else { Error::Unauthenticated })
}

/// Behind a proxy nobody has an address.
fn comes_from(user: &User, caller: &Caller) -> bool {
    let address = caller.address.ip();
    user.networks.is_empty() || (!caller.forwarded && user.networks.iter().any(|network| network.contains(address)))
}

impl Passwords {
    async fn recognises(&self, name: &str, password: &Password, shown: &Credentials) -> bool {
        if let Credentials::Digest { user, verify } = shown {
            return user == name
                && match password {
                    Password::Any => true,
                    Password::Plain(password) => verify(password),
                    Password::Sha256(_) | Password::Argon2(_) => false,
                };
        }
        match name_and_password(shown) {
            Some((user, shown)) if user == name => self.is_right(password, shown).await,
            Some(_) | None => false,
        }
    }

    async fn is_right(&self, password: &Password, shown: &str) -> bool {
        match password {
            Password::Any => true,
            Password::Plain(password) => shown.as_bytes().ct_eq(password.expose().as_bytes()).into(),
            Password::Sha256(hash) => Sha256::digest(shown).as_slice().ct_eq(hash).into(),
            Password::Argon2(hash) => self.is_argon2(hash.expose(), shown).await,
        }
    }

    async fn is_argon2(&self, hash: &str, shown: &str) -> bool {
        let about = [hash.as_bytes(), shown.as_bytes()];
        if self.right.holds(&about) {
            return true;
        }
        let Ok(_turn) = self.turns.acquire().await else {
            return false;
        };
        let (kept, password) = (hash.to_owned(), shown.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let parsed = PasswordHash::new(&kept);
            parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        let right = checked.await.unwrap_or(false);
        if right {
            self.right.keep(&about);
        }
        right
    }
}
