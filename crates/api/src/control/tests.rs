use std::net::SocketAddr;

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request},
};
use domain::Secret;
use media::{
    admission::TokenPolicy,
    config::{Base, BaseEntry, Keys, MemoryStore, Source},
    rtsp, source,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::*;

mod endpoints;

pub(crate) struct Nobody;

impl source::Connector for Nobody {
    fn connect(&self, _: &Source) -> Option<Box<dyn source::Source>> {
        None
    }
}

struct Sessions(Vec<WebRtcSession>);

impl WebRtcSessions for Sessions {
    fn sessions(&self) -> Vec<WebRtcSession> {
        self.0.clone()
    }

    fn failures(&self) -> Vec<WebRtcFailure> {
        let failure = |session: &WebRtcSession| WebRtcFailure {
            id: session.id,
            created: String::new(),
            ended: String::new(),
            remote_addr: session.remote_addr,
            path: session.path.clone(),
            user: String::new(),
            user_agent: String::new(),
            peer_connection_established: false,
            local_candidate: String::new(),
            remote_candidate: String::new(),
            reason: "no packet of the peer arrived".into(),
        };
        self.0.iter().map(failure).collect()
    }

    fn kick(&self, id: SessionId) -> futures_util::future::BoxFuture<'_, bool> {
        Box::pin(std::future::ready(self.0.iter().any(|session| session.id == id)))
    }
}

/// A control API on a store of its own.
struct Api {
    state: State,
    store: Arc<MemoryStore>,
}

impl Api {
    async fn new(servers: Servers) -> Self {
        let policy = Arc::new(Policy::new(Arc::new(TokenPolicy::new(Secret::new("right".into()), true))));
        let hub = Hub::new(policy.clone(), Arc::new(Nobody));
        let keys = json!({"source": "rtsp://u:secret@10.0.0.1/x", "sourceOnDemand": true});
        let camera = BaseEntry { name: "cam".into(), keys: keys.as_object().unwrap().clone(), camera: None };
        let test = BaseEntry { name: "test".into(), keys: Keys::new(), camera: None };
        let base = Base { entries: vec![camera, test], ..Base::default() };
        let store = Arc::new(MemoryStore::default());
        let settings = Settings::open(store.clone(), base, hub.clone()).await.unwrap();
        Self { state: State { settings, hub, servers, policy, started: WallTime::from_unix_us(0) }, store }
    }

