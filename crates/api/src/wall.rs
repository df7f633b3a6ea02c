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
        .route("/api/v1/wall/session/{id}/close", post(close))
        .layer(RequestDecompressionLayer::new())
        .with_state(state)
}

#[derive(Deserialize)]
struct Opening {
    lane: String,
    offer: String,
    window_id: String,
    slots: usize,
}

#[derive(Serialize)]
struct Opened {
    session_id: SessionId,
    answer: String,
    slots: Vec<Slot>,
    audio_mid: Option<String>,
    ctl_version: u32,
    heartbeat_ms: u64,
    lost_ms: u64,
}

#[derive(Serialize)]
struct Slot {
    slot: usize,
    mid: String,
}

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

fn malformed(message_en: &str) -> Problem {
    Problem::new(ErrorKind::Invalid, "MALFORMED", message_en.to_owned(), "الطلب غير صالح")
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
