//! The media control API on port 9997, in the form of MediaMTX v3, so that existing scripts and dashboards go on working.
//!
//! Changes of the configuration are safe in the store before they are answered. Answers and errors have the form of that
//! API, not of ours. Endpoints of servers that are not here answer 404. Nothing can be executed through it.

pub(crate) mod access;
mod configuration;
mod list;
pub(crate) mod objects;
mod servers;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State as With},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domain::{ConnectionId, ErrorKind, PathName, SessionId, WallTime};
use media::{
    Hub,
    config::{Settings, access::Action},
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use crate::{access::Policy, health};
pub use objects::{HlsMuxer, HlsSession, Path as PathObject, RtspConn, RtspSession, WebRtcFailure, WebRtcSession};
pub use servers::{HlsMuxers, Servers, WebRtcSessions};

/// What the control API works on.
#[derive(Clone)]
pub struct State {
    /// The configuration it shows and changes.
    pub settings: Settings,
    /// The paths.
    pub hub: Hub,
    /// The servers whose sessions it lists.
    pub servers: Servers,
    /// Who is let in.
    pub policy: Arc<Policy>,
    /// When the process started.
    pub started: WallTime,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// All routes. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or everyone is refused.
pub fn router(state: State) -> Router {
    let v3 = Router::new()
        .route("/info", get(info))
        .route("/auth/jwks/refresh", post(jwks_refresh))
        .merge(configuration::router())
        .route("/paths/list", get(paths_list))
        .route("/paths/get/{*name}", get(paths_get))
        .route("/rtspconns/list", get(rtsp_conns_list))
        .route("/rtspconns/get/{id}", get(rtsp_conns_get))
        .route("/rtspsessions/list", get(rtsp_sessions_list))
        .route("/rtspsessions/get/{id}", get(rtsp_sessions_get))
        .route("/rtspsessions/kick/{id}", post(rtsp_sessions_kick))
        .route("/webrtcsessions/list", get(webrtc_sessions_list))
        .route("/webrtcsessions/get/{id}", get(webrtc_sessions_get))
        .route("/webrtcsessions/kick/{id}", post(webrtc_sessions_kick))
        .route("/webrtcsessions/failures", get(webrtc_failures))
        .route("/paths/forward/list", get(forward_list))
        .route("/paths/forward/get", get(forward_get))
        .route("/hlssessions/list", get(hls_sessions_list))
        .route("/hlssessions/get/{id}", get(hls_sessions_get))
        .route("/hlssessions/kick/{id}", post(hls_sessions_kick))
        .route("/hlsmuxers/list", get(hls_muxers_list))
        .route("/hlsmuxers/get/{*name}", get(hls_muxers_get));
    Router::new()
        .nest("/v3", v3)
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(middleware::from_fn_with_state((Arc::clone(&state.policy), Action::Api), access::check))
        .merge(health::router("control", &[]))
        .layer(middleware::map_response(name_server))
        .with_state(state)
}

async fn name_server(mut response: Response) -> Response {
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("mediamtx"));
    response
}

async fn unknown_route() -> Error {
    Error::not_found("not found")
}

/// An error in the form of this API: `{"status":"error","error":"…"}`.
#[derive(Debug)]
pub(crate) struct Error {
    status: StatusCode,
    text: String,
}

type Answer = Result<Json<Value>, Error>;

impl Error {
    fn bad(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    fn not_found(text: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, text: text.into() }
    }
}

impl From<media::Error> for Error {
    fn from(error: media::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Unauthenticated | ErrorKind::Forbidden => StatusCode::UNAUTHORIZED,
            ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Exhausted => StatusCode::BAD_REQUEST,
            ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %chain(&error), "control request failed");
        }
        Self { status, text: error.to_string() }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"status": "error", "error": self.text}))).into_response()
    }
}

/// A change was made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `done` answers")]
struct Done {
    /// `ok`.
    status: String,
}

/// The program.
#[derive(Serialize, ToSchema)]
struct Info {
    /// Its version.
    version: &'static str,
    /// When it was started.
    started: String,
}

/// These routes, described.
#[derive(OpenApi)]
#[openapi(paths(
    info,
    jwks_refresh,
    paths_list,
    paths_get,
    forward_list,
    forward_get,
    rtsp_conns_list,
    rtsp_conns_get,
    rtsp_sessions_list,
    rtsp_sessions_get,
    rtsp_sessions_kick,
    webrtc_sessions_list,
    webrtc_sessions_get,
    webrtc_sessions_kick,
    webrtc_failures,
    hls_sessions_list,
    hls_sessions_get,
    hls_sessions_kick,
    hls_muxers_list,
    hls_muxers_get
))]
struct Described;

