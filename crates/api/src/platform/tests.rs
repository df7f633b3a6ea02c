use std::{collections::BTreeMap, net::SocketAddr};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
    routing::post,
};
use domain::{AgencyId, Camera, CameraId, Secret};
use media::{
    config::{self, RtspSource, Source},
    source,
};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

struct Nobody;

impl source::Connector for Nobody {
    fn connect(&self, _: &Source) -> Option<Box<dyn source::Source>> {
        None
    }
}

struct Cameras(Vec<Camera>);

impl Catalogue for Cameras {
    fn camera(&self, id: CameraId) -> Option<Camera> {
        self.0.iter().find(|camera| camera.id == id).cloned()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.0.clone()
    }
}

fn camera(device: &str, agency: &str, name_ar: &str) -> Camera {
    let id = CameraId::derived("test", device);
    Camera {
        id,
        name: device.into(),
        name_ar: name_ar.into(),
        agency: AgencyId::new(agency).unwrap(),
        main: Some(Camera::path_of(id, domain::Rendition::Main)),
        sub: None,
        metadata: BTreeMap::from([("latitude".into(), "25.2".into())]),
    }
}

fn state() -> State {
    let policy = Arc::new(TokenPolicy::new(Secret::new("right; one".into()), true));
    let hub = Hub::new(policy.clone(), Arc::new(Nobody));
    let cameras =
        vec![camera("Gate 1", "METRO", "بوابة"), camera("Depot", "BUS", "مستودع"), camera("Gate 2", "BUS", "")];
    let source = Source::Rtsp(RtspSource::new("rtsp://10.0.0.1/".into(), None));
    let path = Arc::new(config::Path { source, on_demand: true, ..config::Path::default() });
    let exact = cameras.iter().take(2).map(|camera| (camera.main.clone().unwrap(), Arc::clone(&path))).collect();
    hub.apply(config::Paths { exact, ..config::Paths::default() });
    let ports = Ports { rtsp: 8554, hls: Some(8888), webrtc: None };
    State { hub, catalogue: Arc::new(Cameras(cameras)), policy, ports, started: WallTime::from_unix_us(0) }
}

