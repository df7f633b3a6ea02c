//! The description of the application API, made from the code, and a page to read it.

use axum::{
    Json, Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use utoipa::OpenApi;

use crate::platform;

#[derive(OpenApi)]
#[openapi(
    info(title = "cctv", description = "Cameras, live pictures and the wall."),
    paths(platform::cameras, platform::camera, platform::login, platform::logout),
    components(schemas(
        platform::Camera,
        platform::CameraList,
        platform::Location,
        platform::StreamInfo,
        platform::Login
    ))
)]
struct Document;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

/// The page at `/api/docs`, which reads the description and needs nothing from elsewhere.
pub(crate) fn pages() -> Router {
    Router::new()
        .route("/api/docs", get(|| async { Html(include_str!("openapi/docs.html")) }))
        .route("/api/docs/page.js", get(script))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("openapi/docs.js"))
}