/// The description of all routes.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    let mut all = Described::openapi();
    all.merge(configuration::Described::openapi());
    all
}

fn done() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

fn object(item: impl Serialize) -> Answer {
    serde_json::to_value(item)
        .map(Json)
        .map_err(|error| Error { status: StatusCode::INTERNAL_SERVER_ERROR, text: error.to_string() })
}

/// The version, and when the program was started.
#[utoipa::path(get, path = "/v3/info", tag = "control", responses((status = 200, description = "as it is now", body = Info)))]
async fn info(With(state): With<State>) -> Answer {
    object(Info { version: env!("CARGO_PKG_VERSION"), started: objects::rfc3339(state.started) })
}

/// Fetch the keys of tokens anew.
#[utoipa::path(post, path = "/v3/auth/jwks/refresh", tag = "control", responses((status = 200, description = "done", body = Done)))]
async fn jwks_refresh(With(state): With<State>) -> Json<Value> {
    state.policy.forget_keys();
    done()
}

/// The paths that run.
#[utoipa::path(get, path = "/v3/paths/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<PathObject>), (status = 400, description = "a page that is none")))]
async fn paths_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let paths = state.hub.paths();
    Ok(page.answer(paths.len(), page.cut(&paths).iter().map(objects::Path::from)))
}

/// One path.
#[utoipa::path(get, path = "/v3/paths/get/{name}", tag = "control", params(("name" = String, Path, description = "its name, which may contain slashes")), responses((status = 200, description = "as it is now", body = PathObject), (status = 404, description = "no such thing, or its server does not run")))]
async fn paths_get(With(state): With<State>, Path(name): Path<String>) -> Answer {
    let name = PathName::new(&name).ok_or_else(|| Error::bad("invalid name"))?;
    let path = state.hub.path_snapshot(&name).ok_or_else(|| Error::not_found("path not found"))?;
    object(objects::Path::from(&path))
}

/// Nothing forwards a stream, so the list of a path is empty.
#[utoipa::path(get, path = "/v3/paths/forward/list", tag = "control", params(list::Page, ("path" = String, Query, description = "the path")), responses((status = 404, description = "no such thing, or its server does not run")))]
async fn forward_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    forwarding_path(&state, query.as_deref())?;
    Ok(page.answer(0, [(); 0]))
}

/// A destination of a forwarded stream; there are none.
#[utoipa::path(get, path = "/v3/paths/forward/get", tag = "control", params(("path" = String, Query, description = "the path")), responses((status = 404, description = "no such thing, or its server does not run")))]
async fn forward_get(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    forwarding_path(&state, query.as_deref())?;
    Err(Error::not_found("forward destination not found"))
}

fn forwarding_path(state: &State, query: Option<&str>) -> Result<(), Error> {
    let name = list::parameter(query, "path").and_then(|name| PathName::new(&name));
    let name = name.ok_or_else(|| Error::bad("invalid name"))?;
    state.hub.path_snapshot(&name).map(drop).ok_or_else(|| Error::not_found("path not found"))
}

/// Every RTSP connection.
#[utoipa::path(get, path = "/v3/rtspconns/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<RtspConn>), (status = 400, description = "a page that is none")))]
async fn rtsp_conns_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.rtsp()?.connections();
    Ok(page.answer(all.len(), page.cut(&all).iter().map(RtspConn::from)))
}

/// One RTSP connection.
#[utoipa::path(get, path = "/v3/rtspconns/get/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "as it is now", body = RtspConn), (status = 404, description = "no such thing, or its server does not run")))]
async fn rtsp_conns_get(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id: ConnectionId = id.parse().map_err(|_| invalid_id())?;
    let all = state.servers.rtsp()?.connections();
    let found = all.iter().find(|conn| conn.id == id).ok_or_else(|| Error::not_found("connection not found"))?;
    object(RtspConn::from(found))
}

/// Every RTSP session.
#[utoipa::path(get, path = "/v3/rtspsessions/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<RtspSession>), (status = 400, description = "a page that is none")))]
async fn rtsp_sessions_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.rtsp()?.sessions();
    Ok(page.answer(all.len(), page.cut(&all).iter().map(RtspSession::from)))
}

/// One RTSP session.
#[utoipa::path(get, path = "/v3/rtspsessions/get/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "as it is now", body = RtspSession), (status = 404, description = "no such thing, or its server does not run")))]
async fn rtsp_sessions_get(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id = session_id(&id)?;
    let all = state.servers.rtsp()?.sessions();
    object(RtspSession::from(all.iter().find(|session| session.id == id).ok_or_else(no_session)?))
}

