//! Who may watch or publish: the question the outputs ask, and a permit that gives its slot back when dropped.

use std::{fmt, net::SocketAddr, sync::Arc};

use domain::{CameraId, PathName, Secret, SessionId};
use futures_util::future::BoxFuture;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::Error;

/// What a caller wants to do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Watch.
    Read,
    /// Feed.
    Publish,
}

/// What a caller shows to be let in.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A name and a password (HTTP or RTSP Basic).
    Password {
        /// The name.
        user: String,
        /// The password, or a token in its place.
        password: Secret,
    },
    /// A token: Bearer, or the query parameter `token` or `jwt`.
    Token(Secret),
    /// A digest; the closure says whether it was made with a given user name and password.
    Digest {
        /// The name it claims.
        user: String,
        /// Checks the digest against a password.
        verify: Arc<dyn Fn(&Secret) -> bool + Send + Sync>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(***)",
            Self::Token(_) => "Token(***)",
            Self::Digest { .. } => "Digest(***)",
        })
    }
}

/// Who asks, as far as the connection shows.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The peer's address.
    pub address: SocketAddr,
    /// The request came through a proxy (`Forwarded`, `X-Forwarded-For`, the gateway), so its address says nothing.
    pub forwarded: bool,
    /// What it shows.
    pub credentials: Credentials,
    /// What else is known of the request.
    pub about: About,
}

/// What a policy may want to know of a request beside the caller.
#[derive(Clone, Default)]
pub struct About {
    /// What the request came by.
    pub protocol: Protocol,
    /// The session it belongs to, where there is one yet.
    pub session: Option<SessionId>,
    /// The query of its URL, with whatever secrets it holds.
    pub query: String,
    /// The program that sent it, as it calls itself.
    pub user_agent: String,
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About")
            .field("protocol", &self.protocol)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What a request came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// None of the others, such as the control API.
    #[default]
    Other,
    /// RTSP.
    Rtsp,
    /// HLS.
    Hls,
    /// WHEP, WHIP or a wall.
    WebRtc,
}

/// One question to an [`Admission`].
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What for.
    pub action: Action,
    /// On which path.
    pub path: &'a PathName,
    /// The camera behind the path, where one is known.
    pub camera: Option<CameraId>,
}

/// A held place. Dropping it gives the place back.
pub struct Permit {
    user: String,
    revoked: CancellationToken,
    _held: Box<dyn Send + Sync>,
}

impl Permit {
    /// A permit of `user` that keeps `held` until it is dropped.
    #[must_use]
    pub fn new(user: String, held: impl Send + Sync + 'static) -> Self {
        Self::revocable(user, CancellationToken::new(), held)
    }

    /// A permit that ends, though it is held, once `revoked` is cancelled: the caller's rights have changed.
    #[must_use]
    pub fn revocable(user: String, revoked: CancellationToken, held: impl Send + Sync + 'static) -> Self {
        Self { user, revoked, _held: Box::new(held) }
    }

    /// Whether the right was withdrawn; its holder stops at once.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// The name the caller was recognised under.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Decides who may watch or publish.
pub trait Admission: Send + Sync {
    /// Gives a permit, or says why not: [`Error::Unauthenticated`], [`Error::Forbidden`] or [`Error::Limit`].
    fn admit<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Permit, Error>>;

    /// Whether [`Credentials::Digest`] can be checked at present: only where passwords are known in clear.
    fn takes_digests(&self) -> bool {
        true
    }
}

/// The policy until identities exist: a direct loopback peer is the operator, anyone else shows the token.
#[derive(Debug)]
pub struct TokenPolicy {
    token: Secret,
    trust_loopback: bool,
}

impl TokenPolicy {
    /// The name of the one user there is.
    pub const USER: &str = "operator";

    /// A policy that knows one token, and may trust direct loopback peers without it.
    #[must_use]
    pub fn new(token: Secret, trust_loopback: bool) -> Self {
        Self { token, trust_loopback }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// Says whether the caller is the operator.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when nothing or something wrong is shown.
    pub fn check(&self, caller: &Caller) -> Result<(), Error> {
        let known = match &caller.credentials {
            Credentials::None => {
                self.trust_loopback && !caller.forwarded && caller.address.ip().to_canonical().is_loopback()
            }
            Credentials::Token(shown) => self.is_token(shown),
            Credentials::Password { password, .. } => self.is_token(password),
            Credentials::Digest { user, verify } => user == Self::USER && verify(&self.token),
        };
        if known { Ok(()) } else { Err(Error::Unauthenticated) }
    }

    fn is_token(&self, shown: &Secret) -> bool {
        shown.expose().as_bytes().ct_eq(self.token.expose().as_bytes()).into()
    }
}

impl Admission for TokenPolicy {
    fn admit<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Permit, Error>> {
        let verdict = self.check(request.caller).map(|()| Permit::new(Self::USER.to_owned(), ()));
        Box::pin(std::future::ready(verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, forwarded: bool, credentials: Credentials) -> bool {
        let policy = TokenPolicy::new(Secret::new("right".into()), true);
        policy
            .check(&Caller { address: address.parse().unwrap(), forwarded, credentials, about: About::default() })
            .is_ok()
    }

    #[test]
    fn only_a_direct_loopback_peer_is_trusted_without_a_token() {
        assert!(check("127.0.0.1:1", false, Credentials::None));
        assert!(check("[::1]:1", false, Credentials::None));
        assert!(check("[::ffff:127.0.0.1]:1", false, Credentials::None));
        assert!(!check("127.0.0.1:1", true, Credentials::None));
        assert!(!check("10.0.0.1:1", false, Credentials::None));
    }

    #[test]
    fn a_wrong_token_is_refused_even_on_loopback() {
        for (token, ok) in [("right", true), ("wrong", false), ("", false)] {
            let token = Secret::new(token.into());
            assert_eq!(check("127.0.0.1:1", false, Credentials::Token(token.clone())), ok);
            assert_eq!(check("10.0.0.1:1", false, Credentials::Password { user: "x".into(), password: token }), ok);
        }
    }
}
