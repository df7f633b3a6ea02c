//! The objects of the control API: names and types are a contract, media.md section 2.3.
//!
//! Fields with an old name are still sent, equal to their successors. What is ours alone comes as extra fields.

use std::net::SocketAddr;

use domain::{ConnectionId, SessionId, WallTime};
use media::{
    hub::{PathSnapshot, PublisherKind, ReaderKind, SourceSnapshot},
    rtsp::{ConnectionSnapshot, SessionSnapshot, SessionState, Transport},
    stream::State,
    webrtc,
};
use media_proto::{Codec, Track};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::hls;

/// A point in UTC as RFC 3339.
pub(crate) fn rfc3339(time: WallTime) -> String {
    let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.unix_us()) * 1_000);
    instant.ok().and_then(|instant| instant.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A path that runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    pub name: String,
    pub conf_name: String,
    pub source: Option<Party>,
    pub available: bool,
    pub available_time: Option<String>,
    pub online: bool,
    pub online_time: Option<String>,
    pub ready: bool,
    pub ready_time: Option<String>,
    pub tracks: Vec<&'static str>,
    pub tracks2: Vec<TrackObject>,
    pub inbound_bytes: u64,
    pub outbound_bytes: u64,
    pub inbound_frames_in_error: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub readers: Vec<Party>,
    /// Ours: `idle`, `connecting`, `online`, `stalled` or `offline`.
    pub state: &'static str,
    /// Ours: why it is offline.
    pub state_reason: Option<String>,
}

/// A source or reader of a path.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Party {
    /// Its protocol and role.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its session; empty for a source without one.
    pub id: String,
}

/// A track.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackObject {
    /// Its name in the closed list of the API.
    pub codec: &'static str,
    /// What is known of it.
    #[schema(value_type = Option<Object>)]
    pub codec_props: Option<serde_json::Value>,
}

impl From<&PathSnapshot> for Path {
    fn from(path: &PathSnapshot) -> Self {
        let ready = path.is_ready();
        let since = path.online_since.filter(|_| ready).map(rfc3339);
        Self {
            name: path.name.to_string(),
            conf_name: path.entry.clone(),
            source: path.source.map(source),
            available: ready,
            available_time: since.clone(),
            online: ready,
            online_time: since.clone(),
            ready,
            ready_time: since,
            tracks: path.tracks.iter().map(|track| codec_name(&track.codec)).collect(),
            tracks2: path.tracks.iter().map(track_object).collect(),
            inbound_bytes: path.inbound_bytes,
            outbound_bytes: path.outbound_bytes,
            inbound_frames_in_error: path.inbound_units_in_error,
            bytes_received: path.inbound_bytes,
            bytes_sent: path.outbound_bytes,
            readers: path.readers.iter().map(|(kind, id)| Party { kind: reader(*kind), id: id.to_string() }).collect(),
            state: state_name(&path.state),
            state_reason: match &path.state {
                State::Offline { reason } => Some(reason.clone()),
                State::Idle | State::Connecting | State::Online | State::Stalled { .. } => None,
            },
        }
    }
}

fn source(source: SourceSnapshot) -> Party {
    match source {
        SourceSnapshot::RtspSource => Party { kind: "rtspSource", id: String::new() },
        SourceSnapshot::VmsSource => Party { kind: "vmsSource", id: String::new() },
        SourceSnapshot::Publisher(PublisherKind::RtspSession, id) => Party { kind: "rtspSession", id: id.to_string() },
        SourceSnapshot::Publisher(PublisherKind::WebRtcSession, id) => {
            Party { kind: "webRTCSession", id: id.to_string() }
        }
    }
}

/// The word for a reader of this kind. The packager of a path stands for its HLS sessions.
pub(crate) fn reader(kind: ReaderKind) -> &'static str {
    match kind {
        ReaderKind::RtspSession => "rtspSession",
        ReaderKind::WebRtcSession => "webRTCSession",
        ReaderKind::HlsMuxer => "hlsSession",
        ReaderKind::Hidden => "hidden",
    }
}

/// The word for what a source does.
pub(crate) fn state_name(state: &State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting => "connecting",
        State::Online => "online",
        State::Stalled { .. } => "stalled",
        State::Offline { .. } => "offline",
    }
}

