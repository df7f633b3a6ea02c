//! Metrics on port 9998, as Prometheus text: the families of MediaMTX v3 from the objects of the control API, then ours.
//!
//! Filters choose families: `type` by name, or one filter per family by the name or id of its members. An empty family
//! shows its bare names with 0; a server that does not run shows nothing. A path's name is the only label without a
//! closed set; it is bounded by the number of paths that run.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use axum::{
    Router,
    extract::{RawQuery, State as With},
    http::{HeaderValue, header},
    middleware,
    response::IntoResponse,
    routing::get,
};
use domain::WallTime;
use media::{
    config::access::Action,
    hub::PathSnapshot,
    measures::{Histogram, Measures},
    stream,
};

use crate::{
    control::{
        self, Servers, State,
        objects::{self, HlsMuxer, HlsSession, RtspConn, RtspSession, WebRtcSession},
    },
    health,
};

/// All routes, of what the control API works on. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or everyone is refused.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state((Arc::clone(&state.policy), Action::Metrics), control::access::check))
        .merge(health::router("metrics", &[]))
        .with_state(state)
}

async fn metrics(With(state): With<State>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let filter = Filter::of_query(query.as_deref().unwrap_or_default());
    let paths = state.hub.paths();
    let mut text = families(&filter, &paths, &state.servers);
    if filter.is_empty() {
        text.push_str(&own(&paths, state.started));
        text.push_str(&viewers(state.hub.measures()));
        if let Some(webrtc) = &state.servers.webrtc {
            text.push_str(&walls(&webrtc.sessions()));
        }
    }
    self::text(text)
}

/// Metrics as a response.
pub(crate) fn text(metrics: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], metrics)
}

/// Which families, and which of their members, are asked for.
#[derive(Debug, Default)]
struct Filter(BTreeMap<String, String>);

impl Filter {
    const NAMES: [&str; 7] =
        ["type", "path", "hls_muxer", "hls_session", "rtsp_conn", "rtsp_session", "webrtc_session"];

    fn of_query(query: &str) -> Self {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let known = pairs.filter(|(name, value)| Self::NAMES.contains(name) && !value.is_empty());
        Self(known.map(|(name, value)| (name.to_owned(), value.replace("%2F", "/").replace("%2f", "/"))).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn wants(&self, family: &str, filter: &str) -> bool {
        self.is_empty() || self.0.get("type").is_some_and(|wanted| wanted == family) || self.0.contains_key(filter)
    }

    fn takes(&self, filter: &str, member: &str) -> bool {
        self.0.get(filter).is_none_or(|wanted| wanted == member)
    }
}

/// A family while it is written.
struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    suffixes: &'static [&'static str],
    empty: bool,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'static str, suffixes: &'static [&'static str]) -> Self {
        Self { text, name, suffixes, empty: true }
    }

    /// One member with a value for each suffix, in their order.
    fn member(&mut self, labels: &[(&str, &str)], values: &[f64]) {
        self.empty = false;
        sample(self.text, self.name, labels, 1.0);
        for (suffix, value) in self.suffixes.iter().zip(values) {
            sample(self.text, &format!("{}{suffix}", self.name), labels, *value);
        }
    }

    fn finish(self) {
        if self.empty {
            sample(self.text, self.name, &[], 0.0);
            for suffix in self.suffixes {
                sample(self.text, &format!("{}{suffix}", self.name), &[], 0.0);
            }
        }
    }
}

/// One line; `labels` in the order of their names.
fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    text.push_str(name);
    for (at, (label, value)) in labels.iter().enumerate() {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let before = if at == 0 { '{' } else { ',' };
        // Writing to a String cannot fail.
        let _ = write!(text, "{before}{label}=\"{escaped}\"");
    }
    if !labels.is_empty() {
        text.push('}');
    }
    // Nothing is 0, also where a sum of nothing is -0.
    let _ = writeln!(text, " {}", value + 0.0);
}

const PATH_SUFFIXES: &[&str] =
    &["_inbound_bytes", "_outbound_bytes", "_inbound_frames_in_error", "_bytes_received", "_bytes_sent"];
