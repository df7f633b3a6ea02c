//! The cameras of the catalogue: looked up, added, removed.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{
        Path, Query, State as With,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
};
use domain::{AgencyId, CameraId, ErrorKind, Position};
use media::catalogue::Catalogue as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use vms::{Listed, rtsp_details};

use super::State;
use crate::{
    camera::{Camera, Filter, View, wrong},
    problem::Problem,
};

/// A page of cameras.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CameraList {
    /// The cameras of this page.
    cameras: Vec<Camera>,
    /// How many are on this page.
    count: usize,
    /// How many fit in all.
    total: usize,
}

/// A bare RTSP camera to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCamera {
    /// English name.
    name: String,
    /// Arabic name; the English one when absent.
    name_ar: Option<String>,
    /// The agency that owns it.
    source: String,
    /// `rtsp://` URL of the main stream. User and password are kept sealed and never answered.
    main: Option<String>,
    /// `rtsp://` URL of the sub stream.
    sub: Option<String>,
    /// Where it stands.
    #[serde(default)]
    location: NewLocation,
    /// What else clients should know of it.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// Where a new camera stands.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLocation {
    /// Degrees north; with `longitude`.
    latitude: Option<f64>,
    /// Degrees east; with `latitude`.
    longitude: Option<f64>,
    /// In words.
    address: Option<String>,
}

/// The cameras that fit, page by page.
#[utoipa::path(get, path = "/api/v1/cameras", params(
    ("source" = Option<String>, Query, description = "an agency"),
    ("status" = Option<String>, Query, description = "ONLINE, OFFLINE or ERROR"),
    ("q" = Option<String>, Query, description = "words or a part of a name, or an id, in either language"),
    ("limit" = Option<u32>, Query, description = "at most so many; 100 by default, 1000 at most"),
    ("offset" = Option<u32>, Query, description = "after so many"),
), responses((status = 200, description = "as it is now", body = CameraList), (status = 400, description = "a parameter is wrong"),
    (status = 401, description = "no or a wrong token")))]
pub(crate) async fn cameras(
    With(state): With<State>,
    headers: HeaderMap,
    query: Result<Query<BTreeMap<String, String>>, QueryRejection>,
) -> Result<Json<CameraList>, Problem> {
    let Query(query) = query.map_err(|_| wrong("query"))?;
    let filter = Filter::of_query(query, None)?;
    let (view, known) = (state.view(&headers), state.directory.snapshot());
    let fitting = filter.fitting(&state.directory, &view, known.cameras()).await?;
    let total = fitting.len();
    let page = fitting.into_iter().skip(filter.offset).take(filter.limit);
    let cameras: Vec<Camera> = page.map(|(camera, status)| view.camera(camera, status)).collect();
    Ok(Json(CameraList { count: cameras.len(), total, cameras }))
}

/// One camera.
#[utoipa::path(get, path = "/api/v1/cameras/{id}", params(("id" = String, Path, description = "its id")),
    responses((status = 200, description = "as it is now", body = Camera), (status = 404, description = "no such camera")))]
pub(crate) async fn camera(
    With(state): With<State>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Camera>, Problem> {
    state.camera(&headers, parsed(&id)?).map(Json)
}

/// Add a bare RTSP camera. Its pictures can be had at once.
#[utoipa::path(post, path = "/api/v1/cameras", request_body = NewCamera, responses(
    (status = 201, description = "added", body = Camera), (status = 400, description = "the body is wrong"),
    (status = 422, description = "the agency, an address or a text is not possible")))]
pub(crate) async fn add(
    With(state): With<State>,
    headers: HeaderMap,
    body: Result<Json<NewCamera>, JsonRejection>,
) -> Result<(StatusCode, Json<Camera>), Problem> {
    let Json(new) = body.map_err(|refused| {
        let text_ar = "يجب أن يحتوي الطلب على اسم الكاميرا والجهة وعنوان البث";
        Problem::new(ErrorKind::Invalid, "MALFORMED", refused.body_text(), text_ar)
    })?;
    let id = CameraId::from_uuid(Uuid::new_v4());
    state.directory.put(listed(id, new)?).await?;
    Ok((StatusCode::CREATED, Json(state.camera(&headers, id)?)))
}

/// Remove a camera that was added here.
#[utoipa::path(delete, path = "/api/v1/cameras/{id}", params(("id" = String, Path, description = "its id")), responses(
    (status = 204, description = "removed"), (status = 404, description = "no such camera"),
    (status = 409, description = "the configuration or a server brings it; it would come again")))]
pub(crate) async fn remove(With(state): With<State>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = parsed(&id)?;
    if state.directory.camera(id).is_none() {
        return Err(unknown_camera());
    }
    if state.directory.snapshot().server_of(id).is_some() {
        let text = "the configuration or a server brings this camera; remove it there";
        let text_ar = "هذه الكاميرا مصدرها ملف الإعدادات أو خادم، ويجب حذفها من مصدرها";
        return Err(Problem::new(ErrorKind::Conflict, "CAMERA_HAS_A_SOURCE", text, text_ar));
    }
    state.directory.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl State {
    pub(crate) fn view(&self, headers: &HeaderMap) -> View {
        View::new(&self.hub, Arc::new(self.directory.clone()), self.ports, headers)
    }

    fn camera(&self, headers: &HeaderMap, id: CameraId) -> Result<Camera, Problem> {
        let camera = self.directory.camera(id).ok_or_else(unknown_camera)?;
        let view = self.view(headers);
        Ok(view.camera(&camera, view.status(&camera)))
    }
}

fn parsed(id: &str) -> Result<CameraId, Problem> {
    id.parse().map_err(|_| wrong("id"))
}

fn unknown_camera() -> Problem {
    let text = "there is no camera of this id";
    Problem::new(ErrorKind::NotFound, "CAMERA_NOT_FOUND", text, "لا توجد كاميرا بهذا المعرّف")
}

fn listed(id: CameraId, new: NewCamera) -> Result<Listed, Problem> {
    let impossible = |key: &str, text: &'static str, text_ar: &'static str| {
        Problem::impossible("INVALID_CAMERA", text, text_ar).with("key", key)
    };
    let agency = AgencyId::new(&new.source);
    let agency =
        agency.ok_or_else(|| impossible("source", "the agency is written like DUBAI_POLICE", "اسم الجهة غير صالح"))?;
    if new.main.is_none() && new.sub.is_none() {
        return Err(impossible("main", "neither main nor sub is given", "لم يُذكر أي بث للكاميرا"));
    }
    if new.name.trim().is_empty() {
        return Err(impossible("name", "the name is empty", "اسم الكاميرا فارغ"));
    }
    let position = match (new.location.latitude, new.location.longitude) {
        (Some(latitude), Some(longitude)) => Some(Position { latitude, longitude }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(impossible("location", "latitude and longitude go together", "يجب ذكر خط الطول وخط العرض معًا"));
        }
    };
    let names = (new.name.as_str(), new.name_ar.as_deref());
    let mut details = rtsp_details(id, agency, names, new.main.as_deref(), new.sub.as_deref());
    details.position = position;
    details.place = new.location.address.unwrap_or_default();
    details.metadata = new.metadata;
    Ok(Listed { id, details })
}