pub(crate) fn codec_name(codec: &Codec) -> &'static str {
    match codec {
        Codec::H264 { .. } => "H264",
        Codec::H265 { .. } => "H265",
        Codec::Aac { .. } => "MPEG-4 Audio",
        Codec::Opus { .. } => "Opus",
        Codec::G711 { .. } => "G711",
        Codec::Generic { encoding, .. } => match encoding.to_ascii_uppercase().as_str() {
            "AV1" => "AV1",
            "VP8" => "VP8",
            "VP9" => "VP9",
            "JPEG" => "M-JPEG",
            "MP4V-ES" => "MPEG-4 Video",
            "MPA" => "MPEG-1/2 Audio",
            "MP4A-LATM" => "MPEG-4 Audio LATM",
            "AC3" => "AC3",
            "SPEEX" => "Speex",
            "G722" => "G722",
            "MP2T" => "MPEG-TS",
            "SMPTE336M" => "KLV",
            "L8" | "L16" | "L24" => "LPCM",
            _ => "Generic",
        },
    }
}

fn track_object(track: &Track) -> TrackObject {
    let codec_props = match &track.codec {
        Codec::Aac { sample_rate, channels, .. } => {
            Some(serde_json::json!({"sampleRate": sample_rate, "channelCount": channels}))
        }
        Codec::Opus { channels } => Some(serde_json::json!({"channelCount": channels})),
        Codec::G711 { mu_law, channels } => Some(serde_json::json!({
            "muLaw": mu_law, "sampleRate": track.clock_rate, "channelCount": channels,
        })),
        Codec::H264 { .. } | Codec::H265 { .. } => track.codec.video().map(|video| {
            serde_json::json!({
                "width": video.width, "height": video.height, "profile": video.profile, "level": video.level,
            })
        }),
        Codec::Generic { .. } => None,
    };
    TrackObject { codec: codec_name(&track.codec), codec_props }
}

/// An RTSP connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RtspConn {
    #[schema(value_type = String, format = Uuid)]
    pub id: ConnectionId,
    pub created: String,
    #[schema(value_type = String, example = "192.0.2.1:5004")]
    pub remote_addr: SocketAddr,
    #[schema(value_type = Option<String>, format = Uuid)]
    pub session: Option<SessionId>,
    pub tunnel: &'static str,
    pub inbound_bytes: u64,
    pub outbound_bytes: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
}

impl From<&ConnectionSnapshot> for RtspConn {
    fn from(conn: &ConnectionSnapshot) -> Self {
        Self {
            id: conn.id,
            created: rfc3339(conn.created),
            remote_addr: conn.remote,
            session: conn.session,
            tunnel: "none",
            inbound_bytes: conn.inbound_bytes,
            outbound_bytes: conn.outbound_bytes,
            bytes_received: conn.inbound_bytes,
            bytes_sent: conn.outbound_bytes,
        }
    }
}

/// An RTSP session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RtspSession {
    #[schema(value_type = String, format = Uuid)]
    pub id: SessionId,
    pub created: String,
    #[schema(value_type = String, example = "192.0.2.1:5004")]
    pub remote_addr: SocketAddr,
    pub state: &'static str,
    pub path: String,
    pub query: String,
    pub user: String,
    pub user_agent: String,
    pub transport: Option<&'static str>,
    pub profile: Option<&'static str>,
    #[schema(value_type = Vec<String>)]
    pub conns: Vec<ConnectionId>,
    pub inbound_bytes: u64,
    #[serde(rename = "inboundRTPPackets")]
    pub inbound_rtp_packets: u64,
    #[serde(rename = "inboundRTPPacketsLost")]
    pub inbound_rtp_packets_lost: u64,
    #[serde(rename = "inboundRTPPacketsInError")]
    pub inbound_rtp_packets_in_error: u64,
    #[serde(rename = "inboundRTPPacketsJitter")]
    pub inbound_rtp_packets_jitter: f64,
    #[serde(rename = "inboundRTCPPackets")]
    pub inbound_rtcp_packets: u64,
    #[serde(rename = "inboundRTCPPacketsInError")]
    pub inbound_rtcp_packets_in_error: u64,
    pub outbound_bytes: u64,
    #[serde(rename = "outboundRTPPackets")]
    pub outbound_rtp_packets: u64,
    #[serde(rename = "outboundRTPPacketsReportedLost")]
    pub outbound_rtp_packets_reported_lost: u64,
    #[serde(rename = "outboundRTPPacketsDiscarded")]
    pub outbound_rtp_packets_discarded: u64,
    #[serde(rename = "outboundRTCPPackets")]
    pub outbound_rtcp_packets: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub rtp_packets_received: u64,
    pub rtp_packets_sent: u64,
    pub rtp_packets_lost: u64,
    pub rtp_packets_in_error: u64,
    pub rtp_packets_jitter: f64,
    pub rtcp_packets_received: u64,
    pub rtcp_packets_sent: u64,
    pub rtcp_packets_in_error: u64,
}

