//! Who may use the application API.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use media::admission::{Credentials, TokenPolicy};

use super::login;
use crate::{caller::Caller, problem::Problem};

/// Lets the operator through. A cookie becomes the `Authorization` of the request, so that routes see one form. A question
/// for options is let through as well: a browser asks it without credentials, and the answer tells nothing of the system.
pub(super) async fn check(State(policy): State<Arc<TokenPolicy>>, mut request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    if !request.headers().contains_key(header::AUTHORIZATION)
        && let Some(token) = login::token_of_cookie(request.headers())
        && let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
    }
    match verdict(&policy, &request) {
        Ok(()) => {
            // From here on a trusted loopback peer is the operator like any other, whatever decides about streams.
            if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", policy.token().expose())) {
                request.headers_mut().entry(header::AUTHORIZATION).or_insert(bearer);
            }
            next.run(request).await
        }
        Err(refused) => Problem::from(refused).into_response(),
    }
}

fn verdict(policy: &TokenPolicy, request: &Request) -> Result<(), media::Error> {
    let address = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
    let ConnectInfo(address) = address.ok_or(media::Error::Unauthenticated)?;
    let Caller(caller) = Caller::new(*address, request.headers(), request.uri().query());
    if matches!(caller.credentials, Credentials::None) && is_foreign_page(request.headers()) {
        return Err(media::Error::Unauthenticated);
    }
    policy.check(&caller)
}

/// Whether a page of another origin, open in a browser on this machine, seems to ask. It comes from loopback, too, but is
/// not the operator: its `Origin` is not ours, or the name it reached us under is somebody else's (DNS rebinding).
pub(crate) fn is_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    let other_origin =
        text(header::ORIGIN).is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != host);
    other_origin || !host.is_none_or(is_this_machine)
}

/// Names by which a loopback listener is reached: `localhost` and addresses.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_origin_is_known_by_its_headers() {
        let check = |lines: &[(&'static str, &str)], want: bool| {
            let headers = lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(is_foreign_page(&headers), want, "{lines:?}");
        };
        check(&[], false);
        check(&[("host", "localhost:8000")], false);
        check(&[("host", "127.0.0.1")], false);
        check(&[("host", "[::1]:8000"), ("origin", "http://[::1]:8000")], false);
        check(&[("host", "localhost:8000"), ("origin", "http://localhost:8000")], false);
        check(&[("host", "localhost:8000"), ("origin", "http://evil.example")], true);
        check(&[("host", "localhost:8000"), ("origin", "null")], true);
        check(&[("host", "evil.example"), ("origin", "http://evil.example")], true);
        check(&[("host", "evil.example:8000")], true);
    }
}
