//! The cameras as clients see them: who owns them, whether pictures can be had, and where.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State as With, rejection::QueryRejection},
    http::{HeaderMap, header},
};
use domain::{CameraId, CameraStatus, ErrorKind, PathName, Rendition, WallTime};
use media::{hub::PathSnapshot, stream};
use media_proto::TrackKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::{
    control::objects::{codec_name, rfc3339, state_name},
    problem::Problem,
};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// A camera.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Camera {
    /// The same across restarts.
    #[schema(value_type = String, format = Uuid)]
    id: CameraId,
    /// English name.
    name: String,
    /// Arabic name.
    name_ar: String,
    /// The agency that owns it.
    source: String,
    /// Where its main stream is read by RTSP, without credentials.
    rtsp_url: Option<String>,
    /// Where its main stream is read by LL-HLS.
    hls_url: Option<String>,
    /// Where its sub stream, else its main stream, is read by WebRTC.
    whep_url: Option<String>,
    /// Whether it can be moved.
    ptz_enabled: bool,
    /// Whether pictures can be had.
    #[schema(value_type = String, example = "ONLINE")]
    status: CameraStatus,
    /// The recording server it hangs on, where it hangs on one.
    recording_server: Option<String>,
    /// Where it stands.
    location: Location,
    /// Its encodings.
    streams: Vec<StreamInfo>,
    /// What its source system says of it.
    metadata: BTreeMap<String, String>,
    /// When this was looked up.
    last_update: String,
}

/// Where a camera stands.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Location {
    /// Degrees north.
    latitude: Option<f64>,
    /// Degrees east.
    longitude: Option<f64>,
    /// In words.
    address: Option<String>,
}

/// One encoding of a camera; what is not known yet is null.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct StreamInfo {
    /// `main` or `sub`.
    #[schema(value_type = String, example = "sub")]
    kind: Rendition,
    /// Its path.
    path: String,
    /// `idle`, `connecting`, `online`, `stalled` or `offline`.
    state: Option<&'static str>,
    /// Why it is offline.
    reason: Option<String>,
    /// Its codec.
    codec: Option<&'static str>,
    /// Pixels.
    width: Option<u32>,
    /// Pixels.
    height: Option<u32>,
    /// Pictures per second, as the encoder declares them.
    fps: Option<f64>,
}

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

/// The cameras that fit, page by page.
#[utoipa::path(get, path = "/api/v1/cameras", params(
    ("source" = Option<String>, Query, description = "an agency"),
    ("status" = Option<String>, Query, description = "ONLINE, OFFLINE or ERROR"),
    ("q" = Option<String>, Query, description = "part of a name or id, in either language"),
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
    let filter = Filter::of_query(query)?;
    let view = View::new(&state, &headers);
    let all = state.catalogue.cameras();
    let mut fitting: Vec<(&domain::Camera, CameraStatus)> = Vec::new();
    for camera in all.iter().filter(|camera| filter.takes(camera)) {
        let status = view.status(camera);
        if filter.status.is_none_or(|wanted| wanted == status) {
            fitting.push((camera, status));
        }
    }
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
    let id: CameraId = id.parse().map_err(|_| wrong("id"))?;
    let camera = state.catalogue.camera(id).ok_or_else(|| {
        let text = "there is no camera of this id";
        Problem::new(ErrorKind::NotFound, "CAMERA_NOT_FOUND", text, "لا توجد كاميرا بهذا المعرّف")
    })?;
    let view = View::new(&state, &headers);
    Ok(Json(view.camera(&camera, view.status(&camera))))
}

fn wrong(parameter: &str) -> Problem {
    let text = format!("the parameter {parameter} is wrong");
    let text_ar = format!("قيمة المعامل {parameter} غير صالحة");
    Problem::new(ErrorKind::Invalid, "INVALID_PARAMETER", text, text_ar).with("parameter", parameter)
}

#[derive(Debug)]
struct Filter {
    source: Option<String>,
    status: Option<CameraStatus>,
    text: Option<String>,
    limit: usize,
    offset: usize,
}

impl Filter {
    fn of_query(query: BTreeMap<String, String>) -> Result<Self, Problem> {
        let mut filter = Self { source: None, status: None, text: None, limit: LIMIT, offset: 0 };
        for (name, value) in query {
            match name.as_str() {
                // An empty choice of a form is no choice.
                "source" | "status" | "q" if value.is_empty() => {}
                "source" => filter.source = Some(value),
                "status" => filter.status = Some(status(&value).ok_or_else(|| wrong("status"))?),
                "q" => filter.text = Some(value.to_lowercase()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    filter.limit = limit.ok_or_else(|| wrong("limit"))?;
                }
                "offset" => filter.offset = value.parse().map_err(|_| wrong("offset"))?,
                "token" | "jwt" => {}
                other => return Err(wrong(other)),
            }
        }
        Ok(filter)
    }