async fn send(request: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, HeaderMap, String) {
    let (method, uri) = request.split_once(' ').unwrap();
    let mut built = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
    for (name, value) in headers {
        built.headers_mut().insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
    }
    built.extensions_mut().insert(ConnectInfo("127.0.0.1:1000".parse::<SocketAddr>().unwrap()));
    let application = Router::new().route("/api/v1/wall/session", post(async || "wall"));
    let (parts, body) = router(state(), application).oneshot(built).await.unwrap().into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn get_json(uri: &str) -> Value {
    let (status, _, body) = send(&format!("GET {uri}"), &[("host", "127.0.0.1:8000")], "").await;
    assert_eq!(status, 200, "{uri}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn cameras_are_filtered_and_paged() {
    for (query, total, names) in [
        ("", 3, "Gate 1,Depot,Gate 2"),
        ("?source=BUS", 2, "Depot,Gate 2"),
        ("?q=gate", 2, "Gate 1,Gate 2"),
        ("?q=%D8%A8%D9%88%D8%A7%D8%A8%D8%A9", 1, "Gate 1"),
        ("?status=ONLINE", 2, "Gate 1,Depot"),
        ("?status=OFFLINE&source=BUS", 1, "Gate 2"),
        ("?limit=1&offset=1", 3, "Depot"),
        ("?offset=9", 3, ""),
        ("?source=&q=", 3, "Gate 1,Depot,Gate 2"),
    ] {
        let list = get_json(&format!("/api/v1/cameras{query}")).await;
        let got: Vec<_> = list["cameras"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!((list["total"].as_u64().unwrap(), got.join(",").as_str()), (total, names), "{query}");
        assert_eq!(list["count"], got.len());
    }
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?offset=-1", "?status=online", "?colour=red"] {
        let (status, _, body) = send(&format!("GET /api/v1/cameras{query}"), &[], "").await;
        assert_eq!(status, 400, "{query}: {body}");
    }
}

#[tokio::test]
async fn a_camera_says_where_its_pictures_are() {
    let id = CameraId::derived("test", "Gate 1");
    let camera = get_json(&format!("/api/v1/cameras/{id}")).await;
    assert_eq!(camera["rtsp_url"], format!("rtsp://127.0.0.1:8554/camera_{id}"));
    assert_eq!(camera["hls_url"], format!("http://127.0.0.1:8888/camera_{id}/index.m3u8"));
    assert_eq!((&camera["whep_url"], &camera["status"]), (&Value::Null, &"ONLINE".into()));
    assert_eq!(camera["location"]["latitude"], 25.2);
    assert_eq!((&camera["streams"][0]["kind"], &camera["streams"][0]["state"]), (&"main".into(), &"idle".into()));
    let (status, _, body) = send(&format!("GET /api/v1/cameras/{}", uuid::Uuid::new_v4()), &[], "").await;
    assert!(status == 404 && body.contains("CAMERA_NOT_FOUND"), "{body}");
}

#[tokio::test]
async fn who_is_not_on_this_machine_shows_the_token() {
    let elsewhere = ("x-forwarded-for", "10.0.0.1");
    let uris = ["GET /api/v1/cameras", "POST /api/v1/wall/session", "GET /api/v1/openapi.json", "GET /metrics"];
    for uri in uris {
        let (status, _, body) = send(uri, &[elsewhere], "").await;
        assert!(status == 401, "{uri}: {body}");
        let foreign = [("origin", "http://evil.example"), ("host", "localhost:8000")];
        assert_eq!(send(uri, &foreign, "").await.0, 401, "{uri}");
        assert_eq!(send(uri, &[elsewhere, ("authorization", "Bearer right; one")], "").await.0, 200, "{uri}");
    }
    for uri in ["GET /", "GET /wall/3", "GET /health", "GET /api/docs", "GET /api/docs/page.js"] {
        assert_eq!(send(uri, &[elsewhere], "").await.0, 200, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_is_traded_for_a_cookie_that_scripts_cannot_read() {
    let json = ("content-type", "application/json");
    let (status, headers, _) = send("POST /api/v1/login", &[json], r#"{"token": "right; one"}"#).await;
    assert_eq!(status, 204);
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let shown = [("x-forwarded-for", "10.0.0.1"), ("cookie", &*format!("a=b; {pair}"))];
    assert_eq!(send("POST /api/v1/wall/session", &shown, "").await.0, 200);
    let wrong = [("x-forwarded-for", "10.0.0.1"), ("cookie", "cctv_token=d3Jvbmc")];
    assert_eq!(send("GET /api/v1/cameras", &wrong, "").await.0, 401);
    assert_eq!(send("POST /api/v1/login", &[json], r#"{"token": "wrong"}"#).await.0, 401);
    assert_eq!(send("POST /api/v1/login", &[json], "{}").await.0, 400);
}

#[tokio::test]
async fn pages_run_no_foreign_script_and_unknown_files_are_not_the_start_page() {
    let (_, headers, _) = send("GET /", &[], "").await;
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("worker-src 'self' blob:"), "{policy}");
    for uri in ["GET /assets/none.js", "GET /api/none", "GET /api/v1/none", "POST /api/v1/none"] {
        assert_eq!(send(uri, &[], "").await.0, 404, "{uri}");
    }
    assert_eq!(send("POST /wall", &[], "").await.0, 405);
    assert_eq!(send("POST /api/v1/cameras", &[], "").await.0, 405);
}

#[tokio::test]
async fn the_interface_describes_itself() {
    let description = get_json("/api/v1/openapi.json").await;
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(description["paths"]["/api/v1/cameras"]["get"].is_object());
    assert!(description["components"]["schemas"]["Camera"]["properties"]["name_ar"].is_object());
}

#[tokio::test]
async fn metrics_name_streams_by_state() {
    let (_, _, text) = send("GET /metrics", &[], "").await;
    assert!(text.contains("cctv_streams{state=\"idle\"} 2\n"), "{text}");
}
