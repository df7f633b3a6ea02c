//! Cameras as clients see them: who owns them, whether pictures can be had, and where.

mod filter;

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, header};
use domain::{CameraId, CameraStatus, PathName, Rendition};
use media::{Hub, catalogue::Catalogue, hub::PathSnapshot, stream};
use media_proto::TrackKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::control::objects::{codec_name, rfc3339, state_name};
pub(crate) use filter::{Filter, wrong};

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
    /// When the catalogue took it from its source.
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

/// The ports that clients are told; a face that does not run is not named.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// RTSP.
    pub rtsp: u16,
    /// HLS.
    pub hls: Option<u16>,
    /// WHEP.
    pub webrtc: Option<u16>,
}

/// The cameras as one caller sees them at one moment.
pub(crate) struct View {
    paths: BTreeMap<PathName, PathSnapshot>,
    catalogue: Arc<dyn Catalogue>,
    host: String,
    ports: Ports,
}

impl View {
    pub(crate) fn new(hub: &Hub, catalogue: Arc<dyn Catalogue>, ports: Ports, headers: &HeaderMap) -> Self {
        let paths = hub.paths().into_iter().map(|path| (path.name.clone(), path)).collect();
        Self { paths, catalogue, host: host(headers), ports }
    }

    /// A camera is online when any of its streams is. Else it is what its system says; where that says nothing, it is
    /// online as long as nothing that was tried says otherwise.
    pub(crate) fn status(&self, camera: &domain::Camera) -> CameraStatus {
        let paths = [Rendition::Main, Rendition::Sub].into_iter().filter_map(|kind| self.paths.get(camera.path(kind)?));
        let paths: Vec<&PathSnapshot> = paths.collect();
        if paths.iter().any(|path| path.state == stream::State::Online) {
            return CameraStatus::Online;
        }
        let silent = paths.iter().any(|path| match path.state {
            stream::State::Stalled { .. } | stream::State::Offline { .. } => true,
            stream::State::Idle | stream::State::Connecting | stream::State::Online => false,
        });
        let is_watched = paths.iter().any(|path| !path.readers.is_empty());
        match self.catalogue.reported(camera.id) {
            // What an old try has left says less than the system does now.
            Some(CameraStatus::Online) if !(silent && is_watched) => CameraStatus::Online,
            Some(status @ (CameraStatus::Offline | CameraStatus::Error)) => status,
            Some(CameraStatus::Online) | None if silent || paths.is_empty() => CameraStatus::Offline,
            Some(CameraStatus::Online) | None => CameraStatus::Online,
        }
    }

    pub(crate) fn camera(&self, camera: &domain::Camera, status: CameraStatus) -> Camera {
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
            ptz_enabled: camera.has_ptz,
            status,
            recording_server: camera.recording_server.clone(),
            location: location(camera),
            streams: streams.filter_map(|kind| Some(self.stream(kind, camera.path(kind)?))).collect(),
            metadata: camera.metadata.clone(),
            last_update: rfc3339(camera.updated),
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

/// What its source says of its place, be it in words of its own.
fn location(camera: &domain::Camera) -> Location {
    let said = |key: &str| camera.metadata.get(key);
    let degrees = |key: &str| said(key).and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
    Location {
        latitude: camera.position.map(|position| position.latitude).or(degrees("latitude")),
        longitude: camera.position.map(|position| position.longitude).or(degrees("longitude")),
        address: (!camera.place.is_empty()).then(|| camera.place.clone()).or(said("address").cloned()),
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