    async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, HeaderMap, Value) {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut built = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
        for (name, value) in headers {
            built.headers_mut().insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let peer: SocketAddr = "127.0.0.1:1000".parse().unwrap();
        built.extensions_mut().insert(ConnectInfo(peer));
        let (parts, body) = router(self.state.clone()).oneshot(built).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn check(&self, request: &str, body: &str, status: u16, want: Value) {
        let (answered, headers, got) = self.send(request, &[], body).await;
        assert_eq!((answered.as_u16(), &got), (status, &want), "{request} {body}");
        assert_eq!(headers[header::SERVER], "mediamtx");
    }

    async fn get(&self, uri: &str) -> Value {
        let (status, _, body) = self.send(&format!("GET {uri}"), &[], "").await;
        assert_eq!(status, 200, "{uri}: {body}");
        body
    }
}

fn ok() -> Value {
    json!({"status": "ok"})
}

fn error(text: &str) -> Value {
    json!({"status": "error", "error": text})
}

#[tokio::test]
async fn paths_are_added_read_changed_replaced_and_deleted() {
    let api = Api::new(Servers::default()).await;
    let path = "/v3/config/paths";
    api.check(&format!("POST {path}/add/a/b"), r#"{"maxReaders": 3}"#, 200, ok()).await;
    api.check(&format!("POST {path}/add/a/b"), "{}", 400, error("path already exists")).await;
    api.check(&format!("PATCH {path}/patch/a/b"), r#"{"overridePublisher": false}"#, 200, ok()).await;
    let read = api.get("/v3/config/paths/get/a/b").await;
    assert_eq!(
        (&read["name"], &read["maxReaders"], &read["overridePublisher"]),
        (&json!("a/b"), &json!(3), &json!(false))
    );
    assert_eq!(api.get("/v3/paths/get/a/b").await["confName"], "a/b");
    api.check(&format!("POST {path}/replace/a/b"), "{}", 200, ok()).await;
    assert_eq!(api.get("/v3/config/paths/get/a/b").await["maxReaders"], 0);
    api.check(&format!("POST {path}/remove/a/b"), "", 200, ok()).await;
    api.check(&format!("GET {path}/get/a/b"), "", 404, error("path configuration not found")).await;
    api.check(&format!("DELETE {path}/delete/a/b"), "", 404, error("path configuration not found")).await;
    api.check(&format!("PATCH {path}/patch/a/b"), "{}", 404, error("path configuration not found")).await;
    api.check("GET /v3/paths/get/a/b", "", 404, error("path not found")).await;
    api.check(&format!("POST {path}/bulk"), r#"{"add": {"x": {}}, "delete": ["test"]}"#, 200, ok()).await;
    assert_eq!(api.get("/v3/config/paths/list").await["itemCount"], 2);
}

#[tokio::test]
async fn what_has_no_effect_is_refused_by_name() {
    let api = Api::new(Servers::default()).await;
    let unknown = error("colour: unknown key");
    api.check("POST /v3/config/paths/add/x", r#"{"colour": 1}"#, 400, unknown.clone()).await;
    api.check("PATCH /v3/config/pathdefaults/patch", r#"{"colour": 1}"#, 400, unknown.clone()).await;
    api.check("PATCH /v3/config/global/patch", r#"{"colour": 1}"#, 400, unknown).await;
    let hook = error("runOnInit: it has no effect here, so only its default is accepted");
    api.check("POST /v3/config/paths/add/x", r#"{"runOnInit": "sh"}"#, 400, hook).await;
    let address = error("rtspAddress: it is set in the server's configuration file");
    api.check("PATCH /v3/config/global/patch", r#"{"rtspAddress": ":1"}"#, 400, address).await;
    api.check("PATCH /v3/config/global/patch", r#"{"rtspAddress": ":8554"}"#, 200, ok()).await;
    api.check("POST /v3/config/paths/add/a//b", "{}", 400, error("invalid name")).await;
    let (status, _, _) = api.send("POST /v3/config/paths/add/x", &[], "not json").await;
    assert_eq!(status, 400);
    api.check("GET /v3/recordings/list", "", 404, error("not found")).await;
    api.check("GET /v3/rtspsessions/list", "", 404, error("not found")).await;
    api.check("GET /v3/config/paths/add/x", "", 404, error("not found")).await;
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::new(Servers::default()).await;
    for name in ["a", "b", "c"] {
        api.check(&format!("POST /v3/config/paths/add/{name}"), "{}", 200, ok()).await;
    }
    for list in ["/v3/config/paths/list", "/v3/paths/list"] {
        let names = async |query: &str| {
            let page = api.get(&format!("{list}{query}")).await;
            let items = page["items"].as_array().unwrap();
            let names: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
            (page["itemCount"].as_u64().unwrap(), page["pageCount"].as_u64().unwrap(), names.join(" "))
        };
        let all = "a b c cam test".to_owned();
        assert_eq!(names("").await, (5, 1, all.clone()));
        assert_eq!(names("?itemsPerPage=2").await, (5, 3, "a b".into()));
        assert_eq!(names("?itemsPerPage=2&page=2").await, (5, 3, "test".into()));
        assert_eq!(names("?itemsPerPage=2&page=3").await, (5, 3, String::new()));
        assert_eq!(names("?page=4294967295&itemsPerPage=4294967295").await, (5, 1, String::new()));
        for (query, text) in [
            ("?itemsPerPage=0", "invalid items per page"),
            ("?itemsPerPage=x", "invalid items per page"),
            ("?itemsPerPage=-1", "invalid items per page"),
            ("?page=-1", "invalid page"),
            ("?page=x", "invalid page"),
        ] {
            api.check(&format!("GET {list}{query}"), "", 400, error(text)).await;
        }
    }
}

#[tokio::test]
async fn a_password_is_never_shown_and_writing_it_back_keeps_it() {
    let api = Api::new(Servers::default()).await;
    for uri in ["/v3/config/paths/list", "/v3/config/paths/get/cam", "/v3/paths/list", "/v3/config/get"] {
        assert!(!api.get(uri).await.to_string().contains("secret"), "{uri}");
    }
    let shown = api.get("/v3/config/paths/get/cam").await;
    assert_eq!(shown["source"], "rtsp://u:<redacted>@10.0.0.1/x");
    api.check("PATCH /v3/config/paths/patch/cam", &shown.to_string(), 200, ok()).await;
    let elsewhere = r#"{"source": "rtsp://u:<redacted>@10.0.0.2/x"}"#;
    let (status, _, refused) = api.send("PATCH /v3/config/paths/patch/cam", &[], elsewhere).await;
    assert_eq!(status, 400, "{refused}");
}

#[tokio::test]
async fn only_the_operator_is_let_in() {
    let api = Api::new(Servers::default()).await;
    let request = "GET /v3/paths/list";
    let (status, headers, body) = api.send(request, &[("x-forwarded-for", "127.0.0.1")], "").await;
    assert_eq!((status.as_u16(), body), (401, error("authentication error")));
    assert_eq!(headers[header::WWW_AUTHENTICATE], "Basic realm=\"mediamtx\"");
    for (value, want) in [("Bearer right", 200), ("Basic eDpyaWdodA==", 200)] {
        let headers = [("x-forwarded-for", "10.0.0.1"), ("authorization", value)];
        assert_eq!(api.send(request, &headers, "").await.0, want);
    }
    let foreign = [("origin", "http://evil.example"), ("host", "localhost:9997")];
    assert_eq!(api.send(request, &foreign, "").await.0, 401, "a page of another origin is not the operator");
    let (status, headers, _) = api.send("OPTIONS /v3/config/paths/add/x", &foreign, "").await;
    assert_eq!(status, 204);
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "OPTIONS, GET, POST, PATCH, DELETE");
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "Authorization, Content-Type");
    let (status, _, health) = api.send("GET /health", &[("x-forwarded-for", "10.0.0.1")], "").await;
    assert_eq!((status.as_u16(), &health["status"]), (200, &json!("ok")));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_guess_is_answered_late_and_without_an_invitation() {
    let api = Api::new(Servers::default()).await;
    let (status, headers, _) = api.send("GET /v3/paths/list", &[("authorization", "Bearer wrong")], "").await;
    assert_eq!(status, 401);
    assert!(!headers.contains_key(header::WWW_AUTHENTICATE));
}

#[tokio::test]
async fn the_old_address_of_the_configuration_gives_the_same() {
    let api = Api::new(Servers::default()).await;
    assert_eq!(api.get("/v3/config/get").await, api.get("/v3/config/global/get").await);
    assert_eq!(api.get("/v3/config/pathdefaults/get").await["source"], "publisher");
    assert!(api.get("/v3/info").await["version"].is_string());
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let config = rtsp::Config {
        address: "127.0.0.1:0".parse().unwrap(),
        rtp_address: "127.0.0.1:0".parse().unwrap(),
        rtcp_address: "127.0.0.1:0".parse().unwrap(),
        ..rtsp::Config::default()
    };
    let hub = Api::new(Servers::default()).await.state.hub.clone();
    let server = rtsp::Server::start(config, hub, CancellationToken::new()).unwrap();
    let known = webrtc_session();
    let servers = Servers {
        rtsp: Some(Arc::new(server)),
        webrtc: Some(Arc::new(Sessions(vec![known.clone()]))),
        ..Servers::default()
    };
    let api = Api::new(servers).await;
    let empty = json!({"itemCount": 0, "pageCount": 0, "items": []});
    api.check("GET /v3/rtspconns/list", "", 200, empty.clone()).await;
    api.check("GET /v3/rtspsessions/list", "", 200, empty).await;
    let other = uuid::Uuid::new_v4();
    api.check(&format!("GET /v3/rtspconns/get/{other}"), "", 404, error("connection not found")).await;
    api.check(&format!("POST /v3/rtspsessions/kick/{other}"), "", 404, error("session not found")).await;
    api.check("POST /v3/rtspsessions/kick/7", "", 400, error("invalid id")).await;
    assert_eq!(api.get("/v3/webrtcsessions/list").await["itemCount"], 1);
    let failures = api.get("/v3/webrtcsessions/failures").await;
    assert_eq!(failures["items"][0]["reason"], "no packet of the peer arrived");
    api.get(&format!("/v3/webrtcsessions/get/{}", known.id)).await;
    api.check(&format!("POST /v3/webrtcsessions/kick/{}", known.id), "", 200, ok()).await;
    api.check(&format!("POST /v3/webrtcsessions/kick/{other}"), "", 404, error("session not found")).await;
    api.check("GET /v3/hlsmuxers/list", "", 404, error("not found")).await;
}

fn webrtc_session() -> WebRtcSession {
    WebRtcSession {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        created: "1970-01-01T00:00:00Z".into(),
        remote_addr: "127.0.0.1:9".parse().unwrap(),
        peer_connection_established: true,
        local_candidate: String::new(),
        remote_candidate: String::new(),
        path: "test".into(),
        query: String::new(),
        user: "operator".into(),
        user_agent: String::new(),
        state: "read",
        inbound_bytes: 1,
        inbound_rtp_packets: 0,
        inbound_rtp_packets_lost: 0,
        inbound_rtp_packets_jitter: 0.0,
        inbound_rtcp_packets: 2,
        outbound_bytes: 3,
        outbound_rtp_packets: 4,
        outbound_rtcp_packets: 5,
        outbound_frames_discarded: 6,
        bytes_received: 1,
        bytes_sent: 3,
        rtp_packets_received: 0,
        rtp_packets_sent: 4,
        rtp_packets_lost: 0,
        rtp_packets_jitter: 0.0,
        rtcp_packets_received: 2,
        rtcp_packets_sent: 5,
        video_stopped: None,
        seen: None,
    }
}

/// Names and types of an object: `s` text, `n` number, `b` truth value, `l` list, `o` object, `?` null.
fn outline(value: &Value) -> String {
    let kind = |value: &Value| match value {
        Value::Null => '?',
        Value::Bool(_) => 'b',
        Value::Number(_) => 'n',
        Value::String(_) => 's',
        Value::Array(_) => 'l',
        Value::Object(_) => 'o',
    };
    let mut fields: Vec<String> =
        value.as_object().unwrap().iter().map(|(name, value)| format!("{name}:{}", kind(value))).collect();
    fields.sort();
    fields.join(" ")
}

fn twins(value: &Value, pairs: &[(&str, &str)]) {
    for (old, new) in pairs {
        assert_eq!(value[old], value[new], "{old} is {new}");
    }
}

#[tokio::test]
async fn the_names_and_types_of_every_object_stay() {
    let api = Api::new(Servers::default()).await;
    let path = api.get("/v3/paths/get/test").await;
    assert_eq!(
        outline(&path),
        "available:b availableTime:? bytesReceived:n bytesSent:n confName:s inboundBytes:n inboundFramesInError:n \
         name:s online:b onlineTime:? outboundBytes:n readers:l ready:b readyTime:? source:? state:s stateReason:s \
         tracks2:l tracks:l"
    );
    twins(
        &path,
        &[
            ("ready", "available"),
            ("readyTime", "availableTime"),
            ("bytesReceived", "inboundBytes"),
            ("bytesSent", "outboundBytes"),
        ],
    );
    let id = SessionId::from_uuid(uuid::Uuid::new_v4());
    let connection = ConnectionId::from_uuid(uuid::Uuid::new_v4());
    let remote = "127.0.0.1:9".parse().unwrap();
    let conn = rtsp::ConnectionSnapshot {
        id: connection,
        created: WallTime::from_unix_us(1_500_000),
        remote,
        session: Some(id),
        inbound_bytes: 1,
        outbound_bytes: 2,
    };
    let conn = serde_json::to_value(RtspConn::from(&conn)).unwrap();
    assert_eq!(
        outline(&conn),
        "bytesReceived:n bytesSent:n created:s id:s inboundBytes:n outboundBytes:n remoteAddr:s session:s tunnel:s"
    );
    assert_eq!(conn["created"], "1970-01-01T00:00:01.5Z");
    let session = rtsp::SessionSnapshot {
        id,
        created: WallTime::from_unix_us(0),
        remote,
        state: rtsp::SessionState::Read,
        path: PathName::new("test").unwrap(),
        query: String::new(),
        user: String::new(),
        user_agent: String::new(),
        transport: Some(rtsp::Transport::Udp),
        connection,
        inbound_bytes: 1,
        inbound_rtp_packets: 2,
        inbound_rtp_packets_lost: 3,
        inbound_rtp_packets_in_error: 4,
        inbound_jitter_s: 0.5,
        inbound_rtcp_packets: 6,
        inbound_rtcp_packets_in_error: 7,
        outbound_bytes: 8,
        outbound_rtp_packets: 9,
        outbound_rtp_packets_reported_lost: 10,
        outbound_rtp_packets_discarded: 11,
        outbound_rtcp_packets: 12,
        reported_jitter_s: 0.0,
        round_trip: None,
    };
    let session = serde_json::to_value(RtspSession::from(&session)).unwrap();
    assert_eq!(
        outline(&session),
        "bytesReceived:n bytesSent:n conns:l created:s id:s inboundBytes:n inboundRTCPPackets:n \
         inboundRTCPPacketsInError:n inboundRTPPackets:n inboundRTPPacketsInError:n inboundRTPPacketsJitter:n \
         inboundRTPPacketsLost:n outboundBytes:n outboundRTCPPackets:n outboundRTPPackets:n \
         outboundRTPPacketsDiscarded:n outboundRTPPacketsReportedLost:n path:s profile:s query:s remoteAddr:s \
         rtcpPacketsInError:n rtcpPacketsReceived:n rtcpPacketsSent:n rtpPacketsInError:n rtpPacketsJitter:n \
         rtpPacketsLost:n rtpPacketsReceived:n rtpPacketsSent:n state:s transport:s user:s userAgent:s"
    );
    let session_twins = [
        ("bytesReceived", "inboundBytes"),
        ("bytesSent", "outboundBytes"),
        ("rtpPacketsReceived", "inboundRTPPackets"),
        ("rtpPacketsSent", "outboundRTPPackets"),
        ("rtpPacketsLost", "inboundRTPPacketsLost"),
        ("rtpPacketsJitter", "inboundRTPPacketsJitter"),
        ("rtcpPacketsReceived", "inboundRTCPPackets"),
        ("rtcpPacketsSent", "outboundRTCPPackets"),
    ];
    twins(&session, &session_twins);
    twins(
        &session,
        &[("rtpPacketsInError", "inboundRTPPacketsInError"), ("rtcpPacketsInError", "inboundRTCPPacketsInError")],
    );
    let session = serde_json::to_value(webrtc_session()).unwrap();
    assert_eq!(
        outline(&session),
        "bytesReceived:n bytesSent:n created:s id:s inboundBytes:n inboundRTCPPackets:n inboundRTPPackets:n \
         inboundRTPPacketsJitter:n inboundRTPPacketsLost:n localCandidate:s outboundBytes:n outboundFramesDiscarded:n \
         outboundRTCPPackets:n outboundRTPPackets:n path:s peerConnectionEstablished:b query:s remoteAddr:s \
         remoteCandidate:s rtcpPacketsReceived:n rtcpPacketsSent:n rtpPacketsJitter:n rtpPacketsLost:n \
         rtpPacketsReceived:n rtpPacketsSent:n seen:? state:s user:s userAgent:s videoStopped:?"
    );
    twins(&session, &session_twins);
    let muxer = HlsMuxer::new("test".into(), WallTime::from_unix_us(0), WallTime::from_unix_us(0), 1, 2);
    let muxer = serde_json::to_value(muxer).unwrap();
    assert_eq!(outline(&muxer), "bytesSent:n created:s lastRequest:s outboundBytes:n outboundFramesDiscarded:n path:s");
    twins(&muxer, &[("bytesSent", "outboundBytes")]);
}
