//! Every face asks the one policy, with curl and ffprobe outside.

use std::sync::Mutex;

use axum::{Json, Router, http::StatusCode, routing::post};
use domain::{Camera, CameraId, WallTime};
use media::{catalogue::Catalogue, hls::Muxers, rtsp, webrtc};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{
    servers::{Served, hung, serve},
    *,
};
use crate::{control, hls, metrics, whep};

const DEADLINE: Duration = Duration::from_secs(60);

struct NoCameras;

impl Catalogue for NoCameras {
    fn camera(&self, _: CameraId) -> Option<Camera> {
        None
    }

    fn cameras(&self) -> Vec<Camera> {
        vec![]
    }
}

/// One server of each kind.
struct Faces {
    rtsp: Arc<rtsp::Server>,
    hls: Served,
    webrtc: Served,
    control: Served,
    metrics: Served,
    _world: World,
}

impl Faces {
    async fn new(global: Value) -> Self {
        let world = World::new(global).await;
        let (hub, stop, port) = (world.hub.clone(), CancellationToken::new(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let config = rtsp::Config { address: port, rtp_address: port, rtcp_address: port, ..rtsp::Config::default() };
        let rtsp = Arc::new(rtsp::Server::start(config, hub.clone(), stop.clone()).unwrap());
        let muxers = Muxers::new(world.settings.watch_global(), hub.clone(), Arc::new(NoCameras), stop.clone());
        let sessions = hls::Sessions::new(world.policy.operator().token());
        let global = world.settings.watch_global();
        let config = webrtc::Config { udp_address: port, tcp_address: None, ..webrtc::Config::default() };
        let engine = webrtc::Engine::start(config, hub.clone(), Arc::new(NoCameras), stop).unwrap();
        let (policy, started) = (world.policy.clone(), WallTime::from_unix_us(0));
        let servers = control::Servers::default();
        let settings = world.settings.clone();
        let state = control::State { settings, hub: hub.clone(), servers, policy, started };
        Self {
            rtsp,
            hls: serve(hls::router(hls::Hls { hub: hub.clone(), muxers, sessions, global })).await,
            webrtc: serve(whep::router(whep::Whep { hub, engine, hls_port: 8888 })).await,
            metrics: serve(metrics::router(state.clone())).await,
            control: serve(control::router(state)).await,
            _world: world,
        }
    }

    /// The statuses of all faces for a caller: HLS, WHEP, WHIP, control API, metrics, RTSP.
    async fn statuses(&self, user: &str) -> Vec<String> {
        let sdp = ["-H", "Content-Type: application/sdp", "-d", "x"];
        let (index, whep) = (format!("{}/x/index.m3u8?a=1", self.hls.url), format!("{}/x/whep", self.webrtc.url));
        let (whip, info) = (format!("{}/x/whip", self.webrtc.url), format!("{}/v3/info", self.control.url));
        let metrics = format!("{}/metrics", self.metrics.url);
        let (hls, whep, whip, info, metrics, rtsp) = tokio::join!(
            curl(user, &[], &index),
            curl(user, &sdp, &whep),
            curl(user, &sdp, &whip),
            curl(user, &[], &info),
            curl(user, &[], &metrics),
            self.probed(user),
        );
        vec![hls, whep, whip, info, metrics, rtsp]
    }

    /// The status that ffprobe gets by RTSP.
    async fn probed(&self, user: &str) -> String {
        let userinfo = if user.is_empty() { String::new() } else { format!("{user}@") };
        let url = format!("rtsp://{userinfo}{}/x", self.rtsp.local_addr());
        let mut ffprobe = Command::new("ffprobe");
        ffprobe.args(["-v", "error", "-rtsp_transport", "tcp", &url]).kill_on_drop(true);
        let said = tokio::time::timeout(DEADLINE, ffprobe.output()).await.expect("ffprobe ends").unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        // Among the words of ffprobe is the URL, whose port may hold any of these numbers.
        let status = |word: &&str| ["401", "403", "404", "500", "503"].contains(word);
        said.split_whitespace().find(status).unwrap_or(&said).to_owned()
    }
}

async fn curl(user: &str, arguments: &[&str], url: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]).args(arguments).arg(url).kill_on_drop(true);
    if !user.is_empty() {
        curl.args(["-u", user]);
    }
    let output = tokio::time::timeout(DEADLINE, curl.output()).await.expect("curl ends").unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn every_face_asks_the_policy_and_says_what_it_is() {
    let asked = Arc::new(Mutex::new(Vec::<Value>::new()));
    let kept = asked.clone();
    let answer = move |Json(question): Json<Value>| async move {
        let right = question["user"] == "good" && question["password"] == "right";
        kept.lock().unwrap().push(question);
        if right { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    let server = serve(Router::new().route("/", post(answer))).await;
    let faces = Faces::new(json!({"authMethod": "http", "authHTTPAddress": server.url})).await;
    // Who is let in learns that there is no stream, or that the offer is none.
    assert_eq!(faces.statuses("good:right").await, ["404", "400", "400", "200", "200", "404"]);
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    let about = |question: &Value| {
        assert_eq!(question["ip"], "127.0.0.1");
        ["protocol", "action", "path", "query"].map(|name| question[name].as_str().unwrap().to_owned()).join(" ")
    };
    let mut good: Vec<String> = asked.iter().filter(|question| question["user"] == "good").map(about).collect();
    good.sort();
    let want = [" api  ", " metrics  ", "hls read x a=1", "rtsp read x ", "webrtc publish x ", "webrtc read x "];
    assert_eq!(good, want);
    assert!(asked.iter().any(|question| question["protocol"] == "rtsp" && question["id"].is_string()));
    assert!(asked.iter().any(|question| question["userAgent"].as_str().unwrap().starts_with("curl/")));
    for user in ["", "good:wrong"] {
        assert_eq!(faces.statuses(user).await, ["401"; 6], "{user}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_a_fault_at_every_face_and_not_a_wrong_password() {
    let hung = hung().await;
    let faces = Faces::new(json!({"authMethod": "http", "authHTTPAddress": hung.url})).await;
    let started = Instant::now();
    for status in faces.statuses("good:right").await {
        assert!(status.starts_with('5'), "{status}");
    }
    assert!(started.elapsed() < ASK_TIMEOUT * 3, "{:?}", started.elapsed());
}