impl From<&SessionSnapshot> for RtspSession {
    fn from(session: &SessionSnapshot) -> Self {
        Self {
            id: session.id,
            created: rfc3339(session.created),
            remote_addr: session.remote,
            state: match session.state {
                SessionState::Idle => "idle",
                SessionState::Read => "read",
                SessionState::Publish => "publish",
            },
            path: session.path.to_string(),
            query: session.query.clone(),
            user: session.user.clone(),
            user_agent: session.user_agent.clone(),
            transport: session.transport.map(|transport| match transport {
                Transport::Udp => "UDP",
                Transport::Tcp => "TCP",
            }),
            profile: session.transport.map(|_| "AVP"),
            conns: vec![session.connection],
            inbound_bytes: session.inbound_bytes,
            inbound_rtp_packets: session.inbound_rtp_packets,
            inbound_rtp_packets_lost: session.inbound_rtp_packets_lost,
            inbound_rtp_packets_in_error: session.inbound_rtp_packets_in_error,
            inbound_rtp_packets_jitter: session.inbound_jitter_s,
            inbound_rtcp_packets: session.inbound_rtcp_packets,
            inbound_rtcp_packets_in_error: session.inbound_rtcp_packets_in_error,
            outbound_bytes: session.outbound_bytes,
            outbound_rtp_packets: session.outbound_rtp_packets,
            outbound_rtp_packets_reported_lost: session.outbound_rtp_packets_reported_lost,
            outbound_rtp_packets_discarded: session.outbound_rtp_packets_discarded,
            outbound_rtcp_packets: session.outbound_rtcp_packets,
            bytes_received: session.inbound_bytes,
            bytes_sent: session.outbound_bytes,
            rtp_packets_received: session.inbound_rtp_packets,
            rtp_packets_sent: session.outbound_rtp_packets,
            rtp_packets_lost: session.inbound_rtp_packets_lost,
            rtp_packets_in_error: session.inbound_rtp_packets_in_error,
            rtp_packets_jitter: session.inbound_jitter_s,
            rtcp_packets_received: session.inbound_rtcp_packets,
            rtcp_packets_sent: session.outbound_rtcp_packets,
            rtcp_packets_in_error: session.inbound_rtcp_packets_in_error,
        }
    }
}

/// A WebRTC session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcSession {
    #[schema(value_type = String, format = Uuid)]
    pub id: SessionId,
    pub created: String,
    #[schema(value_type = String, example = "192.0.2.1:5004")]
    pub remote_addr: SocketAddr,
    pub peer_connection_established: bool,
    pub local_candidate: String,
    pub remote_candidate: String,
    pub path: String,
    pub query: String,
    pub user: String,
    pub user_agent: String,
    pub state: &'static str,
    pub inbound_bytes: u64,
    #[serde(rename = "inboundRTPPackets")]
    pub inbound_rtp_packets: u64,
    #[serde(rename = "inboundRTPPacketsLost")]
    pub inbound_rtp_packets_lost: u64,
    #[serde(rename = "inboundRTPPacketsJitter")]
    pub inbound_rtp_packets_jitter: f64,
    #[serde(rename = "inboundRTCPPackets")]
    pub inbound_rtcp_packets: u64,
    pub outbound_bytes: u64,
    #[serde(rename = "outboundRTPPackets")]
    pub outbound_rtp_packets: u64,
    #[serde(rename = "outboundRTCPPackets")]
    pub outbound_rtcp_packets: u64,
    pub outbound_frames_discarded: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub rtp_packets_received: u64,
    pub rtp_packets_sent: u64,
    pub rtp_packets_lost: u64,
    pub rtp_packets_jitter: f64,
    pub rtcp_packets_received: u64,
    pub rtcp_packets_sent: u64,
    /// Ours: why it sends no video.
    pub video_stopped: Option<String>,
    /// Ours: what the window of a wall says of its tiles.
    pub seen: Option<TilesSeen>,
}

/// What the window of a wall says of its tiles.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TilesSeen {
    /// How many tiles were reported.
    pub tiles: u32,
    /// The fewest pictures per second of a tile.
    pub fps_min: f32,
    /// Pictures dropped, over all tiles.
    pub frames_dropped: u64,
    /// The most jitter of a tile.
    pub jitter_ms_max: f32,
    /// The highest age of a tile's picture, where it is known.
    pub latency_ms_max: Option<f32>,
}

impl From<webrtc::Seen> for TilesSeen {
    fn from(seen: webrtc::Seen) -> Self {
        let webrtc::Seen { tiles, fps_min, frames_dropped, jitter_ms_max, latency_ms_max } = seen;
        Self { tiles, fps_min, frames_dropped, jitter_ms_max, latency_ms_max }
    }
}

