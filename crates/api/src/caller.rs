//! Who sends an HTTP request: the peer's address, whether a proxy stands between, and what the request shows.
//!
//! The peer's address comes from [`ConnectInfo`], so a server must be made with
//! `into_make_service_with_connect_info::<SocketAddr>()`; without it every request is refused. What a header claims about
//! an address is never believed: it only takes away the trust in a loopback peer.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use domain::{ErrorKind, Secret};
use media::admission::{self, About, Credentials, Protocol};

use crate::problem::Problem;

/// Headers that a proxy adds.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The longest user agent kept.
const USER_AGENT_BYTES: usize = 256;

/// The caller of a request, as the [`media::Hub`] wants to know it.
#[derive(Clone, Debug)]
pub struct Caller(pub admission::Caller);

impl Caller {
    /// The caller from its parts.
    #[must_use]
    pub fn new(address: SocketAddr, headers: &HeaderMap, query: Option<&str>) -> Self {
        let forwarded = PROXY_HEADERS.iter().any(|name| headers.contains_key(*name));
        let about =
            About { query: query.unwrap_or_default().to_owned(), user_agent: user_agent(headers), ..About::default() };
        Self(admission::Caller { address, forwarded, credentials: credentials(headers, query), about })
    }

    /// The same caller, seen at a face of this protocol.
    #[must_use]
    pub fn by(mut self, protocol: Protocol) -> Self {
        self.0.about.protocol = protocol;
        self
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let ConnectInfo(address) = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or_else(unknown_peer)?;
        Ok(Self::new(*address, &parts.headers, parts.uri.query()))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Infallible> {
        Ok(<Self as FromRequestParts<S>>::from_request_parts(parts, state).await.ok())
    }
}

/// The program that sends a request, as it calls itself.
pub(crate) fn user_agent(headers: &HeaderMap) -> String {
    let shown = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    shown.chars().take(USER_AGENT_BYTES).collect()
}

fn unknown_peer() -> Problem {
    Problem::new(ErrorKind::Internal, "UNKNOWN_PEER", "the peer's address is not known", "عنوان الطرف الآخر غير معروف")
}

/// What the request shows: the `Authorization` header, else the query parameter `token` or `jwt`.
///
/// A header that cannot be read counts as a wrong token, not as nothing: it must not fall back to loopback trust.
fn credentials(headers: &HeaderMap, query: Option<&str>) -> Credentials {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return value.to_str().ok().and_then(authorization).unwrap_or_else(|| token(""));
    }
    let parameters = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    let shown = parameters.into_iter().find(|(key, _)| matches!(*key, "token" | "jwt"));
    shown.map_or(Credentials::None, |(_, value)| token(&percent_decoded(value)))
}

fn authorization(value: &str) -> Option<Credentials> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(token(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::Password { user: user.to_owned(), password: Secret::new(password.to_owned()) })
}

fn token(text: &str) -> Credentials {
    Credentials::Token(Secret::new(text.to_owned()))
}

/// A query value with its `%XX` read and `+` as a space; broken escapes stay as they are.
pub(crate) fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = tail.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&'static str, &str)], query: &str, want: &str) {
        let headers = lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let Caller(caller) = Caller::new("127.0.0.1:1".parse().unwrap(), &headers, Some(query));
        let shown = match &caller.credentials {
            Credentials::None => "none".to_owned(),
            Credentials::Token(token) => format!("token {}", token.expose()),
            Credentials::Password { user, password } => format!("password {user} {}", password.expose()),
            Credentials::Digest { .. } => "digest".to_owned(),
        };
        let shown = if caller.forwarded { format!("forwarded {shown}") } else { shown };
        assert_eq!(shown, want, "{lines:?} {query:?}");
    }

    #[test]
    fn credentials_come_from_the_header_or_the_query() {
        check(&[], "", "none");
        check(&[("authorization", "Bearer abc")], "token=other", "token abc");
        check(&[("authorization", "basic dXNlcjpwOnc=")], "", "password user p:w");
        check(&[], "a=b&token=x%2By+z", "token x+y z");
        check(&[], "jwt=%zz%4", "token %zz%4");
    }

    #[test]
    fn a_header_that_cannot_be_read_is_a_wrong_token() {
        for value in ["Basic !", "Digest x", "Bearer", "é"] {
            check(&[("authorization", value)], "", "token ");
        }
    }

    #[test]
    fn a_proxy_takes_away_the_trust_in_the_peers_address() {
        check(&[("x-forwarded-for", "127.0.0.1")], "", "forwarded none");
        check(&[("forwarded", "for=127.0.0.1")], "", "forwarded none");
        check(&[("via", "1.1 gateway")], "", "forwarded none");
    }
}