const CONN_SUFFIXES: &[&str] = &["_inbound_bytes", "_outbound_bytes", "_bytes_received", "_bytes_sent"];
const MUXER_SUFFIXES: &[&str] = &["_outbound_bytes", "_outbound_frames_discarded", "_bytes_sent"];
const RTSP_SUFFIXES: &[&str] = &[
    "_inbound_bytes",
    "_inbound_rtp_packets",
    "_inbound_rtp_packets_lost",
    "_inbound_rtp_packets_in_error",
    "_inbound_rtp_packets_jitter",
    "_inbound_rtcp_packets",
    "_inbound_rtcp_packets_in_error",
    "_outbound_bytes",
    "_outbound_rtp_packets",
    "_outbound_rtp_packets_reported_lost",
    "_outbound_rtp_packets_discarded",
    "_outbound_rtcp_packets",
    "_bytes_received",
    "_bytes_sent",
    "_rtp_packets_received",
    "_rtp_packets_sent",
    "_rtp_packets_lost",
    "_rtp_packets_in_error",
    "_rtp_packets_jitter",
    "_rtcp_packets_received",
    "_rtcp_packets_sent",
    "_rtcp_packets_in_error",
];
const WEBRTC_SUFFIXES: &[&str] = &[
    "_inbound_bytes",
    "_inbound_rtp_packets",
    "_inbound_rtp_packets_lost",
    "_inbound_rtp_packets_jitter",
    "_inbound_rtcp_packets",
    "_outbound_bytes",
    "_outbound_rtp_packets",
    "_outbound_rtcp_packets",
    "_outbound_frames_discarded",
    "_bytes_received",
    "_bytes_sent",
    "_rtp_packets_received",
    "_rtp_packets_sent",
    "_rtp_packets_lost",
    "_rtp_packets_jitter",
    "_rtcp_packets_received",
    "_rtcp_packets_sent",
];

fn families(filter: &Filter, paths: &[PathSnapshot], servers: &Servers) -> String {
    let mut text = String::new();
    if filter.wants("paths", "path") {
        path_family(&mut text, paths.iter().filter(|path| filter.takes("path", path.name.as_str())));
    }
    if let Some(hls) = servers.hls_sessions.as_ref().filter(|_| filter.wants("hls_sessions", "hls_session")) {
        let wanted = hls.list().into_iter().filter(|session| filter.takes("hls_session", &session.id.to_string()));
        hls_session_family(&mut text, wanted.map(HlsSession::from));
    }
    if let Some(hls) = servers.hls.as_ref().filter(|_| filter.wants("hls_muxers", "hls_muxer")) {
        let muxers = hls.muxers();
        muxer_family(&mut text, muxers.iter().filter(|muxer| filter.takes("hls_muxer", &muxer.path)));
    }
    if let Some(rtsp) = &servers.rtsp {
        if filter.wants("rtsp_conns", "rtsp_conn") {
            let conns = rtsp.connections();
            let conns = conns.iter().map(RtspConn::from);
            conn_family(&mut text, conns.filter(|conn| filter.takes("rtsp_conn", &conn.id.to_string())));
        }
        if filter.wants("rtsp_sessions", "rtsp_session") {
            let sessions = rtsp.sessions();
            let sessions = sessions.iter().map(RtspSession::from);
            let wanted = sessions.filter(|session| filter.takes("rtsp_session", &session.id.to_string()));
            rtsp_session_family(&mut text, wanted);
        }
    }
    if let Some(webrtc) = servers.webrtc.as_ref().filter(|_| filter.wants("webrtc_sessions", "webrtc_session")) {
        let sessions = webrtc.sessions();
        let wanted = sessions.iter().filter(|session| filter.takes("webrtc_session", &session.id.to_string()));
        webrtc_family(&mut text, wanted);
    }
    text
}

fn path_family<'a>(text: &mut String, paths: impl Iterator<Item = &'a PathSnapshot>) {
    let mut readers = String::new();
    let mut family = Family::new(text, "paths", PATH_SUFFIXES);
    for path in paths {
        let object = objects::Path::from(path);
        let state = if object.ready { "ready" } else { "notReady" };
        let labels = [("name", object.name.as_str()), ("state", state)];
        let values = [
            object.inbound_bytes,
            object.outbound_bytes,
            object.inbound_frames_in_error,
            object.bytes_received,
            object.bytes_sent,
        ];
        family.member(&labels, &values.map(|value| value as f64));
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for reader in &object.readers {
            *counts.entry(reader.kind).or_default() += 1;
        }
        if counts.is_empty() {
            sample(&mut readers, "paths_readers", &labels, 0.0);
        }
        for (kind, count) in counts {
            let [name, state] = labels;
            sample(&mut readers, "paths_readers", &[name, ("readerType", kind), state], f64::from(count));
        }
    }
    if family.empty {
        sample(&mut readers, "paths_readers", &[], 0.0);
    }
    family.finish();
    text.push_str(&readers);
}

fn muxer_family<'a>(text: &mut String, muxers: impl Iterator<Item = &'a HlsMuxer>) {
    let mut family = Family::new(text, "hls_muxers", MUXER_SUFFIXES);
    for muxer in muxers {
        let values = [muxer.outbound_bytes, muxer.outbound_frames_discarded, muxer.bytes_sent];
        family.member(&[("name", &muxer.path)], &values.map(|value| value as f64));
    }
    family.finish();
}

