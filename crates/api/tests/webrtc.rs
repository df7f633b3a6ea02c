//! WebRTC with a real browser: a WHEP session plays, what cannot be shown is refused.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper fails the test")]

#[path = "webrtc/aiortc.rs"]
mod aiortc;
#[path = "webrtc/harness.rs"]
mod harness;

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, Response},
};
use serde_json::Value;
use tower::ServiceExt;

use domain::Camera;
use harness::{Bench, Clip, camera};
use media::{
    hub::{PublisherKind, SourceSnapshot},
    webrtc::Role,
};

const PAGE: &str = include_str!("webrtc/whep.html");
/// The player's page, and a script that looks at what it shows in the end.
const FALLBACK: &str = concat!(include_str!("../src/whep/page.html"), include_str!("webrtc/fallback.html"));
const WALL: &str = include_str!("webrtc/wall.html");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_plays_a_whep_session_from_the_middle_of_a_long_gop() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 120).await;
    bench.publish("test", &clip).await;
    let report = bench.witness("").await;
    assert_eq!(report["width"], 320, "{report}");
    assert!(report["frames"].as_u64().unwrap() >= 45, "{report}");
    assert!(report["first_ms"].as_f64().unwrap() < 3000.0, "{report}");
    // The clock of the sender, which players hold sound and picture together by, comes every second.
    let sender = &report["sender"];
    assert!(sender["reports"].as_u64() >= Some(3) && sender["packets"].as_u64() > Some(45), "{report}");
    assert!((-1000.0..3000.0).contains(&sender["behind_ms"].as_f64().unwrap()), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_plays_over_tcp_where_no_udp_passes() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 120).await;
    bench.publish("test", &clip).await;
    let report = bench.witness("transport=tcp").await;
    assert_eq!((&report["protocol"], &report["width"]), (&"tcp".into(), &320.into()), "{report}");
    assert!(report["frames"].as_u64().unwrap() >= 45, "{report}");
    assert!(report["first_ms"].as_f64().unwrap() < 3000.0, "{report}");
    assert_eq!(report["inbound"]["lost"], 0, "{report}");
    let session = &bench.engine.sessions()[0];
    assert!(session.local_candidate.starts_with("host/tcp/127.0.0.1/"), "{session:?}");
    assert!(session.remote_candidate.starts_with("prflx/tcp/127.0.0.1/"), "{session:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_shows_each_camera_in_its_slot_whatever_was_there_before() {
    let cameras: Vec<Camera> = ["a", "b", "c", "d", "e"].iter().map(|name| camera(name, *name == "a")).collect();
    let mut bench = Bench::start(WALL, cameras.clone()).await;
    let mut listed = Vec::new();
    for (camera, colour) in cameras.iter().zip(["red", "lime", "blue", "yellow", "red"]) {
        let b_frames = if listed.len() == 4 { 2 } else { 0 };
        let clip = Clip::make(bench.scratch(), colour, "320x180", b_frames, 30).await;
        listed.push(bench.camera(camera, &clip, colour).await);
    }
    let main = Clip::make(bench.scratch(), "red", "640x360", 0, 30).await;
    bench.publish(cameras[0].main.as_ref().unwrap().as_str(), &main).await;

    let report = bench.witness(&format!("step=wall&slots=4&cameras={}", listed.join(","))).await;
    assert_eq!(report["answer"]["slots"].as_array().unwrap().len(), 4, "{report}");
    assert!(report["answer"]["audio_mid"].is_string());
    for (slot, colour) in ["red", "lime", "blue", "yellow"].iter().enumerate() {
        assert_eq!(report["first"][slot]["picture"], *colour, "{report}");
    }
    assert_eq!((&report["swapped"][0]["picture"], &report["swapped"][1]["picture"]), (&"lime".into(), &"red".into()));
    assert!(report["released"].as_u64().unwrap() <= 1, "{report}");
    assert_eq!(report["main"]["picture"], "red");
    assert_eq!(report["main"]["state"]["rendition"], "main", "{report}");
    assert!(report["grown"].as_array().unwrap().iter().all(|frames| frames.as_u64().unwrap() >= 20), "{report}");
    assert_eq!(report["denied"][2]["error"]["code"], "LANE_UNSUITABLE");
    assert_eq!(report["denied"][2]["error"]["lanes"][0], "hls");
    assert_eq!(report["denied"][3]["error"]["code"], "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_cameras_play_on_one_connection() {
    let cameras: Vec<Camera> = (0..64).map(|number| camera(&number.to_string(), false)).collect();
    let mut bench = Bench::start(WALL, cameras.clone()).await;
    let colours = ["red", "lime", "blue", "yellow"];
    let mut clips = Vec::new();
    for colour in colours {
        clips.push(Clip::make(bench.scratch(), colour, "320x180", 0, 30).await);
    }
    let mut listed = Vec::new();
    for (number, camera) in cameras.iter().enumerate() {
        listed.push(bench.camera(camera, &clips[number % 4], colours[number % 4]).await);
    }
    let report = bench.witness(&format!("step=many&slots=64&cameras={}", listed.join(","))).await;
    assert_eq!(report["wrong"], Value::Array(vec![]), "{report}");
    assert!(report["least_fps"].as_f64().unwrap() >= 1.0, "{report}");
    assert!(report["phases"].as_array().unwrap().iter().all(|phase| phase == "live"), "{report}");
}

#[tokio::test]
async fn a_stream_with_b_frames_is_refused_with_the_hls_address() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 2, 30).await;
    bench.publish("test", &clip).await;
    // The first keyframe is enough: its parameter sets announce the order of the pictures.
    bench.ready("test").await;
    let (response, body) = bench.ask(Method::POST, "/test/whep", &[("content-type", "application/sdp")], OFFER).await;
    assert_eq!(response.status(), 422, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["error"]["message_en"].as_str().unwrap().contains("B-frames"), "{body}");
    assert_eq!(body["error"]["alternatives"][0], "http://localhost:8888/test/index.m3u8");
    assert!(bench.engine.sessions().is_empty());
}

