//! Who may use the control API and metrics, and what a browser of another origin may ask.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::ErrorKind;
use media::{
    admission::{self, Credentials},
    config::access::Action,
};

use super::Error;
use crate::{access::Policy, caller::Caller, platform::is_foreign_page};

pub(crate) async fn check(
    State((policy, action)): State<(Arc<Policy>, Action)>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        match admitted(&policy, action, caller(&request)).await {
            Ok(()) => next.run(request).await,
            Err(refusal) => refusal,
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

fn caller(request: &Request) -> Option<admission::Caller> {
    let ConnectInfo(address) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let Caller(mut caller) = Caller::new(*address, request.headers(), request.uri().query());
    // A page of another origin, open in the operator's browser, comes from loopback too; its address says nothing.
    caller.forwarded |= is_foreign_page(request.headers());
    Some(caller)
}

async fn admitted(policy: &Policy, action: Action, caller: Option<admission::Caller>) -> Result<(), Response> {
    let caller = caller.ok_or_else(|| unauthenticated(true))?;
    let Err(error) = policy.allow(&caller, action, "").await else {
        return Ok(());
    };
    Err(match error.kind() {
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => {
            unauthenticated(matches!(caller.credentials, Credentials::None))
        }
        ErrorKind::Invalid
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Exhausted
        | ErrorKind::Unavailable
        | ErrorKind::Corrupt
        | ErrorKind::Internal => Error::from(error).into_response(),
    })
}

/// Who showed nothing is asked for a name and a password.
fn unauthenticated(ask: bool) -> Response {
    let error = Error { status: StatusCode::UNAUTHORIZED, text: "authentication error".into() };
    let mut response = error.into_response();
    if ask {
        let ask = HeaderValue::from_static("Basic realm=\"mediamtx\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
    }
    response
}