fn hls_session_family(text: &mut String, sessions: impl Iterator<Item = HlsSession>) {
    let mut family = Family::new(text, "hls_sessions", &["_outbound_bytes"]);
    for s in sessions {
        let labels = [("id", &*s.id.to_string()), ("path", &s.path), ("remoteAddr", &s.remote_addr.to_string())];
        family.member(&labels, &[s.outbound_bytes as f64]);
    }
    family.finish();
}

fn conn_family(text: &mut String, conns: impl Iterator<Item = RtspConn>) {
    let mut family = Family::new(text, "rtsp_conns", CONN_SUFFIXES);
    for conn in conns {
        let values = [conn.inbound_bytes, conn.outbound_bytes, conn.bytes_received, conn.bytes_sent];
        family.member(&[("id", &conn.id.to_string())], &values.map(|value| value as f64));
    }
    family.finish();
}

fn rtsp_session_family(text: &mut String, sessions: impl Iterator<Item = RtspSession>) {
    let mut family = Family::new(text, "rtsp_sessions", RTSP_SUFFIXES);
    for s in sessions {
        let labels = [
            ("id", &*s.id.to_string()),
            ("path", &s.path),
            ("remoteAddr", &s.remote_addr.to_string()),
            ("state", s.state),
        ];
        let values = [
            s.inbound_bytes as f64,
            s.inbound_rtp_packets as f64,
            s.inbound_rtp_packets_lost as f64,
            s.inbound_rtp_packets_in_error as f64,
            s.inbound_rtp_packets_jitter,
            s.inbound_rtcp_packets as f64,
            s.inbound_rtcp_packets_in_error as f64,
            s.outbound_bytes as f64,
            s.outbound_rtp_packets as f64,
            s.outbound_rtp_packets_reported_lost as f64,
            s.outbound_rtp_packets_discarded as f64,
            s.outbound_rtcp_packets as f64,
            s.bytes_received as f64,
            s.bytes_sent as f64,
            s.rtp_packets_received as f64,
            s.rtp_packets_sent as f64,
            s.rtp_packets_lost as f64,
            s.rtp_packets_in_error as f64,
            s.rtp_packets_jitter,
            s.rtcp_packets_received as f64,
            s.rtcp_packets_sent as f64,
            s.rtcp_packets_in_error as f64,
        ];
        family.member(&labels, &values);
    }
    family.finish();
}

fn webrtc_family<'a>(text: &mut String, sessions: impl Iterator<Item = &'a WebRtcSession>) {
    let mut family = Family::new(text, "webrtc_sessions", WEBRTC_SUFFIXES);
    for s in sessions {
        let labels = [
            ("id", &*s.id.to_string()),
            ("path", &s.path),
            ("remoteAddr", &s.remote_addr.to_string()),
            ("state", s.state),
        ];
        let values = [
            s.inbound_bytes as f64,
            s.inbound_rtp_packets as f64,
            s.inbound_rtp_packets_lost as f64,
            s.inbound_rtp_packets_jitter,
            s.inbound_rtcp_packets as f64,
            s.outbound_bytes as f64,
            s.outbound_rtp_packets as f64,
            s.outbound_rtcp_packets as f64,
            s.outbound_frames_discarded as f64,
            s.inbound_bytes as f64,
            s.outbound_bytes as f64,
            s.inbound_rtp_packets as f64,
            s.outbound_rtp_packets as f64,
            s.inbound_rtp_packets_lost as f64,
            s.inbound_rtp_packets_jitter,
            s.inbound_rtcp_packets as f64,
            s.outbound_rtcp_packets as f64,
        ];
        family.member(&labels, &values);
    }
    family.finish();
}

