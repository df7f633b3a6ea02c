//! Who may use the control API, and what a browser of another origin may ask.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use media::admission::{Credentials, TokenPolicy};
use serde_json::json;

use crate::{caller::Caller, platform::is_foreign_page};

/// A wrong guess is answered after up to this long, so that guessing is slow.
const GUESS_DELAY_MAX_MS: u64 = 4_000;

pub(crate) async fn check(State(policy): State<Arc<TokenPolicy>>, request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        match refusal(&policy, &request) {
            None => next.run(request).await,
            Some(refusal) => refusal.answer().await,
        }
    };
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "OPTIONS, GET, POST, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

enum Refusal {
    NothingShown,
    WrongGuess,
}

fn refusal(policy: &TokenPolicy, request: &Request) -> Option<Refusal> {
    let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
        return Some(Refusal::NothingShown);
    };
    let Caller(caller) = Caller::new(*address, request.headers(), request.uri().query());
    // A page of another origin, open in the operator's browser, comes from loopback too. It must show the token.
    let foreign_page = is_foreign_page(request.headers()) && matches!(caller.credentials, Credentials::None);
    if !foreign_page && policy.check(&caller).is_ok() {
        return None;
    }
    Some(match caller.credentials {
        Credentials::None => Refusal::NothingShown,
        Credentials::Password { .. } | Credentials::Token(_) | Credentials::Digest { .. } => Refusal::WrongGuess,
    })
}

impl Refusal {
    async fn answer(self) -> Response {
        let body = Json(json!({"status": "error", "error": "authentication error"}));
        let mut response = (StatusCode::UNAUTHORIZED, body).into_response();
        match self {
            Self::NothingShown => {
                let ask = HeaderValue::from_static("Basic realm=\"mediamtx\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
            }
            Self::WrongGuess => {
                let random = uuid::Uuid::new_v4().as_u64_pair().0;
                tokio::time::sleep(Duration::from_millis(random % GUESS_DELAY_MAX_MS)).await;
            }
        }
        response
    }
}