impl From<&webrtc::SessionSnapshot> for WebRtcSession {
    fn from(session: &webrtc::SessionSnapshot) -> Self {
        Self {
            id: session.id,
            created: rfc3339(session.created),
            remote_addr: session.remote_addr,
            peer_connection_established: session.peer_connection_established,
            local_candidate: session.local_candidate.clone(),
            remote_candidate: session.remote_candidate.clone(),
            path: session.path.clone(),
            query: session.query.clone(),
            user: session.user.clone(),
            user_agent: session.user_agent.clone(),
            state: match session.role {
                webrtc::Role::Read => "read",
                webrtc::Role::Publish => "publish",
            },
            inbound_bytes: session.inbound_bytes,
            inbound_rtp_packets: session.inbound_rtp_packets,
            inbound_rtp_packets_lost: session.inbound_rtp_packets_lost,
            inbound_rtp_packets_jitter: session.inbound_rtp_packets_jitter,
            inbound_rtcp_packets: session.inbound_rtcp_packets,
            outbound_bytes: session.outbound_bytes,
            outbound_rtp_packets: session.outbound_rtp_packets,
            outbound_rtcp_packets: session.outbound_rtcp_packets,
            outbound_frames_discarded: session.outbound_frames_discarded,
            bytes_received: session.inbound_bytes,
            bytes_sent: session.outbound_bytes,
            rtp_packets_received: session.inbound_rtp_packets,
            rtp_packets_sent: session.outbound_rtp_packets,
            rtp_packets_lost: session.inbound_rtp_packets_lost,
            rtp_packets_jitter: session.inbound_rtp_packets_jitter,
            rtcp_packets_received: session.inbound_rtcp_packets,
            rtcp_packets_sent: session.outbound_rtcp_packets,
            video_stopped: session.video_stopped.clone(),
            seen: session.seen.map(TilesSeen::from),
        }
    }
}

/// Ours: a WebRTC connection that did not come about, or was lost.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebRtcFailure {
    #[schema(value_type = String, format = Uuid)]
    pub id: SessionId,
    pub created: String,
    pub ended: String,
    #[schema(value_type = String, example = "192.0.2.1:5004")]
    pub remote_addr: SocketAddr,
    pub path: String,
    pub user: String,
    pub user_agent: String,
    pub peer_connection_established: bool,
    pub local_candidate: String,
    pub remote_candidate: String,
    /// Which candidates, which ports.
    pub reason: String,
}

impl From<&webrtc::Failure> for WebRtcFailure {
    fn from(failure: &webrtc::Failure) -> Self {
        let session = &failure.session;
        Self {
            id: session.id,
            created: rfc3339(session.created),
            ended: rfc3339(failure.ended),
            remote_addr: session.remote_addr,
            path: session.path.clone(),
            user: session.user.clone(),
            user_agent: session.user_agent.clone(),
            peer_connection_established: session.peer_connection_established,
            local_candidate: session.local_candidate.clone(),
            remote_candidate: session.remote_candidate.clone(),
            reason: failure.reason.clone(),
        }
    }
}

/// A viewer of HLS.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HlsSession {
    #[schema(value_type = String, format = Uuid)]
    pub id: SessionId,
    pub created: String,
    #[schema(value_type = String, example = "192.0.2.1:5004")]
    pub remote_addr: SocketAddr,
    pub path: String,
    pub query: String,
    pub user: String,
    pub user_agent: String,
    #[serde(rename = "isCDN")]
    pub is_cdn: bool,
    pub outbound_bytes: u64,
}

impl From<hls::Listed> for HlsSession {
    fn from(session: hls::Listed) -> Self {
        Self {
            id: session.id,
            created: rfc3339(session.created),
            remote_addr: session.remote,
            path: session.path.to_string(),
            query: session.query,
            user: session.user,
            user_agent: session.user_agent,
            is_cdn: session.is_cdn,
            outbound_bytes: session.outbound_bytes,
        }
    }
}

/// The HLS packager of a path.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HlsMuxer {
    pub path: String,
    pub created: String,
    pub last_request: String,
    pub outbound_bytes: u64,
    pub outbound_frames_discarded: u64,
    pub bytes_sent: u64,
}

impl HlsMuxer {
    /// A packager as it is now.
    #[must_use]
    pub fn new(path: String, created: WallTime, last_request: WallTime, bytes: u64, frames_discarded: u64) -> Self {
        Self {
            path,
            created: rfc3339(created),
            last_request: rfc3339(last_request),
            outbound_bytes: bytes,
            outbound_frames_discarded: frames_discarded,
            bytes_sent: bytes,
        }
    }
}