/// The families of our own.
pub(crate) fn own(paths: &[PathSnapshot], started: WallTime) -> String {
    let mut text = String::new();
    let started_s = started.unix_us() as f64 / 1e6;
    sample(&mut text, "cctv_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    sample(&mut text, "cctv_process_start_time_seconds", &[], started_s);
    for (name, value) in process() {
        sample(&mut text, name, &[], value);
    }
    let count = |wanted: &str| paths.iter().filter(|path| objects::state_name(&path.state) == wanted).count() as f64;
    for state in ["connecting", "idle", "offline", "online", "stalled"] {
        sample(&mut text, "cctv_streams", &[("state", state)], count(state));
    }
    let readers = |wanted: &str| {
        let all = paths.iter().flat_map(|path| &path.readers);
        all.filter(|(kind, _)| objects::reader(*kind) == wanted).count() as f64
    };
    for kind in ["hidden", "hlsSession", "rtspSession", "webRTCSession"] {
        sample(&mut text, "cctv_readers", &[("type", kind)], readers(kind));
    }
    let held: u64 = paths.iter().map(|path| path.held_bytes).sum();
    sample(&mut text, "cctv_ring_bytes", &[], held as f64);
    for path in paths {
        let labels = [("path", path.name.as_str())];
        sample(&mut text, "cctv_skipped_units_total", &labels, path.skipped_units as f64);
        sample(&mut text, "cctv_gops_truncated_total", &labels, path.gops_truncated as f64);
        let up = f64::from(u8::from(path.state == stream::State::Online));
        sample(&mut text, "cctv_stream_up", &labels, up);
    }
    text
}

/// What viewers meet.
fn viewers(measures: &Measures) -> String {
    let Measures { rtsp, webrtc, hls, hls_delivery } = measures;
    let mut text = String::new();
    for (protocol, viewers) in [("hls", hls), ("rtsp", rtsp), ("webrtc", webrtc)] {
        histogram(&mut text, "cctv_first_picture_seconds", &[("protocol", protocol)], &viewers.first_picture);
    }
    for (protocol, viewers) in [("rtsp", rtsp), ("webrtc", webrtc)] {
        histogram(&mut text, "cctv_added_latency_seconds", &[("protocol", protocol)], &viewers.added_latency);
    }
    histogram(&mut text, "cctv_hls_delivery_seconds", &[], hls_delivery);
    text
}

/// A histogram as Prometheus reads it: buckets that include those before them, sum and count.
fn histogram(text: &mut String, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
    let counts = histogram.counts();
    let buckets = counts.buckets.iter().map(|(limit, count)| (limit.to_string(), *count));
    for (limit, count) in buckets.chain([("+Inf".to_owned(), counts.count)]) {
        let labels: Vec<_> = [("le", limit.as_str())].into_iter().chain(labels.iter().copied()).collect();
        sample(text, &format!("{name}_bucket"), &labels, count as f64);
    }
    sample(text, &format!("{name}_count"), labels, counts.count as f64);
    sample(text, &format!("{name}_sum"), labels, counts.sum_s);
}

/// What the program uses of its machine, as far as the system tells.
fn process() -> Vec<(&'static str, f64)> {
    let mut samples = Vec::new();
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        samples.push(("cctv_tasks", runtime.metrics().num_alive_tasks() as f64));
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        // One of them reads the directory.
        samples.push(("cctv_process_open_fds", descriptors.count().saturating_sub(1) as f64));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    if let Some(kb) = resident.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()) {
        samples.push(("cctv_process_resident_bytes", kb * 1024.0));
    }
    samples
}

/// What the windows of all walls say of their tiles.
fn walls(sessions: &[WebRtcSession]) -> String {
    let seen = || sessions.iter().filter_map(|session| session.seen);
    let mut text = String::new();
    let dropped: u64 = seen().map(|seen| seen.frames_dropped).sum();
    sample(&mut text, "cctv_wall_tiles_reported", &[], seen().map(|seen| f64::from(seen.tiles)).sum());
    sample(&mut text, "cctv_wall_frames_dropped", &[], dropped as f64);
    let most = |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0, f32::max));
    sample(&mut text, "cctv_wall_jitter_ms_max", &[], most(&mut seen().map(|seen| seen.jitter_ms_max)));
    sample(&mut text, "cctv_wall_latency_ms_max", &[], most(&mut seen().filter_map(|seen| seen.latency_ms_max)));
    if let Some(least) = seen().map(|seen| seen.fps_min).reduce(f32::min) {
        sample(&mut text, "cctv_wall_fps_min", &[], f64::from(least));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, muxers: &[HlsMuxer], want: &str) {
        let filter = Filter::of_query(query);
        let mut text = String::new();
        if filter.wants("hls_muxers", "hls_muxer") {
            muxer_family(&mut text, muxers.iter().filter(|muxer| filter.takes("hls_muxer", &muxer.path)));
        }
        assert_eq!(text, want, "{query}");
    }

    #[test]
    fn a_family_shows_its_members_or_its_bare_names() {
        let time = WallTime::from_unix_us(0);
        let muxer = HlsMuxer::new("a\"b".into(), time, time, 5, 6);
        let full = "hls_muxers{name=\"a\\\"b\"} 1\nhls_muxers_outbound_bytes{name=\"a\\\"b\"} 5\n\
                    hls_muxers_outbound_frames_discarded{name=\"a\\\"b\"} 6\nhls_muxers_bytes_sent{name=\"a\\\"b\"} 5\n";
        let bare = "hls_muxers 0\nhls_muxers_outbound_bytes 0\nhls_muxers_outbound_frames_discarded 0\n\
                    hls_muxers_bytes_sent 0\n";
        let one = std::slice::from_ref(&muxer);
        check("", one, full);
        check("type=hls_muxers", one, full);
        check("hls_muxer=other", one, bare);
        check("type=paths", one, "");
        check("", &[], bare);
    }
}
