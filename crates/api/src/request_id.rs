//! One id for each request: taken from `X-Request-ID` when it is sane, else new; in the answer and in the logs' span.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::{self, Next},
    response::Response,
};
use tracing::{Instrument as _, debug, info_span};

/// The name of the header.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id is not taken.
const LENGTH_MAX: usize = 64;

/// Lays the id around every route of `router`.
pub fn layered(router: Router) -> Router {
    router.layer(middleware::from_fn(identify))
}

async fn identify(mut request: Request, next: Next) -> Response {
    let id = sane(request.headers()).unwrap_or_else(new);
    let shown = id.to_str().unwrap_or_default();
    let span = info_span!("request", request.id = shown, method = %request.method(), path = request.uri().path());
    request.headers_mut().insert(HEADER, id.clone());
    let answered = async {
        let response = next.run(request).await;
        debug!(status = response.status().as_u16(), "answered");
        response
    };
    let mut response = answered.instrument(span).await;
    response.headers_mut().insert(HEADER, id);
    response
}

fn sane(headers: &HeaderMap) -> Option<HeaderValue> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = |id: &&HeaderValue| (1..=LENGTH_MAX).contains(&id.len()) && id.as_bytes().iter().all(allowed);
    headers.get(HEADER).filter(fits).cloned()
}

fn new() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is made of characters a header allows")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    async fn check(given: Option<&str>, kept: bool) {
        let router = layered(Router::new().route("/", get(async || ())));
        let mut request = Request::new(Body::empty());
        if let Some(given) = given {
            request.headers_mut().insert(HEADER, given.parse().unwrap());
        }
        let response = router.oneshot(request).await.unwrap();
        let id = response.headers()[HEADER].to_str().unwrap();
        assert_eq!(Some(id) == given, kept, "{given:?} became {id}");
        assert!(!id.is_empty());
    }

    #[tokio::test]
    async fn a_sane_id_is_kept_and_any_other_is_replaced() {
        check(Some("req-1.a_B"), true).await;
        check(None, false).await;
        check(Some("a b"), false).await;
        check(Some("<script>"), false).await;
        check(Some(&"a".repeat(65)), false).await;
    }
}
