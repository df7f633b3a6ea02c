use std::net::SocketAddr;

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
    routing::post,
};
use domain::{AgencyId, CameraId, Secret};
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

fn listed(device: &str, agency: &str, name_ar: &str) -> vms::Listed {
    let id = CameraId::derived("test", device);
    let names = (device, (!name_ar.is_empty()).then_some(name_ar));
    let mut details = vms::rtsp_details(id, AgencyId::new(agency).unwrap(), names, Some("rtsp://10.0.0.1/"), None);
    details.metadata.insert("latitude".into(), "25.2".into());
    vms::Listed { id, details }
}

/// A directory on a catalogue in memory.
pub(crate) async fn empty_directory() -> Directory {
    let catalogue = db::sqlite::open_in_memory(db::SealingKey::new(&[7; 32]), db::Limits::default()).await.unwrap();
    Directory::open(Arc::new(catalogue)).await.unwrap()
}

async fn state() -> State {
    let policy = Arc::new(TokenPolicy::new(Secret::new("right; one".into()), true));
    let hub = Hub::new(policy.clone(), Arc::new(Nobody));
    let directory = empty_directory().await;
    let cameras =
        vec![listed("Gate 1", "METRO", "بوابة"), listed("Depot", "BUS", "مستودع"), listed("Gate 2", "BUS", "")];
    directory.import("test", cameras.clone()).await.unwrap();
    let source = Source::Rtsp(RtspSource::new("rtsp://10.0.0.1/".into(), None));
    let path = Arc::new(config::Path { source, on_demand: true, ..config::Path::default() });
    let main = |camera: &vms::Listed| camera.details.streams[0].path.clone();
    let exact = cameras.iter().take(2).map(|camera| (main(camera), Arc::clone(&path))).collect();
    hub.apply(config::Paths { exact, ..config::Paths::default() });
    let ports = Ports { rtsp: 8554, hls: Some(8888), webrtc: None };
    State { hub, directory, policy, ports, started: WallTime::from_unix_us(0) }
}

async fn send(request: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, HeaderMap, String) {
    send_to(&state().await, request, headers, body).await
}

