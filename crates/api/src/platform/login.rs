//! Trading the token for a cookie that scripts cannot read.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json,
    extract::{ConnectInfo, State as With, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{ErrorKind, Secret};
use media::admission::{About, Caller, Credentials};
use serde::Deserialize;
use utoipa::ToSchema;

use super::State;
use crate::problem::Problem;

const COOKIE: &str = "cctv_token";
/// How long a browser stays signed in: one shift and its handover.
const COOKIE_AGE_S: u64 = 12 * 3600;
/// A wrong token is answered after this, so that guessing is slow.
const GUESS_DELAY: Duration = Duration::from_secs(1);

/// What is traded for the cookie.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The token that was printed at the first start.
    token: String,
}

/// Sign in: the token becomes a cookie.
#[utoipa::path(post, path = "/api/v1/login", request_body = Login,
    responses((status = 204, description = "signed in"), (status = 401, description = "a wrong token")))]
pub(crate) async fn login(
    With(state): With<State>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Result<Json<Login>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Login { token }) = body.map_err(|_| {
        let text = "the body must be {\"token\": \"…\"}";
        Problem::new(ErrorKind::Invalid, "MALFORMED", text, "يجب أن يحتوي الطلب على الرمز")
    })?;
    let value = BASE64_URL_SAFE_NO_PAD.encode(&token);
    let credentials = Credentials::Token(Secret::new(token));
    let caller = Caller { address, forwarded: true, credentials, about: About::default() };
    if let Err(refused) = state.policy.check(&caller) {
        tracing::warn!(peer = %address, "a wrong token was shown");
        tokio::time::sleep(GUESS_DELAY).await;
        return Err(refused.into());
    }
    Ok(with_cookie(&value, COOKIE_AGE_S))
}

/// Sign out: the cookie goes.
#[utoipa::path(delete, path = "/api/v1/login", responses((status = 204, description = "signed out")))]
pub(crate) async fn logout() -> Response {
    with_cookie("", 0)
}

fn with_cookie(value: &str, age_s: u64) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// The token in the cookie of a request.
pub(super) fn token_of_cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(value).ok()?).ok()
}
