//! `GET /health` on every port: whether the service lives and what it depends on.

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

/// Whether something this service depends on works, asked on each request. It must answer at once.
pub type Check = fn() -> bool;

/// The route for `service`, open to everyone, with its dependencies by name: 200 when all work, else 503.
pub fn router<S: Clone + Send + Sync + 'static>(
    service: &'static str,
    dependencies: &'static [(&'static str, Check)],
) -> Router<S> {
    Router::new().route("/health", get(move || async move { answer(service, dependencies) }))
}

fn answer(service: &str, dependencies: &[(&str, Check)]) -> Response {
    let states: Vec<(&str, bool)> = dependencies.iter().map(|(name, works)| (*name, works())).collect();
    let healthy = states.iter().all(|(_, works)| *works);
    let word = |works| if works { "ok" } else { "unavailable" };
    let listed: Map<String, Value> = states.iter().map(|(name, works)| ((*name).into(), word(*works).into())).collect();
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Json(json!({"program": "cctv", "status": word(healthy), "service": service, "dependencies": listed}));
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