#[tokio::test]
async fn an_offer_without_the_codec_of_the_stream_is_refused_with_the_hls_address() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 30).await;
    bench.publish("test", &clip).await;
    bench.ready("test").await;
    for other in ["VP8/90000", "H265/90000"] {
        let offer = OFFER.replace("H264/90000", other);
        let sdp = [("content-type", "application/sdp")];
        let (response, body) = bench.ask(Method::POST, "/test/whep", &sdp, &offer).await;
        assert_eq!(response.status(), 422, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"]["message_en"].as_str().unwrap().contains("H.264"), "{body}");
        assert_eq!(body["error"]["alternatives"][0], "http://localhost:8888/test/index.m3u8");
        assert!(bench.engine.sessions().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_player_falls_back_to_hls_by_itself() {
    let mut bench = Bench::start(FALLBACK, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 2, 15).await;
    bench.publish("test", &clip).await;
    let report = bench.report_of("live/test/witness").await;
    assert!(report["frames"].as_u64().unwrap() >= 30, "{report}");
    assert_eq!(report["hidden"], false, "{report}");
    assert!(bench.engine.sessions().is_empty());
}

#[tokio::test]
async fn every_step_of_whep_is_answered_as_the_draft_says() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 30).await;
    bench.publish("test", &clip).await;
    let sdp = ("content-type", "application/sdp");
    let fragment = ("content-type", "application/trickle-ice-sdpfrag");
    bench.check(Method::OPTIONS, "/test/whep", &[], "", 204).await;
    bench.check(Method::GET, "/test/whep", &[], "", 204).await;
    let head = bench.check(Method::HEAD, "/test/whep", &[], "", 200).await;
    assert_eq!(head.headers()["content-type"], "application/sdp");
    bench.check(Method::POST, "/test/whep", &[("content-type", "text/plain")], OFFER, 415).await;
    bench.check(Method::POST, "/test/whep", &[sdp], "nonsense", 400).await;
    bench.check(Method::POST, "/nobody/whep", &[sdp], OFFER, 404).await;
    bench.check(Method::POST, "/test/whep", &[sdp], &" ".repeat(200_000), 413).await;
    bench.check(Method::POST, "/test/whep", &[sdp, ("authorization", "Bearer wrong")], OFFER, 401).await;
    assert!(bench.engine.sessions().is_empty());

    let opened = bench.check(Method::POST, "/test/whep", &[sdp], OFFER, 201).await;
    let header = |name: &str| opened.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/sdp");
    assert_eq!(header("accept-patch"), "application/trickle-ice-sdpfrag");
    assert_eq!(header("id"), bench.engine.sessions()[0].id.to_string());
    let (url, tag) = (format!("/test/{}", header("location")), header("etag"));

    let same = ("if-match", tag.as_str());
    bench.check(Method::PATCH, &url, &[fragment, same], "a=ice-ufrag:u123\r\na=candidate:x\r\n", 204).await;
    bench.check(Method::PATCH, &url, &[fragment], "", 428).await;
    bench.check(Method::PATCH, &url, &[fragment, ("if-match", "\"other\"")], "", 412).await;
    bench.check(Method::PATCH, &url, &[sdp, same], "", 415).await;
    let any = ("if-match", "*");
    bench.check(Method::PATCH, &url, &[fragment, any], "a=ice-ufrag:new\r\n", 400).await;
    let again = "a=ice-ufrag:new1\r\na=ice-pwd:qqqqqqqqqqqqqqqqqqqqqqqq\r\n";
    bench.check(Method::PATCH, &url, &[fragment, same], again, 412).await;
    let (restarted, body) = bench.ask(Method::PATCH, &url, &[fragment, any], again).await;
    assert_eq!(
        (restarted.status().as_u16(), &restarted.headers()["content-type"]),
        (200, &fragment.1.parse().unwrap())
    );
    let line = |name: &str| body.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("a=ice-lite") == "a=ice-lite" && line("a=ice-ufrag:").len() > 12 && line("a=candidate:").len() > 12);
    let fresh = restarted.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(fresh, tag);
    bench.check(Method::PATCH, &url, &[fragment, same], "a=ice-ufrag:new1\r\n", 412).await;
    let same = ("if-match", fresh.as_str());
    bench.check(Method::PATCH, &url, &[fragment, same], "a=ice-ufrag:new1\r\na=candidate:x\r\n", 204).await;
    bench.check(Method::DELETE, &url, &[], "", 200).await;
    bench.check(Method::DELETE, &url, &[], "", 404).await;
    bench.check(Method::PATCH, &url, &[fragment, same], "", 404).await;
    assert!(bench.engine.sessions().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_publishes_its_camera_and_others_read_it_by_rtsp() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let mut chromium = bench.browse("cam/publish");
    bench.ready("cam").await;
    let seen = bench.probe("cam", 5).await;
    let streams = seen["streams"].as_array().unwrap();
    let of = |kind: &str| streams.iter().find(|stream| stream["codec_type"] == kind).unwrap();
    assert_eq!((&of("video")["codec_name"], &of("audio")["codec_name"]), (&"h264".into(), &"opus".into()), "{seen}");
    let frames: u32 = of("video")["nb_read_frames"].as_str().unwrap().parse().unwrap();
    assert!(frames >= 40, "{frames} frames in 5 s");

    let session = bench.engine.sessions().into_iter().find(|session| session.role == Role::Publish).unwrap();
    assert!(session.inbound_rtp_packets > 100 && session.peer_connection_established, "{session:?}");
    let path = bench.hub.path_snapshot(&harness::name("cam")).unwrap();
    assert_eq!(path.source, Some(SourceSnapshot::Publisher(PublisherKind::WebRtcSession, session.id)));
    // Another publisher takes over, and the browser is told to go.
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 30).await;
    bench.publish("cam", &clip).await;
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
    while bench.engine.sessions().iter().any(|known| known.id == session.id) {
        looks.tick().await;
    }
    chromium.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiortc_publishes_by_whip_and_another_reads_by_whep() {
    let bench = Bench::start(PAGE, vec![]).await;
    let url = |end: &str| format!("http://{}/cam/{end}", bench.address);
    let (whip, whep) = (url("whip"), url("whep"));
    let publisher = aiortc::Client::publish(&whip).await;
    bench.ready("cam").await;
    let probed = bench.probe("cam", 3).await;
    let read = aiortc::Client::read(&whep, 5).await.report().await;
    let published = publisher.report().await;
    let kinds: Vec<&str> =
        probed["streams"].as_array().unwrap().iter().map(|stream| stream["codec_name"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["h264", "opus"], "{probed}");
    assert_eq!((&read["width"], &read["deleted"]), (&320.into(), &200.into()), "{read}");
    assert!(read["frames"].as_u64().unwrap() >= 50, "{read}");
    assert_eq!((&published["state"], &published["deleted"]), (&"connected".into(), &200.into()), "{published}");
}

#[tokio::test]
async fn every_step_of_whip_is_answered_as_rfc_9725_says() {
    let mut bench = Bench::start(PAGE, vec![]).await;
    let (sdp, fragment) = (("content-type", "application/sdp"), ("content-type", "application/trickle-ice-sdpfrag"));
    let offer = OFFER.replace("a=recvonly", "a=sendonly");
    bench.check(Method::OPTIONS, "/cam/whip", &[], "", 204).await;
    bench.check(Method::POST, "/cam/whip", &[("content-type", "text/plain")], &offer, 415).await;
    bench.check(Method::POST, "/cam/whip", &[sdp], "nonsense", 400).await;
    bench.check(Method::POST, "/cam/whip", &[sdp, ("authorization", "Bearer wrong")], &offer, 401).await;
    let foreign = offer.replace("H264/90000", "VP8/90000");
    bench.check(Method::POST, "/cam/whip", &[sdp], &foreign, 422).await;
    assert!(bench.engine.sessions().is_empty());

    let opened = bench.check(Method::POST, "/cam/whip", &[sdp], &offer, 201).await;
    let header = |name: &str| opened.headers()[name].to_str().unwrap().to_owned();
    assert!(header("location").starts_with("whip/"));
    assert_eq!(bench.engine.sessions()[0].role, Role::Publish);
    assert!(bench.hub.path_snapshot(&harness::name("cam")).is_none(), "an offer alone takes over nothing");
    let (url, tag) = (format!("/cam/{}", header("location")), header("etag"));
    let same = ("if-match", tag.as_str());
    bench.check(Method::PATCH, &url, &[fragment, same], "a=ice-ufrag:u123\r\na=candidate:x\r\n", 204).await;
    bench.check(Method::PATCH, &url, &[fragment], "", 428).await;
    bench.check(Method::PATCH, &url, &[fragment, ("if-match", "\"other\"")], "", 412).await;
    for stranger in [url.replace("/cam/", "/other/"), url.replace("whip", "whep")] {
        bench.check(Method::DELETE, &stranger, &[], "", 404).await;
    }
    bench.check(Method::DELETE, &url, &[], "", 200).await;
    bench.check(Method::DELETE, &url, &[], "", 404).await;
    assert!(bench.engine.sessions().is_empty());
    let clip = Clip::make(bench.scratch(), "red", "320x180", 0, 30).await;
    bench.publish("cam", &clip).await;
    bench.check(Method::POST, "/cam/whip", &[sdp], &offer, 201).await;
}

impl Bench {
    async fn ask(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &str) -> (Response<()>, String) {
        let peer: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let mut request = Request::builder().method(method).uri(url).extension(axum::extract::ConnectInfo(peer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let state = api::whep::Whep { hub: self.hub.clone(), engine: self.engine.clone(), hls_port: 8888 };
        let (parts, body) = api::whep::router(state).oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (Response::from_parts(parts, ()), String::from_utf8(body.into()).unwrap())
    }

    async fn check(&self, method: Method, url: &str, headers: &[(&str, &str)], body: &str, want: u16) -> Response<()> {
        let (response, text) = self.ask(method.clone(), url, headers, body).await;
        assert_eq!(response.status(), want, "{method} {url}: {text}");
        response
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:u123\r\n\
    a=ice-pwd:pppppppppppppppppppppppp\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:102 H264/90000\r\n\
    a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
    a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
    a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n";
