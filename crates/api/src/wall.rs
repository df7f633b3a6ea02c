//! Wall sessions: one request opens a peer connection for a whole layout; the rest is said on its data channel.
//!
//! The session's id is unguessable and suffices to close it, so that a page that goes away can do so with a beacon.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, post},
};
use domain::{ErrorKind, SessionId};
use media::{
    admission::{Protocol, TokenPolicy},
    webrtc::{Engine, Meta, wall},
};
use serde::{Deserialize, Serialize};
use tower_http::decompression::RequestDecompressionLayer;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use crate::{
    caller::{Caller, user_agent},
    problem::Problem,
};

/// The largest request taken, after inflation: an offer of 64 tracks has some 100 KiB.
const REQUEST_BYTES: usize = 1 << 20;
/// The longest window id kept.
const WINDOW_ID_BYTES: usize = 64;

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct Wall {
    /// The WebRTC engine.
    pub engine: Engine,
    /// Who may open a session; the right to each camera is asked when it is assigned.
    pub policy: Arc<TokenPolicy>,
}

/// The routes under `/api/v1/wall`.
pub fn router(state: Wall) -> Router {
    Router::new()
        .route("/api/v1/wall/session", post(open))
        .route("/api/v1/wall/session/{id}", delete(close))
        .route("/api/v1/wall/session/{id}/close", post(close_by_beacon))
        .layer(RequestDecompressionLayer::new())
        .with_state(state)
}

/// What is asked for: a peer connection with so many slots. Other members are taken and not needed.
#[derive(Deserialize, ToSchema)]
#[schema(as = WallOpening)]
struct Opening {
    /// How media travels: `rtc`.
    lane: String,
    /// The SDP offer, with a video track for each slot and the data channel `ctl`.
    offer: String,
    /// The same for every session of a browser window; a new session takes the old one's place. At most 64 bytes.
    window_id: String,
    /// 1 to 64.
    slots: usize,
}

/// What was opened.
#[derive(Serialize, ToSchema)]
#[schema(as = WallOpened)]
struct Opened {
    /// Unguessable; suffices to close the session.
    #[schema(value_type = String, format = Uuid)]
    session_id: SessionId,
    /// The SDP answer.
    answer: String,
    /// Which track each slot is shown on.
    slots: Vec<Slot>,
    /// The track of sound, if the offer has one.
    audio_mid: Option<String>,
    /// The version of the messages on `ctl`.
    ctl_version: u32,
    /// How often the window says `ping`.
    heartbeat_ms: u64,
    /// After so long without one the session has lost its slots.
    lost_ms: u64,
}

/// A slot and its track.
#[derive(Serialize, ToSchema)]
#[schema(as = WallSlot)]
struct Slot {
    /// From 0.
    slot: usize,
    /// The `mid` of its track in the SDP.
    mid: String,
}

/// These routes, described.
#[derive(OpenApi)]
#[openapi(paths(open, close, close_by_beacon))]
pub(crate) struct Described;

/// Open a wall session: one peer connection for a whole layout. The body may be compressed with gzip.
#[utoipa::path(post, path = "/api/v1/wall/session", tag = "wall", request_body = Opening, responses(
    (status = 201, description = "opened", body = Opened), (status = 400, description = "the body is malformed"),
    (status = 401, description = "no or a wrong token"), (status = 413, description = "over 1 MiB"),
    (status = 422, description = "a lane or an offer that cannot be served"),
    (status = 503, description = "no more sessions at present")))]
async fn open(State(state): State<Wall>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let Caller(caller) = caller.by(Protocol::WebRtc);
    state.policy.check(&caller)?;
    let (parts, body) = request.into_parts();
    let opening = opening(body).await?;
    if opening.lane != "rtc" {
        let (en, ar) = ("this server has the lane rtc only", "هذا الخادم يدعم المسار rtc فقط");
        return Err(Problem::impossible("LANE_UNSUITABLE", en, ar).with("lanes", vec!["rtc"]));
    }
    let meta = Meta {
        id: SessionId::from_uuid(Uuid::new_v4()),
        remote_addr: caller.address,
        query: String::new(),
        user: TokenPolicy::USER.to_owned(),
        user_agent: user_agent(&parts.headers),
    };
    let request = wall::Request { offer: opening.offer, slots: opening.slots, window_id: opening.window_id, caller };
    let opened = state.engine.open_wall(request, meta).await?;
    let opened = Opened {
        session_id: opened.session_id,
        answer: opened.answer,
        slots: opened.slots.into_iter().map(|(slot, mid)| Slot { slot, mid }).collect(),
        audio_mid: opened.audio_mid,
        ctl_version: wall::CTL_VERSION,
        heartbeat_ms: ms(wall::HEARTBEAT),
        lost_ms: ms(wall::LOST),
    };
    Ok((StatusCode::CREATED, Json(opened)).into_response())
}

async fn opening(body: Body) -> Result<Opening, Problem> {
    let bytes = to_bytes(body, REQUEST_BYTES).await.map_err(|error| {
        // A body that cannot be inflated ends here too.
        if too_large(&error) { Problem::too_large(REQUEST_BYTES as u64) } else { malformed("the body cannot be read") }
    })?;
    let opening: Opening = serde_json::from_slice(&bytes).map_err(|error| malformed(&error.to_string()))?;
    if opening.window_id.len() > WINDOW_ID_BYTES {
        return Err(malformed("the window_id is too long"));
    }
    if opening.slots == 0 || opening.slots > wall::SLOTS {
        return Err(malformed("a wall has 1 to 64 slots"));
    }
    Ok(opening)
}

fn too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Close a session.
#[utoipa::path(delete, path = "/api/v1/wall/session/{id}", tag = "wall", params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "closed"), (status = 404, description = "no such session")))]
async fn close(State(state): State<Wall>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let known = match SessionId::from_str(&id) {
        Ok(id) => state.engine.close_wall(id).await,
        Err(_) => false,
    };
    if known {
        return Ok(StatusCode::OK);
    }
    Err(Problem::new(ErrorKind::NotFound, "NOT_FOUND", "there is no such session", "الجلسة غير موجودة"))
}

/// Close a session from a page that goes away, which can send beacons only.
#[utoipa::path(post, path = "/api/v1/wall/session/{id}/close", tag = "wall",
    params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "closed"), (status = 404, description = "no such session")))]
async fn close_by_beacon(state: State<Wall>, id: Path<String>) -> Result<StatusCode, Problem> {
    close(state, id).await
}

fn malformed(message_en: &str) -> Problem {
    Problem::new(ErrorKind::Invalid, "MALFORMED", message_en.to_owned(), "الطلب غير صالح")
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
