//! The server's side.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::Secret;
use subtle::ConstantTimeEq as _;

use super::{Algorithm, Credentials, Parts, schemes};

/// What an `Authorization` header shows.
#[derive(Debug)]
pub enum Shown {
    /// A user and a password.
    Basic(Credentials),
    /// A token.
    Bearer(Secret),
    /// A digest made with a password.
    Digest(DigestResponse),
}

/// A digest that a client made.
pub struct DigestResponse {
    user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    algorithm: Algorithm,
    counted: Option<(String, String)>,
}

/// Reads the value of an `Authorization` header. `None` when it cannot be read or names an unknown scheme.
#[must_use]
pub fn parse_authorization(value: &str) -> Option<Shown> {
    let (scheme, rest) = value.trim().split_once([' ', '\t'])?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic(rest),
        "bearer" => Some(Shown::Bearer(Secret::new(rest.to_owned()))),
        "digest" => digest(value).map(Shown::Digest),
        _ => None,
    }
}

fn basic(encoded: &str) -> Option<Shown> {
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Shown::Basic(Credentials { user: user.to_owned(), password: Secret::new(password.to_owned()) }))
}

fn digest(value: &str) -> Option<DigestResponse> {
    let schemes = schemes(value);
    let scheme = schemes.first()?;
    let text = |name: &str| scheme.get(name).map(str::to_owned);
    let algorithm = Algorithm::parse(scheme.get("algorithm"))?;
    let counted = match scheme.get("qop") {
        None => None,
        Some(qop) if qop.eq_ignore_ascii_case("auth") => Some((text("nc")?, text("cnonce")?)),
        Some(_) => return None,
    };
    if algorithm.session && counted.is_none() {
        return None;
    }
    Some(DigestResponse {
        user: text("username")?,
        realm: text("realm")?,
        nonce: text("nonce")?,
        uri: text("uri")?,
        response: text("response")?.to_ascii_lowercase(),
        algorithm,
        counted,
    })
}

impl DigestResponse {
    /// The name the client claims.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The nonce it used, to tell an old one from a wrong password.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The address the digest covers; it should be the request's.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether it was made for this method and nonce with this user and password. Takes the same time either way.
    #[must_use]
    pub fn verify(&self, method: &str, nonce: &str, user: &str, password: &str) -> bool {
        let counted = self.counted.as_ref().map(|(count, cnonce)| (count.as_str(), cnonce.as_str()));
        let Self { algorithm, realm, uri, .. } = self;
        let right = Parts { algorithm: *algorithm, realm, nonce, method, uri, counted }.response(user, password);
        let same_response = self.response.as_bytes().ct_eq(right.as_bytes());
        let same_nonce = self.nonce.as_bytes().ct_eq(nonce.as_bytes());
        let same_user = self.user.as_bytes().ct_eq(user.as_bytes());
        (same_response & same_nonce & same_user).into()
    }
}

impl fmt::Debug for DigestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestResponse").field("user", &self.user).finish_non_exhaustive()
    }
}
