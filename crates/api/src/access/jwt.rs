//! The method `jwt`: a token, signed by a key of a published set, says what its bearer may do.
//!
//! Only signatures by public keys count. A set is fetched when a token first needs it, again after an hour, and sooner when
//! a token names a key that is not in it. A set that cannot be had lets in nobody; it is not asked for again at once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use media::{
    Error,
    admission::Caller,
    config::access::{Access, Action, Permission},
};
use reqwest::Client;
use serde_json::{Map, Value};

use super::{callback::chain, io_error, token};

/// How long a set of keys is good for.
const KEYS_AGE: Duration = Duration::from_secs(60 * 60);
/// A set is fetched no more often than this, whatever keys tokens name.
const FETCH_EVERY: Duration = Duration::from_secs(5);
/// The largest set taken.
const SET_BYTES_MAX: usize = 1 << 20;
/// By how much the clocks of two machines may differ.
const CLOCKS_DIFFER_S: u64 = 10;
/// What a failure is called.
const ACTION: &str = "cannot fetch the keys of tokens";

pub(super) struct Keys {
    client: Option<Client>,
    /// Held while a set is fetched, so that it is fetched once.
    fetching: tokio::sync::Mutex<()>,
    fetched: Mutex<Option<Fetched>>,
}

#[derive(Clone)]
struct Fetched {
    at: Instant,
    set: Result<Arc<JwkSet>, String>,
}

impl Keys {
    pub(super) fn new(client: Option<Client>) -> Self {
        Self { client, fetching: tokio::sync::Mutex::default(), fetched: Mutex::default() }
    }

    pub(super) fn forget(&self) {
        *self.fetched() = None;
    }

    pub(super) async fn decide(
        &self,
        access: &Access,
        caller: &Caller,
        action: Action,
        path: &str,
    ) -> Result<String, Error> {
        let token = token(&caller.credentials).ok_or(Error::Unauthenticated)?.expose();
        let header = decode_header(token).map_err(|error| not_taken(&error.to_string()))?;
        if !is_public(header.alg) {
            return Err(not_taken("it is not signed by a public key"));
        }
        let key = self.key(access.jwks_address.expose(), header.kid.as_deref()).await?;
        let key = DecodingKey::from_jwk(&key).map_err(|error| not_taken(&error.to_string()))?;
        let decoded = decode::<Map<String, Value>>(token, &key, &validation(access, header.alg));
        let claims = decoded.map_err(|error| not_taken(&error.to_string()))?.claims;
        let granted = granted(claims.get(&access.jwt_claim_key)).map_err(|reason| not_taken(&reason))?;
        if granted.iter().any(|permission| permission.covers(action, path)) {
            return Ok(claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned());
        }
        Err(Error::Forbidden)
    }

    /// The key that a token names; the only one there is when it names none.
    async fn key(&self, url: &str, id: Option<&str>) -> Result<Jwk, Error> {
        let find = |set: &JwkSet| match (id, &set.keys[..]) {
            (Some(id), _) => set.find(id).cloned(),
            (None, [key]) => Some(key.clone()),
            (None, _) => None,
        };
        let known = self.kept(KEYS_AGE).and_then(|fetched| fetched.set.ok()).and_then(|set| find(&set));
        if let Some(key) = known {
            return Ok(key);
        }
        let set = self.fetch(url).await.map_err(|reason| io_error(ACTION, reason))?;
        find(&set).ok_or_else(|| not_taken("its key is not known"))
    }

    async fn fetch(&self, url: &str) -> Result<Arc<JwkSet>, String> {
        let _turn = self.fetching.lock().await;
        if let Some(fetched) = self.kept(FETCH_EVERY) {
            return fetched.set;
        }
        let set = self.get(url).await.map(Arc::new);
        if let Err(reason) = &set {
            tracing::warn!(%reason, "the keys of tokens cannot be fetched");
        }
        *self.fetched() = Some(Fetched { at: Instant::now(), set: set.clone() });
        set
    }

    async fn get(&self, url: &str) -> Result<JwkSet, String> {
        let client = self.client.as_ref().ok_or("there is no HTTP client")?;
        let failed = |error: reqwest::Error| chain(&error.without_url());
        let mut response =
            client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > SET_BYTES_MAX {
                return Err(format!("the set of keys has more than {SET_BYTES_MAX} bytes"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("the set of keys cannot be read: {error}"))
    }

    fn kept(&self, age: Duration) -> Option<Fetched> {
        self.fetched().clone().filter(|fetched| fetched.at.elapsed() < age)
    }

    fn fetched(&self) -> MutexGuard<'_, Option<Fetched>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason is for the log alone: who shows a wrong token learns nothing from it.
fn not_taken(reason: &str) -> Error {
    tracing::debug!(%reason, "a token is not taken");
    Error::Unauthenticated
}

fn is_public(algorithm: Algorithm) -> bool {
    [AlgorithmFamily::Rsa, AlgorithmFamily::Ec, AlgorithmFamily::Ed]
        .iter()
        .any(|family| family.algorithms().contains(&algorithm))
}

fn validation(access: &Access, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = CLOCKS_DIFFER_S;
    validation.validate_nbf = true;
    validation.validate_aud = !access.jwt_audience.is_empty();
    if validation.validate_aud {
        validation.set_audience(&[&access.jwt_audience]);
        validation.required_spec_claims.insert("aud".into());
    }
    if !access.jwt_issuer.is_empty() {
        validation.set_issuer(&[&access.jwt_issuer]);
        validation.required_spec_claims.insert("iss".into());
    }
    validation
}

/// The permissions of a token: a list, or a text that holds one.
fn granted(claim: Option<&Value>) -> Result<Vec<Permission>, String> {
    match claim {
        Some(Value::String(text)) => {
            let list: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Permission::list(&list)
        }
        Some(list) => Permission::list(list),
        None => Err("the claim with the permissions is missing".into()),
    }
}