/// End a RTSP session.
#[utoipa::path(post, path = "/v3/rtspsessions/kick/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "done", body = Done), (status = 404, description = "no such thing, or its server does not run")))]
async fn rtsp_sessions_kick(With(state): With<State>, Path(id): Path<String>) -> Answer {
    state.servers.rtsp()?.kick(session_id(&id)?)?;
    Ok(done())
}

/// Every WebRTC session.
#[utoipa::path(get, path = "/v3/webrtcsessions/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<WebRtcSession>), (status = 400, description = "a page that is none")))]
async fn webrtc_sessions_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.webrtc()?.sessions();
    Ok(page.answer(all.len(), page.cut(&all)))
}

/// One WebRTC session.
#[utoipa::path(get, path = "/v3/webrtcsessions/get/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "as it is now", body = WebRtcSession), (status = 404, description = "no such thing, or its server does not run")))]
async fn webrtc_sessions_get(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id = session_id(&id)?;
    let all = state.servers.webrtc()?.sessions();
    object(all.iter().find(|session| session.id == id).ok_or_else(no_session)?)
}

/// Ours: the connections that failed lately, each with the candidates and ports concerned.
#[utoipa::path(get, path = "/v3/webrtcsessions/failures", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<WebRtcFailure>), (status = 400, description = "a page that is none")))]
async fn webrtc_failures(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.webrtc()?.failures();
    Ok(page.answer(all.len(), page.cut(&all)))
}

/// End a WebRTC session.
#[utoipa::path(post, path = "/v3/webrtcsessions/kick/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "done", body = Done), (status = 404, description = "no such thing, or its server does not run")))]
async fn webrtc_sessions_kick(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id = session_id(&id)?;
    if state.servers.webrtc()?.kick(id).await { Ok(done()) } else { Err(no_session()) }
}

/// Every packager of HLS.
#[utoipa::path(get, path = "/v3/hlsmuxers/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<HlsMuxer>), (status = 400, description = "a page that is none")))]
async fn hls_muxers_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.hls()?.muxers();
    Ok(page.answer(all.len(), page.cut(&all)))
}

/// The packager of a path.
#[utoipa::path(get, path = "/v3/hlsmuxers/get/{name}", tag = "control", params(("name" = String, Path, description = "its name, which may contain slashes")), responses((status = 200, description = "as it is now", body = HlsMuxer), (status = 404, description = "no such thing, or its server does not run")))]
async fn hls_muxers_get(With(state): With<State>, Path(name): Path<String>) -> Answer {
    let all = state.servers.hls()?.muxers();
    object(all.iter().find(|muxer| muxer.path == name).ok_or_else(|| Error::not_found("muxer not found"))?)
}

/// Every viewer of HLS.
#[utoipa::path(get, path = "/v3/hlssessions/list", tag = "control", params(list::Page), responses((status = 200, description = "a page of the list", body = list::Listed<HlsSession>), (status = 400, description = "a page that is none")))]
async fn hls_sessions_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let all = state.servers.hls_sessions()?.list();
    Ok(page.answer(all.len(), page.cut(&all).iter().cloned().map(HlsSession::from)))
}

/// One viewer of HLS.
#[utoipa::path(get, path = "/v3/hlssessions/get/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "as it is now", body = HlsSession), (status = 404, description = "no such thing, or its server does not run")))]
async fn hls_sessions_get(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id = session_id(&id)?;
    let found = state.servers.hls_sessions()?.list().into_iter().find(|session| session.id == id);
    object(HlsSession::from(found.ok_or_else(no_session)?))
}

/// End a viewer of HLS.
#[utoipa::path(post, path = "/v3/hlssessions/kick/{id}", tag = "control", params(("id" = String, Path, description = "its id")), responses((status = 200, description = "done", body = Done), (status = 404, description = "no such thing, or its server does not run")))]
async fn hls_sessions_kick(With(state): With<State>, Path(id): Path<String>) -> Answer {
    let id = session_id(&id)?;
    if state.servers.hls_sessions()?.kick(id).await { Ok(done()) } else { Err(no_session()) }
}

fn session_id(text: &str) -> Result<SessionId, Error> {
    text.parse().map_err(|_| invalid_id())
}

fn invalid_id() -> Error {
    Error::bad("invalid id")
}

fn no_session() -> Error {
    Error::not_found("session not found")
}

#[cfg(test)]
pub(crate) mod tests;
