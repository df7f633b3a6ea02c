//! RTSP 1.0 (RFC 2326): framing of one connection, authentication, the `Transport` header and the client's session.
//!
//! Nothing here opens a socket or reads a clock. What peers send is bounded and never trusted: a header, a body or a run
//! of stray bytes beyond its limit is an error, and no error text repeats what a peer or a user showed as credentials.

pub mod auth;
pub mod client;
pub mod framing;
pub mod server;
pub mod transport;
pub mod url;

use domain::ErrorKind;

/// Why a conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer sent what is not RTSP.
    #[error("malformed RTSP: {0}")]
    Malformed(String),
    /// The peer sent more than is taken.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What it was.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// The peer said no.
    #[error("{method} was answered with {status}{}", explain(*status))]
    Refused {
        /// The request.
        method: &'static str,
        /// The status of the response.
        status: u16,
    },
    /// The peer did not answer.
    #[error("{0} was not answered in time")]
    Unanswered(&'static str),
    /// The peer answered with what cannot be used.
    #[error("{0}")]
    Unsupported(String),
    /// The peer cannot send by UDP what it may send in the connection.
    #[error("the server does not send by UDP: {0}")]
    NoUdp(&'static str),
    /// The peer ended the conversation.
    #[error("the server ended the session")]
    Ended,
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) | Self::TooLarge { .. } => ErrorKind::Corrupt,
            Self::Refused { status, .. } => match status {
                401 | 407 => ErrorKind::Unauthenticated,
                403 => ErrorKind::Forbidden,
                404 | 410 => ErrorKind::NotFound,
                453 => ErrorKind::Exhausted,
                _ => ErrorKind::Unavailable,
            },
            Self::Unanswered(_) | Self::NoUdp(_) | Self::Ended => ErrorKind::Unavailable,
            Self::Unsupported(_) => ErrorKind::Invalid,
        }
    }
}

/// The meaning of the statuses that an operator meets.
fn explain(status: u16) -> &'static str {
    match status {
        400 => " (bad request)",
        401 => " (user or password is wrong or missing)",
        403 => " (forbidden)",
        404 => " (no such stream)",
        453 => " (not enough bandwidth)",
        454 => " (session not found)",
        459 => " (aggregate operation not allowed)",
        461 => " (unsupported transport)",
        500 => " (internal server error)",
        503 => " (service unavailable)",
        _ => "",
    }
}
