//! The servers whose sessions are listed and ended.

use std::sync::Arc;

use domain::SessionId;
use futures_util::future::BoxFuture;
use media::{hls, rtsp, webrtc};

use super::{
    Error,
    objects::{HlsMuxer, WebRtcFailure, WebRtcSession},
};
use crate::hls::Sessions;

/// The servers that run; one that does not has no endpoints and no metrics.
#[derive(Clone, Default)]
pub struct Servers {
    /// The RTSP server.
    pub rtsp: Option<Arc<rtsp::Server>>,
    /// The WebRTC engine.
    pub webrtc: Option<Arc<dyn WebRtcSessions>>,
    /// The HLS packagers.
    pub hls: Option<Arc<dyn HlsMuxers>>,
    /// The viewers of HLS.
    pub hls_sessions: Option<Sessions>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

impl Servers {
    pub(super) fn rtsp(&self) -> Result<&rtsp::Server, Error> {
        self.rtsp.as_deref().ok_or_else(not_running)
    }

    pub(super) fn webrtc(&self) -> Result<&dyn WebRtcSessions, Error> {
        self.webrtc.as_deref().ok_or_else(not_running)
    }

    pub(super) fn hls(&self) -> Result<&dyn HlsMuxers, Error> {
        self.hls.as_deref().ok_or_else(not_running)
    }

    pub(super) fn hls_sessions(&self) -> Result<&Sessions, Error> {
        self.hls_sessions.as_ref().ok_or_else(not_running)
    }
}

fn not_running() -> Error {
    Error::not_found("not found")
}

/// WebRTC sessions, WHEP and wall.
pub trait WebRtcSessions: Send + Sync {
    /// All sessions.
    fn sessions(&self) -> Vec<WebRtcSession>;
    /// The connections that failed lately, the newest first.
    fn failures(&self) -> Vec<WebRtcFailure>;
    /// Ends a session; false when there is none of this id.
    fn kick(&self, id: SessionId) -> BoxFuture<'_, bool>;
}

/// HLS packagers.
pub trait HlsMuxers: Send + Sync {
    /// All packagers.
    fn muxers(&self) -> Vec<HlsMuxer>;
}

impl WebRtcSessions for webrtc::Engine {
    fn sessions(&self) -> Vec<WebRtcSession> {
        Self::sessions(self).iter().map(WebRtcSession::from).collect()
    }

    fn failures(&self) -> Vec<WebRtcFailure> {
        Self::failures(self).iter().map(WebRtcFailure::from).collect()
    }

    fn kick(&self, id: SessionId) -> BoxFuture<'_, bool> {
        Box::pin(Self::kick(self, id))
    }
}

impl HlsMuxers for hls::Muxers {
    fn muxers(&self) -> Vec<HlsMuxer> {
        let object = |muxer: hls::MuxerSnapshot| {
            let hls::MuxerSnapshot { path, created, last_request, outbound_bytes, outbound_frames_discarded } = muxer;
            HlsMuxer::new(path.to_string(), created, last_request, outbound_bytes, outbound_frames_discarded)
        };
        self.list().into_iter().map(object).collect()
    }
}
