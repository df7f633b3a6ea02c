//! Endpoints of servers that run, of such that do not, and old names.

use media::{
    admission::{About, Caller, Credentials},
    config::ConfigStore as _,
};

use super::*;
use crate::hls::Sessions as HlsSessions;

#[tokio::test]
async fn hls_sessions_are_listed_and_ended() {
    let sessions = HlsSessions::new(&Secret::new("secret".into()));
    let about = About { query: "a=1&token=x".into(), user_agent: "a player".into(), ..About::default() };
    let caller =
        Caller { address: "10.0.0.1:9".parse().unwrap(), forwarded: false, credentials: Credentials::None, about };
    let path = PathName::new("test").unwrap();
    for user in ["ann", "bob"] {
        let viewer = sessions.anew(user);
        sessions.count(&viewer, &caller, &path, 5);
        sessions.count(&viewer, &caller, &path, 7);
    }
    let api = Api::new(Servers { hls_sessions: Some(sessions), ..Servers::default() }).await;
    let page = api.get("/v3/hlssessions/list?itemsPerPage=1&page=1").await;
    assert_eq!((&page["itemCount"], &page["pageCount"]), (&json!(2), &json!(2)));
    let session = &page["items"][0];
    assert_eq!(
        outline(session),
        "created:s id:s isCDN:b outboundBytes:n path:s query:s remoteAddr:s user:s userAgent:s"
    );
    let read = [&session["outboundBytes"], &session["path"], &session["query"], &session["userAgent"]];
    assert_eq!(read, [&json!(12), &json!("test"), &json!("a=1"), &json!("a player")]);
    let id = session["id"].as_str().unwrap();
    assert_eq!(&api.get(&format!("/v3/hlssessions/get/{id}")).await, session);
    api.check(&format!("POST /v3/hlssessions/kick/{id}"), "", 200, ok()).await;
    for request in [format!("GET /v3/hlssessions/get/{id}"), format!("POST /v3/hlssessions/kick/{id}")] {
        api.check(&request, "", 404, error("session not found")).await;
    }
    api.check("GET /v3/hlssessions/get/7", "", 400, error("invalid id")).await;
    assert_eq!(api.get("/v3/hlssessions/list").await["itemCount"], 1);
}