async fn send_to(
    state: &State,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let (method, uri) = request.split_once(' ').unwrap();
    let mut built = Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
    for (name, value) in headers {
        built.headers_mut().insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
    }
    built.extensions_mut().insert(ConnectInfo("127.0.0.1:1000".parse::<SocketAddr>().unwrap()));
    let application = Router::new().route("/api/v1/wall/session", post(async || "wall"));
    let (parts, body) = router(state.clone(), application).oneshot(built).await.unwrap().into_parts();
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
        ("", 3, "Depot,Gate 1,Gate 2"),
        ("?source=BUS", 2, "Depot,Gate 2"),
        ("?q=gate", 2, "Gate 1,Gate 2"),
        ("?q=%D8%A8%D9%88%D8%A7%D8%A8%D8%A9", 1, "Gate 1"),
        ("?status=ONLINE", 2, "Depot,Gate 1"),
        ("?status=OFFLINE&source=BUS", 1, "Gate 2"),
        ("?limit=1&offset=1", 3, "Gate 1"),
        ("?offset=9", 3, ""),
        ("?source=&q=", 3, "Depot,Gate 1,Gate 2"),
        ("?q=%D8%A7%D9%84%D8%A8%D9%88%D8%A7%D8%A8%D9%87", 1, "Gate 1"),
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
async fn a_camera_is_added_and_removed_and_its_password_is_never_answered() {
    let state = state().await;
    let json = [("content-type", "application/json")];
    let body = r#"{"name": "Roof", "name_ar": "السطح", "source": "METRO", "main": "rtsp://u:hidden!@10.0.0.9/x",
        "location": {"latitude": 25.1, "longitude": 55.2, "address": "Union"}, "metadata": {"floor": "3"}}"#;
    let (status, _, answer) = send_to(&state, "POST /api/v1/cameras", &json, body).await;
    assert!(status == 201 && !answer.contains("hidden!"), "{answer}");
    let added: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&added["name_ar"], &added["location"]["longitude"]), (&"السطح".into(), &55.2.into()));
    let id = added["id"].as_str().unwrap();
    let (_, _, list) = send_to(&state, "GET /api/v1/cameras?q=union", &[], "").await;
    assert!(list.contains(id) && !list.contains("hidden!"), "{list}");
    assert!(
        state.directory.snapshot().entries().iter().any(|entry| entry.keys["source"] == "rtsp://u:hidden!@10.0.0.9/x")
    );
    assert_eq!(send_to(&state, &format!("DELETE /api/v1/cameras/{id}"), &[], "").await.0, 204);
    assert_eq!(send_to(&state, &format!("DELETE /api/v1/cameras/{id}"), &[], "").await.0, 404);
    let imported = format!("DELETE /api/v1/cameras/{}", CameraId::derived("test", "Depot"));
    let (status, _, answer) = send_to(&state, &imported, &[], "").await;
    assert!(status == 409 && answer.contains("CAMERA_HAS_A_SOURCE"), "{answer}");

    for (body, status, said) in [
        (r#"{"name": "x", "source": "METRO"}"#, 422, "neither main nor sub"),
        (r#"{"name": " ", "source": "METRO", "main": "rtsp://10.0.0.9/"}"#, 422, "the name is empty"),
        (r#"{"name": "x", "source": "metro!", "main": "rtsp://10.0.0.9/"}"#, 422, "the agency"),
        (r#"{"name": "x", "source": "METRO", "main": "http://u:hidden!@10.0.0.9/"}"#, 422, "must begin with rtsp://"),
        (
            r#"{"name": "x", "source": "METRO", "main": "rtsp://10.0.0.9/", "location": {"latitude": 1}}"#,
            422,
            "go together",
        ),
        (r#"{"name": "x", "source": "METRO", "main": "rtsp://10.0.0.9/", "colour": 1}"#, 400, "unknown field `colour`"),
        (
            r#"{"name": "x", "source": "METRO", "main": "rtsp://10.0.0.9/", "location": {"latitude": 99, "longitude": 1}}"#,
            400,
            "not on the earth",
        ),
    ] {
        let (got, _, answer) = send_to(&state, "POST /api/v1/cameras", &json, body).await;
        assert!(got == status && answer.contains(said) && !answer.contains("hidden!"), "{body}: {got} {answer}");
        assert!(answer.contains("message_ar"), "{answer}");
    }
}

#[tokio::test]
async fn folders_are_a_tree_of_cameras() {
    let state = state().await;
    let folder = |n: u128, parent: Option<u128>, name: &str| db::Folder {
        id: db::FolderId::from_uuid(uuid::Uuid::from_u128(n)),
        parent: parent.map(|n| db::FolderId::from_uuid(uuid::Uuid::from_u128(n))),
        server: None,
        name: name.into(),
        name_ar: String::new(),
    };
    let catalogue = state.directory.catalogue();
    catalogue.put_folder(folder(1, None, "Red Line")).await.unwrap();
    catalogue.put_folder(folder(2, Some(1), "Gates")).await.unwrap();
    let mut gate = listed("Roof", "METRO", "");
    gate.details.folders.insert(folder(2, None, "").id);
    state.directory.put(gate.clone()).await.unwrap();
    let (status, _, body) = send_to(&state, "GET /api/v1/folders", &[], "").await;
    assert_eq!(status, 200, "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    let folders = list["folders"].as_array().unwrap();
    assert_eq!((list["total"].as_u64(), folders.len()), (Some(2), 2));
    assert_eq!((&folders[0]["name"], &folders[0]["name_ar"]), (&"Gates".into(), &"Gates".into()));
    assert_eq!((&folders[0]["parent_id"], &folders[0]["cameras"][0]), (&folders[1]["id"], &gate.id.to_string().into()));
    assert_eq!((&folders[1]["parent_id"], &folders[1]["cameras"]), (&Value::Null, &Value::Array(vec![])));
    assert_eq!(send_to(&state, "GET /api/v1/folders?limit=0", &[], "").await.0, 400);
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

#[tokio::test]
async fn the_token_is_traded_for_a_cookie_that_scripts_cannot_read() {
    let state = state().await;
    // The delay of a wrong guess.
    tokio::time::pause();
    let json = ("content-type", "application/json");
    let (status, headers, _) = send_to(&state, "POST /api/v1/login", &[json], r#"{"token": "right; one"}"#).await;
    assert_eq!(status, 204);
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let shown = [("x-forwarded-for", "10.0.0.1"), ("cookie", &*format!("a=b; {pair}"))];
    assert_eq!(send_to(&state, "POST /api/v1/wall/session", &shown, "").await.0, 200);
    let wrong = [("x-forwarded-for", "10.0.0.1"), ("cookie", "cctv_token=d3Jvbmc")];
    assert_eq!(send_to(&state, "GET /api/v1/cameras", &wrong, "").await.0, 401);
    assert_eq!(send_to(&state, "POST /api/v1/login", &[json], r#"{"token": "wrong"}"#).await.0, 401);
    assert_eq!(send_to(&state, "POST /api/v1/login", &[json], "{}").await.0, 400);
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
    assert_eq!(send("PUT /api/v1/cameras", &[], "").await.0, 405);
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
