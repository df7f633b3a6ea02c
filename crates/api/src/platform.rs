//! The dashboard and the application API on one port, until the gateway stands before them.
//!
//! A direct loopback caller is the operator. Anyone else shows the token, as Bearer or in the cookie that
//! `POST /api/v1/login` sets. The pages themselves are open: they hold nothing of the system.

mod access;
mod cameras;
mod folders;
mod live;
mod login;
mod pages;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use domain::{ErrorKind, WallTime};
use media::{Hub, admission::TokenPolicy};
use vms::Directory;

use crate::{camera::Ports, health, metrics, openapi, problem::Problem};
pub(crate) use access::is_foreign_page;
pub(crate) use cameras::{
    __path_add, __path_camera, __path_cameras, __path_remove, CameraList, NewCamera, NewLocation, add, camera, cameras,
    remove,
};
pub(crate) use folders::{__path_folders, Folder, FolderList, folders};
pub use live::live;
pub(crate) use login::{__path_login, __path_logout, Login, login, logout};

/// What the dashboard and the application API work on.
#[derive(Clone)]
pub struct State {
    /// The paths, whose states are the cameras' states.
    pub hub: Hub,
    /// The cameras.
    pub directory: Directory,
    /// Who is let in.
    pub policy: Arc<TokenPolicy>,
    /// Where clients find the media.
    pub ports: Ports,
    /// When the process started.
    pub started: WallTime,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

/// All routes, with `application` (routes below `/api/v1/`, such as those of the wall, and [`live`]) behind the same check.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or everyone is refused.
pub fn router(state: State, application: Router) -> Router {
    let api = Router::new()
        .route("/api/v1/cameras", get(cameras).post(add))
        .route("/api/v1/cameras/{id}", get(camera).delete(remove))
        .route("/api/v1/folders", get(folders))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/{*rest}", get(unknown_route).fallback(unknown_route))
        .route("/metrics", get(own_metrics))
        .with_state(state.clone())
        .merge(application)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&state.policy), access::check));
    Router::new()
        .route("/api/v1/login", axum::routing::post(login).delete(logout))
        .with_state(state)
        .merge(api)
        .merge(openapi::pages())
        .merge(health::router("api", &[]))
        .fallback(pages::page)
        .layer(middleware::map_response(pages::protect))
}

async fn own_metrics(axum::extract::State(state): axum::extract::State<State>) -> impl axum::response::IntoResponse {
    metrics::text(metrics::own(&state.hub.paths(), state.started))
}

async fn unknown_route() -> Problem {
    Problem::new(ErrorKind::NotFound, "NOT_FOUND", "there is no such resource", "لا يوجد مورد بهذا العنوان")
}

async fn wrong_method() -> Problem {
    Problem::method_not_allowed("the methods in /api/v1/openapi.json")
}

#[cfg(test)]
pub(crate) mod tests;