#[tokio::test]
async fn endpoints_of_servers_that_do_not_run_are_not_there() {
    let api = Api::new(Servers::default()).await;
    let id = uuid::Uuid::new_v4();
    for server in ["rtspconns", "rtspsconns", "hlsmuxers"] {
        for end in ["list".to_owned(), format!("get/{id}")] {
            api.check(&format!("GET /v3/{server}/{end}"), "", 404, error("not found")).await;
        }
    }
    let sessions =
        ["rtspsessions", "rtspssessions", "webrtcsessions", "hlssessions", "rtmpconns", "rtmpsconns", "srtconns"];
    for server in sessions.into_iter().chain(["moqsessions"]) {
        for request in ["GET list".to_owned(), format!("GET get/{id}"), format!("POST kick/{id}")] {
            let (method, end) = request.split_once(' ').unwrap();
            api.check(&format!("{method} /v3/{server}/{end}"), "", 404, error("not found")).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_forwarded_and_each_path_says_so() {
    let api = Api::new(Servers::default()).await;
    let empty = json!({"itemCount": 0, "pageCount": 0, "items": []});
    api.check("GET /v3/paths/forward/list?path=test", "", 200, empty).await;
    api.check("GET /v3/paths/forward/list?path=test&itemsPerPage=0", "", 400, error("invalid items per page")).await;
    let nothing = error("forward destination not found");
    api.check("GET /v3/paths/forward/get?path=test&id=1", "", 404, nothing).await;
    for end in ["list?path=none%2Fthere", "get?path=none&id=1"] {
        api.check(&format!("GET /v3/paths/forward/{end}"), "", 404, error("path not found")).await;
    }
    for end in ["list", "list?path=", "get?path=%2F&id=1"] {
        api.check(&format!("GET /v3/paths/forward/{end}"), "", 400, error("invalid name")).await;
    }
}

#[tokio::test]
async fn many_changes_happen_all_or_none() {
    let api = Api::new(Servers::default()).await;
    let before = api.get("/v3/config/paths/list").await;
    let bulk = "POST /v3/config/paths/bulk";
    for (body, status, text) in [
        (r#"{"delete": ["test"], "add": {"x": {}, "cam": {}}}"#, 400, "path already exists"),
        (r#"{"add": {"x": {}}, "patch": {"none": {}}}"#, 404, "path configuration not found"),
        (r#"{"add": {"x": {}}, "replace": {"y": {"colour": 1}}}"#, 400, "colour: unknown key"),
        (r#"{"add": {"x": {}}, "delete": ["none"]}"#, 404, "path configuration not found"),
        (r#"{"add": {"x": {}, "a//b": {}}}"#, 400, "invalid name"),
    ] {
        api.check(bulk, body, status, error(text)).await;
        assert_eq!(api.get("/v3/config/paths/list").await, before, "{body}");
    }
    let (status, _, _) = api.send(bulk, &[], r#"{"erase": []}"#).await;
    assert_eq!(status, 400, "an unknown operation");
    let all = r#"{"delete": ["test"], "add": {"test": {}, "x": {"maxReaders": 1}}, "replace": {"y": {}},
        "patch": {"x": {"maxReaders": 2}}}"#;
    api.check(bulk, all, 200, ok()).await;
    assert_eq!(api.get("/v3/config/paths/get/x").await["maxReaders"], 2);
    assert_eq!(api.get("/v3/config/paths/list").await["itemCount"], 4);
}

#[tokio::test]
async fn old_names_of_keys_set_their_successors_and_are_not_returned() {
    let api = Api::new(Servers::default()).await;
    let add = "POST /v3/config/paths/add";
    let old =
        r#"{"disablePublisherOverride": true, "sourceProtocol": "tcp", "sourceAnyPortEnable": true, "readUser": ""}"#;
    api.check(&format!("{add}/x"), old, 200, ok()).await;
    let read = api.get("/v3/config/paths/get/x").await;
    let now = [&read["overridePublisher"], &read["rtspTransport"], &read["rtspAnyPort"]];
    assert_eq!(now, [&json!(false), &json!("tcp"), &json!(true)]);
    assert!(read.get("disablePublisherOverride").is_none() && read.get("sourceProtocol").is_none());
    for (body, want) in [
        (r#"{"readUser": "u"}"#, "readUser: this old key has no effect here"),
        (r#"{"runOnReady": "sh"}"#, "runOnAvailable: it has no effect here, so only its default is accepted"),
        (r#"{"disablePublisherOverride": 1}"#, "disablePublisherOverride: must be true or false"),
    ] {
        api.check(&format!("{add}/y"), body, 400, error(want)).await;
    }
    let patch = "PATCH /v3/config/global/patch";
    api.check(patch, r#"{"hlsDisable": false, "protocols": ["udp", "tcp"], "apiAllowOrigin": "*"}"#, 200, ok()).await;
    api.check(patch, r#"{"hlsDisable": true}"#, 400, error("hls: it is set in the server's configuration file")).await;
}

#[tokio::test]
async fn users_are_patched_and_their_passwords_stay_hidden() {
    let api = Api::new(Servers::default()).await;
    let patch = "PATCH /v3/config/global/patch";
    let users = r#"{"authInternalUsers": [{"user": "a", "pass": "hidden!", "permissions": [{"action": "read"}]}]}"#;
    api.check(patch, users, 200, ok()).await;
    let shown = api.get("/v3/config/global/get").await;
    assert_eq!(shown["authInternalUsers"][0]["pass"], "<redacted>");
    assert!(!shown.to_string().contains("hidden!"));
    api.check(patch, &json!({"authInternalUsers": shown["authInternalUsers"]}).to_string(), 200, ok()).await;
    let stored = serde_json::to_string(&api.store.load().await.unwrap()).unwrap();
    assert!(stored.contains("hidden!") && !stored.contains("redacted"), "{stored}");
    api.check(patch, r#"{"authMethod": "http"}"#, 400, error("authHTTPAddress: must be set when authMethod is http"))
        .await;
    api.check("POST /v3/auth/jwks/refresh", "", 200, ok()).await;
}