    fn takes(&self, camera: &domain::Camera) -> bool {
        let fits = |text: &str| {
            camera.name.to_lowercase().contains(text)
                || camera.name_ar.to_lowercase().contains(text)
                || camera.id.to_string().contains(text)
        };
        self.source.as_deref().is_none_or(|source| source == camera.agency.as_str())
            && self.text.as_deref().is_none_or(fits)
    }
}

fn status(text: &str) -> Option<CameraStatus> {
    match text {
        "ONLINE" => Some(CameraStatus::Online),
        "OFFLINE" => Some(CameraStatus::Offline),
        "ERROR" => Some(CameraStatus::Error),
        _ => None,
    }
}

/// The cameras as one caller sees them at one moment.
struct View {
    paths: BTreeMap<PathName, PathSnapshot>,
    host: String,
    ports: super::Ports,
    now: String,
}

impl View {
    fn new(state: &State, headers: &HeaderMap) -> Self {
        let paths = state.hub.paths().into_iter().map(|path| (path.name.clone(), path)).collect();
        let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000 * 1_000;
        let now = rfc3339(WallTime::from_unix_us(i64::try_from(now).unwrap_or(0)));
        Self { paths, host: host(headers), ports: state.ports, now }
    }

    /// A camera counts as online when any of its streams is, or when none is asked for and none says otherwise.
    fn status(&self, camera: &domain::Camera) -> CameraStatus {
        let paths = [Rendition::Main, Rendition::Sub].into_iter().filter_map(|kind| camera.path(kind));
        let states: Vec<_> = paths.map(|path| self.paths.get(path).map(|path| &path.state)).collect();
        let is = |wanted: fn(&stream::State) -> bool| states.iter().any(|state| state.is_some_and(wanted));
        if is(|state| *state == stream::State::Online) {
            return CameraStatus::Online;
        }
        let silent = is(|state| match state {
            stream::State::Stalled { .. } | stream::State::Offline { .. } => true,
            stream::State::Idle | stream::State::Connecting | stream::State::Online => false,
        });
        let idle = is(|state| matches!(state, stream::State::Idle | stream::State::Connecting));
        if idle && !silent { CameraStatus::Online } else { CameraStatus::Offline }
    }

    fn camera(&self, camera: &domain::Camera, status: CameraStatus) -> Camera {
        let host = &self.host;
        let main = camera.main.as_ref().or(camera.sub.as_ref());
        let small = camera.sub.as_ref().or(camera.main.as_ref());
        let streams = [Rendition::Main, Rendition::Sub].into_iter();
        Camera {
            id: camera.id,
            name: camera.name.clone(),
            name_ar: camera.name_ar.clone(),
            source: camera.agency.to_string(),
            rtsp_url: main.map(|path| format!("rtsp://{host}:{}/{path}", self.ports.rtsp)),
            hls_url: main.zip(self.ports.hls).map(|(path, port)| format!("http://{host}:{port}/{path}/index.m3u8")),
            whep_url: small.zip(self.ports.webrtc).map(|(path, port)| format!("http://{host}:{port}/{path}/whep")),
            ptz_enabled: false,
            status,
            recording_server: camera.metadata.get("recording_server").cloned(),
            location: location(&camera.metadata),
            streams: streams.filter_map(|kind| Some(self.stream(kind, camera.path(kind)?))).collect(),
            metadata: camera.metadata.clone(),
            last_update: self.now.clone(),
        }
    }

    fn stream(&self, kind: Rendition, name: &PathName) -> StreamInfo {
        let path = self.paths.get(name);
        let video = path.and_then(|path| path.tracks.iter().find(|track| track.kind() == TrackKind::Video));
        let said = video.and_then(|track| track.codec.video());
        StreamInfo {
            kind,
            path: name.to_string(),
            state: path.map(|path| state_name(&path.state)),
            reason: path.and_then(|path| match &path.state {
                stream::State::Offline { reason } => Some(reason.clone()),
                stream::State::Idle
                | stream::State::Connecting
                | stream::State::Online
                | stream::State::Stalled { .. } => None,
            }),
            codec: video.map(|track| codec_name(&track.codec)),
            width: said.as_ref().map(|said| said.width),
            height: said.as_ref().map(|said| said.height),
            fps: said.and_then(|said| said.fps),
        }
    }
}

fn location(metadata: &BTreeMap<String, String>) -> Location {
    let degrees = |key: &str| metadata.get(key).and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
    Location {
        latitude: degrees("latitude"),
        longitude: degrees("longitude"),
        address: metadata.get("address").cloned(),
    }
}

/// The name under which the caller reached us, for the URLs it is told.
fn host(headers: &HeaderMap) -> String {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let end = match given.find(']') {
        Some(bracket) => bracket + 1,
        None => given.find(':').unwrap_or(given.len()),
    };
    let name = given.get(..end).unwrap_or_default();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    let fits = !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed);
    if fits { name.to_owned() } else { "localhost".to_owned() }
}
