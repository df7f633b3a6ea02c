//! What a client shows, in the words of the admission.

use std::{net::SocketAddr, sync::Arc};

use domain::{Secret, SessionId};
use media_proto::rtsp::server::{Ask, Scheme, Shown};

use super::AuthMethod;
use crate::admission::{About, Caller, Credentials, Protocol};

/// Query parameters whose values are never shown.
const SECRETS: [&str; 4] = ["token", "jwt", "pass", "password"];

pub(super) fn caller(address: SocketAddr, session: SessionId, ask: &Ask) -> Caller {
    let credentials = match &ask.shown {
        Shown::Nothing => Credentials::None,
        // A token that cannot be right: whoever shows something wrong is not let in for showing nothing.
        Shown::Unknown => Credentials::Token(Secret::new(String::new())),
        Shown::Password { user, password } => Credentials::Password { user: user.clone(), password: password.clone() },
        Shown::Token(token) => Credentials::Token(token.clone()),
        Shown::Digest(digest) => {
            let checked = digest.clone();
            let verify = move |password: &Secret| checked.verify(password);
            Credentials::Digest { user: digest.user().to_owned(), verify: Arc::new(verify) }
        }
    };
    let about = About {
        protocol: Protocol::Rtsp,
        session: Some(session),
        query: ask.query.clone(),
        user_agent: ask.user_agent.clone(),
    };
    Caller { address, forwarded: false, credentials, about }
}

/// The ways to show a password that a client is offered: without digests where none could be checked.
pub(super) fn schemes(methods: &[AuthMethod], digests: bool) -> Vec<Scheme> {
    let offered = methods.iter().filter(|method| digests || **method == AuthMethod::Basic);
    let schemes: Vec<Scheme> = offered.map(|&method| method.into()).collect();
    if schemes.is_empty() { vec![Scheme::Basic] } else { schemes }
}

pub(super) fn are_shown(shown: &Shown) -> bool {
    match shown {
        Shown::Nothing => false,
        Shown::Unknown | Shown::Password { .. } | Shown::Token(_) | Shown::Digest(_) => true,
    }
}

/// A query fit to be shown: tokens and passwords are hidden.
pub(super) fn without_secrets(query: &str) -> String {
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => format!("{name}=***"),
        Some(_) | None => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_a_query_are_hidden() {
        assert_eq!(without_secrets("a=1&token=abc&JWT=x.y"), "a=1&token=***&JWT=***");
        assert_eq!(without_secrets(""), "");
    }
}
