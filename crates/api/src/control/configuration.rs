//! The routes below `/v3/config`: what the server is told to do.

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Path, RawQuery, Request, State as With},
    routing::{delete, get, patch, post},
};
use media::config::{Bulk, Keys};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::OpenApi;

use super::{Answer, Error, State, done, list};

/// The largest body of a change.
const BODY_MAX: usize = 10 << 20;

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/config/get", get(global_get))
        .route("/config/global/get", get(global_get))
        .route("/config/global/patch", patch(global_patch))
        .route("/config/pathdefaults/get", get(defaults_get))
        .route("/config/pathdefaults/patch", patch(defaults_patch))
        .route("/config/paths/list", get(paths_list))
        .route("/config/paths/get/{*name}", get(paths_get))
        .route("/config/paths/add/{*name}", post(paths_add))
        .route("/config/paths/patch/{*name}", patch(paths_patch))
        .route("/config/paths/replace/{*name}", post(paths_replace))
        .route("/config/paths/delete/{*name}", delete(paths_delete))
        .route("/config/paths/remove/{*name}", delete(paths_delete).post(paths_delete))
        .route("/config/paths/bulk", post(paths_bulk))
}

/// These routes, described.
#[derive(OpenApi)]
#[openapi(paths(
    global_get,
    global_patch,
    defaults_get,
    defaults_patch,
    paths_list,
    paths_get,
    paths_add,
    paths_patch,
    paths_replace,
    paths_delete,
    paths_bulk
))]
pub(super) struct Described;

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Error> {
    let bytes = to_bytes(request.into_body(), BODY_MAX).await;
    let bytes = bytes.map_err(|_| Error::bad(format!("the body cannot be read or is over {BODY_MAX} bytes")))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::bad(format!("invalid body: {error}")))
}

/// The global configuration, secrets hidden. Also at `/v3/config/get`.
#[utoipa::path(get, path = "/v3/config/global/get", tag = "control", operation_id = "config_global_get", responses((status = 200, description = "as it is now", body = ref("#/components/schemas/GlobalConfiguration"))))]
async fn global_get(With(state): With<State>) -> Json<Value> {
    Json(Value::Object(state.settings.get_global()))
}

/// Set global keys; the others stay.
#[utoipa::path(patch, path = "/v3/config/global/patch", tag = "control", operation_id = "config_global_patch", request_body(content = ref("#/components/schemas/GlobalConfiguration")), responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name")))]
async fn global_patch(With(state): With<State>, request: Request) -> Answer {
    state.settings.patch_global(body::<Keys>(request).await?).await?;
    Ok(done())
}

/// What paths have unless they say otherwise.
#[utoipa::path(get, path = "/v3/config/pathdefaults/get", tag = "control", operation_id = "config_defaults_get", responses((status = 200, description = "as it is now", body = ref("#/components/schemas/PathConfiguration"))))]
async fn defaults_get(With(state): With<State>) -> Json<Value> {
    Json(Value::Object(state.settings.get_defaults()))
}

/// Set defaults of paths.
#[utoipa::path(patch, path = "/v3/config/pathdefaults/patch", tag = "control", operation_id = "config_defaults_patch", request_body(content = ref("#/components/schemas/PathConfiguration")), responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name")))]
async fn defaults_patch(With(state): With<State>, request: Request) -> Answer {
    state.settings.patch_defaults(body::<Keys>(request).await?).await?;
    Ok(done())
}

/// The entries of paths.
#[utoipa::path(get, path = "/v3/config/paths/list", tag = "control", operation_id = "config_paths_list", params(list::Page), responses((status = 200, description = "a page of entries, each a PathConfiguration with its `name`")))]
async fn paths_list(With(state): With<State>, RawQuery(query): RawQuery) -> Answer {
    let page = list::Page::of_query(query.as_deref())?;
    let (items, total) = state.settings.list(page.skip(), page.size());
    Ok(page.answer(total, items))
}

/// One entry.
#[utoipa::path(get, path = "/v3/config/paths/get/{name}", tag = "control", operation_id = "config_paths_get", params(("name" = String, Path, description = "a path, a `~pattern` or `all_others`")), responses((status = 200, description = "as it is now", body = ref("#/components/schemas/PathConfiguration")), (status = 404, description = "no such entry")))]
async fn paths_get(With(state): With<State>, Path(name): Path<String>) -> Answer {
    let found = state.settings.get(&name).ok_or_else(|| Error::not_found("path configuration not found"))?;
    Ok(Json(Value::Object(found)))
}

/// Add an entry.
#[utoipa::path(post, path = "/v3/config/paths/add/{name}", tag = "control", operation_id = "config_paths_add", params(("name" = String, Path, description = "a path, a `~pattern` or `all_others`")), request_body(content = ref("#/components/schemas/PathConfiguration")), responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name"), (status = 404, description = "no such entry")))]
async fn paths_add(With(state): With<State>, Path(name): Path<String>, request: Request) -> Answer {
    state.settings.add(&name, body::<Keys>(request).await?).await?;
    Ok(done())
}

/// Set keys of an entry; the others stay.
#[utoipa::path(patch, path = "/v3/config/paths/patch/{name}", tag = "control", operation_id = "config_paths_patch", params(("name" = String, Path, description = "a path, a `~pattern` or `all_others`")), request_body(content = ref("#/components/schemas/PathConfiguration")), responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name"), (status = 404, description = "no such entry")))]
async fn paths_patch(With(state): With<State>, Path(name): Path<String>, request: Request) -> Answer {
    state.settings.patch(&name, body::<Keys>(request).await?).await?;
    Ok(done())
}

/// Put an entry in the place of the one there is, or add it.
#[utoipa::path(post, path = "/v3/config/paths/replace/{name}", tag = "control", operation_id = "config_paths_replace", params(("name" = String, Path, description = "a path, a `~pattern` or `all_others`")), request_body(content = ref("#/components/schemas/PathConfiguration")), responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name"), (status = 404, description = "no such entry")))]
async fn paths_replace(With(state): With<State>, Path(name): Path<String>, request: Request) -> Answer {
    state.settings.replace(&name, body::<Keys>(request).await?).await?;
    Ok(done())
}

/// Take an entry away. Also DELETE and POST at `/v3/config/paths/remove/{name}`.
#[utoipa::path(delete, path = "/v3/config/paths/delete/{name}", tag = "control", operation_id = "config_paths_delete", params(("name" = String, Path, description = "a path, a `~pattern` or `all_others`")), responses((status = 200, description = "gone"), (status = 404, description = "no such entry")))]
async fn paths_delete(With(state): With<State>, Path(name): Path<String>) -> Answer {
    state.settings.delete(&name).await?;
    Ok(done())
}

/// Ours: many changes, all or none: `{"add": {}, "patch": {}, "replace": {}, "delete": []}`.
#[utoipa::path(post, path = "/v3/config/paths/bulk", tag = "control", operation_id = "config_paths_bulk", responses((status = 200, description = "stored and in effect"), (status = 400, description = "a key or value that is not taken, by name")))]
async fn paths_bulk(With(state): With<State>, request: Request) -> Answer {
    state.settings.bulk(body::<Bulk>(request).await?).await?;
    Ok(done())
}
