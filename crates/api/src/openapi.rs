//! The description of the application API, made from the code, and a page to read it.

use axum::{
    Json, Router,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use media::config::{self, Key};
use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{
        RefOr, Schema,
        schema::{ArrayBuilder, ObjectBuilder, Type},
    },
};

use crate::{camera, control, platform, wall};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "cctv",
        description = "Cameras, live pictures and the wall, on the dashboard's port; \
        the routes below /v3 are those of the media control API, on port 9997."
    ),
    paths(
        platform::cameras,
        platform::camera,
        platform::add,
        platform::remove,
        platform::folders,
        platform::login,
        platform::logout
    ),
    components(schemas(
        camera::Camera,
        platform::CameraList,
        camera::Location,
        camera::StreamInfo,
        platform::NewCamera,
        platform::NewLocation,
        platform::Folder,
        platform::FolderList,
        platform::Login
    ))
)]
struct Document;

/// `GET /api/v1/openapi.json`.
pub(crate) async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(described())
}

/// All routes of this port, and those of the media control API on its own.
fn described() -> utoipa::openapi::OpenApi {
    let mut all = Document::openapi();
    all.merge(wall::Described::openapi());
    all.merge(control::described());
    let schemas = &mut all.components.get_or_insert_default().schemas;
    schemas.insert("GlobalConfiguration".into(), configuration(config::global_keys()));
    schemas.insert("PathConfiguration".into(), configuration(config::path_keys()));
    all
}

/// The keys of a configuration, from the tables that read it.
fn configuration(keys: impl Iterator<Item = Key>) -> RefOr<Schema> {
    let known = keys.filter_map(|key| Some((key.name, key.default?, key.effect)));
    let object = known
        .fold(ObjectBuilder::new(), |object, (name, default, effect)| object.property(name, value(default, effect)));
    RefOr::T(object.build().into())
}

fn value(default: Value, effect: String) -> RefOr<Schema> {
    let kind = match &default {
        Value::Bool(_) => Type::Boolean,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::Array(_) => {
            let list = ArrayBuilder::new().items(ObjectBuilder::new()).default(Some(default));
            return RefOr::T(list.description(Some(effect)).build().into());
        }
        Value::Null | Value::Object(_) => Type::Object,
    };
    RefOr::T(ObjectBuilder::new().schema_type(kind).default(Some(default)).description(Some(effect)).build().into())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes that a source file gives its router.
    fn routes(source: &str) -> BTreeSet<String> {
        let given = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        given.map(|route| route.replace("{*", "{")).collect()
    }

    #[test]
    fn every_route_is_described() {
        let described = described();
        // Second names of other routes, told in their words.
        let aliases = ["/v3/config/get", "/v3/config/paths/remove/{name}"];
        let control =
            routes(include_str!("control.rs")).into_iter().chain(routes(include_str!("control/configuration.rs")));
        let all = control.map(|route| format!("/v3{route}")).chain(routes(include_str!("wall.rs")));
        for route in all.filter(|route| !aliases.contains(&route.as_str())) {
            assert!(described.paths.paths.contains_key(&route), "{route} is not described");
        }
        let text = serde_json::to_string(&described).unwrap();
        let described = serde_json::to_value(&described).unwrap();
        let operations = || described["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
        let mut names = BTreeSet::new();
        for (method, operation) in operations() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "two operations are called {name}");
            assert!(operation["summary"].is_string(), "{method} {name} has no words");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                assert!(answer["description"].is_string(), "{status} of {name} has no words");
            }
        }
        for reference in
            text.split("\"$ref\":\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next())
        {
            assert!(text.contains(&format!("\"{reference}\":{{")), "{reference} is nowhere");
        }
    }

    /// The names of the members between the braces after `head` in TypeScript.
    fn members(source: &str, head: &str) -> BTreeSet<String> {
        let body = source.split_once(head).unwrap_or_else(|| panic!("no {head}")).1;
        let mut depth = 0;
        let mut names = BTreeSet::new();
        for line in body.split_inclusive(['\n', ';']) {
            let (name, _) = line.split_once(':').unwrap_or_default();
            let name = name.trim().trim_start_matches('{').trim().trim_end_matches('?');
            if depth <= 1 && !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                names.insert(name.to_owned());
            }
            depth += line.matches('{').count() as i32 - line.matches('}').count() as i32;
            if depth <= 0 {
                break;
            }
        }
        names
    }

    #[test]
    fn the_types_of_the_pages_are_those_of_the_interface() {
        let types = include_str!("../../../web/src/api/types.ts");
        let protocol = include_str!("../../../web/src/player/protocol.ts");
        let described = serde_json::to_value(described()).unwrap();
        for (source, head, schema) in [
            (types, "CameraStream: ", "StreamInfo"),
            (types, "Camera: ", "Camera"),
            (types, "CameraList: ", "CameraList"),
            (protocol, "interface SessionAnswer ", "WallOpened"),
        ] {
            let known = &described["components"]["schemas"][schema]["properties"];
            let used = members(source, head);
            assert!(used.len() >= 3, "{head}: {used:?}");
            for name in used {
                assert!(known.get(&name).is_some(), "{head}{name} is not in {schema}: {known}");
            }
        }
    }
}
