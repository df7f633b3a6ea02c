//! Servers that decide, or hold the keys: real ones on loopback, such that fail and such that hang.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use tokio::{net::TcpListener, task::JoinHandle};

use super::*;

/// The first key of RFC 8032 section 7.1.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// A server on loopback that ends with the test.
pub(super) struct Served {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    Served { url, task }
}

/// A server that takes connections and never answers.
pub(super) async fn hung() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            open.push(connection);
        }
    });
    Served { url, task }
}

type Asked = Arc<Mutex<Vec<Value>>>;

/// Lets in `good` with password `right`, and whoever shows the token `good-token`.
async fn answer(State(asked): State<Asked>, Json(question): Json<Value>) -> StatusCode {
    let status = match (question["user"].as_str(), question["password"].as_str(), question["token"].as_str()) {
        (Some("good"), Some("right"), Some("")) | (Some(""), Some(""), Some("good-token")) => StatusCode::ACCEPTED,
        (Some("broken"), ..) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::FORBIDDEN,
    };
    asked.lock().unwrap().push(question);
    status
}

#[tokio::test]
async fn another_server_decides_is_asked_once_for_a_while_and_told_all_there_is() {
    let asked = Asked::default();
    let server = serve(Router::new().route("/auth", post(answer)).with_state(asked.clone())).await;
    let url = format!("{}/auth", server.url);
    let exclude = json!([{"action": "metrics"}, {"action": "read", "path": "public"}]);
    let world = World::new(json!({"authMethod": "http", "authHTTPAddress": url, "authHTTPExclude": exclude})).await;
    let check = async |shown: Credentials, action, path: &str, want: &str| {
        assert_eq!(world.decide("192.0.2.1", &shown, action, path).await, want, "{shown:?} {action:?} {path}");
    };
    for _ in 0..3 {
        check(password("good", "right"), Action::Publish, "x", "ok good").await;
    }
    assert_eq!(asked.lock().unwrap().len(), 1, "a consent is remembered");
    let want = json!({
        "user": "good", "password": "right", "token": "", "ip": "192.0.2.1", "action": "publish", "path": "x",
        "protocol": "", "id": null, "query": "", "userAgent": "",
    });
    assert_eq!(asked.lock().unwrap()[0], want);
    check(bearer("good-token"), Action::Read, "x", "ok ").await;
    check(password("good", "wrong"), Action::Read, "x", WHO).await;
    check(Credentials::None, Action::Read, "x", WHO).await;
    check(Credentials::None, Action::Read, "public", "ok ").await;
    check(Credentials::None, Action::Metrics, "", "ok ").await;
    check(password("broken", "x"), Action::Read, "x", "cannot ask the authentication server").await;
    let before = asked.lock().unwrap().len();
    check(bearer("the operator"), Action::Api, "", "ok operator").await;
    assert_eq!(asked.lock().unwrap().len(), before, "the operator's token goes to nobody");
}

/// A server with a certificate of its own making that lets in everyone.
const TLS_SERVER: &str = r#"
import http.server, ssl, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

#[tokio::test]
async fn a_server_is_known_by_the_fingerprint_of_its_certificate_and_by_no_other() {
    use tokio::{
        io::{AsyncBufReadExt as _, BufReader},
        process::Command,
    };
    let directory = std::env::temp_dir().join(format!("cctv-tls-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str| directory.join(name).display().to_string();
    let (key, certificate) = (file("key.pem"), file("cert.pem"));
    let made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=nobody -keyout";
    let made = Command::new("openssl").args(made.split(' ')).args([&key, "-out", &certificate]).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let shown = ["x509", "-noout", "-fingerprint", "-sha256", "-in", &certificate];
    let shown = Command::new("openssl").args(shown).output().await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let fingerprint = shown.trim().split_once('=').unwrap().1;
    let mut server = Command::new("python3");
    let server = server.args(["-c", TLS_SERVER, &certificate, &key]).stdout(std::process::Stdio::piped());
    let mut server = server.kill_on_drop(true).spawn().unwrap();
    let port = BufReader::new(server.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let url = format!("https://127.0.0.1:{port}/");
    let no = "cannot ask the authentication server";
    let wrong = "00".repeat(32);
    for (given, want) in
        [(fingerprint, "ok ann"), (&fingerprint.replace(':', "").to_lowercase(), "ok ann"), (&wrong, no), ("", no)]
    {
        let keys = json!({"authMethod": "http", "authHTTPAddress": url, "authHTTPFingerprint": given});
        let world = World::new(keys).await;
        assert_eq!(world.decide("192.0.2.1", &password("ann", "x"), Action::Read, "x").await, want, "{given}");
    }
    let world = World::new(json!({})).await;
    for (address, given) in [("https://x/", "00"), ("http://x/", wrong.as_str()), ("", wrong.as_str())] {
        let keys = json!({"authHTTPAddress": address, "authHTTPFingerprint": given});
        let refused = world.settings.patch_global(keys.as_object().unwrap().clone()).await.unwrap_err().to_string();
        assert!(refused.starts_with("authHTTPFingerprint: "), "{refused}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn equal_questions_at_the_same_time_are_asked_once() {
    let asked = Asked::default();
    let server = serve(Router::new().route("/auth", post(answer)).with_state(asked.clone())).await;
    let url = format!("{}/auth", server.url);
    let world = World::new(json!({"authMethod": "http", "authHTTPAddress": url})).await;
    for (shown, want) in [(password("good", "right"), "ok good"), (password("good", "wrong"), WHO)] {
        let questions = (0..50).map(|_| world.decide("192.0.2.1", &shown, Action::Read, "x"));
        for answered in futures_util::future::join_all(questions).await {
            assert_eq!(answered, want);
        }
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()).len(), 1, "{want}");
    }
}

#[tokio::test]
async fn a_server_that_is_dead_or_hangs_lets_in_nobody_and_holds_up_nobody_for_long() {
    let hung = hung().await;
    for url in ["http://127.0.0.1:1/auth", &hung.url] {
        let world = World::new(json!({"authMethod": "http", "authHTTPAddress": url})).await;
        let started = Instant::now();
        let shown = password("good", "right");
        let questions = (0..100).map(|_| world.decide("192.0.2.1", &shown, Action::Read, "x"));
        for answered in futures_util::future::join_all(questions).await {
            assert_eq!(answered, "cannot ask the authentication server");
        }
        assert!(started.elapsed() < ASK_TIMEOUT * 3, "{url} {:?}", started.elapsed());
        assert_eq!(world.decide("192.0.2.1", &bearer("the operator"), Action::Api, "").await, "ok operator");
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A token of the key `k`.
pub(super) fn signed(claims: &Value) -> String {
    let pkcs8 = [bytes("302e020100300506032b657004220420"), bytes(SEED)].concat();
    let header = Header { kid: Some("k".into()), ..Header::new(jsonwebtoken::Algorithm::EdDSA) };
    encode(&header, claims, &EncodingKey::from_ed_der(&pkcs8)).unwrap()
}

fn key_set() -> Value {
    let x = BASE64_URL_SAFE_NO_PAD.encode(bytes(PUBLIC));
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "alg": "EdDSA", "use": "sig", "x": x}]})
}

pub(super) fn in_an_hour() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp() + 3600
}

/// A server of keys that counts its requests.
pub(super) async fn keys_served(fetched: Arc<AtomicUsize>) -> Served {
    let keys = move || {
        fetched.fetch_add(1, Ordering::Relaxed);
        async { Json(key_set()) }
    };
    serve(Router::new().route("/jwks", get(keys))).await
}

#[tokio::test]
async fn a_token_says_what_its_bearer_may_do() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let server = keys_served(fetched.clone()).await;
    let jwks = format!("{}/jwks", server.url);
    let world = World::new(json!({
        "authMethod": "jwt", "authJWTJWKS": jwks, "authJWTIssuer": "us", "authJWTAudience": "cctv",
        "authJWTExclude": [{"action": "metrics"}],
    }))
    .await;
    let read = json!([{"action": "read", "path": "~^hall/"}]);
    let good = json!({"sub": "ann", "exp": in_an_hour(), "iss": "us", "aud": "cctv", "mediamtx_permissions": read});
    let with = |changes: Value| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        signed(&claims)
    };
    let check = async |token: &str, path: &str, want: &str| {
        let got = world.decide("192.0.2.1", &bearer(token), Action::Read, path).await;
        assert_eq!(got, want, "{token} {path}");
    };
    let token = with(json!({}));
    check(&token, "hall/1", "ok ann").await;
    check(&token, "gate", NO).await;
    check(&with(json!({"mediamtx_permissions": read.to_string()})), "hall/1", "ok ann").await;
    for wrong in [
        json!({"exp": 1000}),
        json!({"nbf": in_an_hour()}),
        json!({"iss": "them"}),
        json!({"aud": "other"}),
        json!({"mediamtx_permissions": null}),
        json!({"mediamtx_permissions": "["}),
    ] {
        check(&with(wrong), "hall/1", WHO).await;
    }
    let (head, tail) = token.rsplit_once('.').unwrap();
    let other = with(json!({"sub": "bob"}));
    let unsigned =
        format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), head.split('.').nth(1).unwrap());
    let symmetric = encode(&Header::default(), &good, &EncodingKey::from_secret(&bytes(PUBLIC))).unwrap();
    let swapped = format!("{}.{tail}", other.rsplit_once('.').unwrap().0);
    for broken in ["", "a.b.c", &unsigned, &symmetric, &swapped] {
        check(broken, "hall/1", WHO).await;
    }
    assert_eq!(world.decide("192.0.2.1", &password("", &token), Action::Read, "hall/1").await, "ok ann");
    assert_eq!(world.decide("192.0.2.1", &Credentials::None, Action::Metrics, "").await, "ok ");
    assert_eq!(world.decide("127.0.0.1", &Credentials::None, Action::Read, "hall/1").await, WHO);
    assert_eq!(fetched.load(Ordering::Relaxed), 1, "the keys are fetched once");
    world.policy.forget_keys();
    check(&token, "hall/1", "ok ann").await;
    assert_eq!(fetched.load(Ordering::Relaxed), 2, "they are fetched anew when they were forgotten");
}

#[tokio::test]
async fn keys_that_cannot_be_had_let_in_nobody_and_hold_up_nobody_for_long() {
    let (hung, broken) = (hung().await, serve(Router::new().route("/", get(|| async { "no keys" }))).await);
    for url in ["http://127.0.0.1:1/", &hung.url, &broken.url, &format!("{}/missing", broken.url)] {
        let world = World::new(json!({"authMethod": "jwt", "authJWTJWKS": url})).await;
        let token = bearer(&signed(&json!({"exp": in_an_hour(), "mediamtx_permissions": []})));
        let started = Instant::now();
        let questions = (0..100).map(|_| world.decide("192.0.2.1", &token, Action::Read, "x"));
        for answered in futures_util::future::join_all(questions).await {
            assert_eq!(answered, "cannot fetch the keys of tokens", "{url}");
        }
        assert!(started.elapsed() < ASK_TIMEOUT * 3, "{url} {:?}", started.elapsed());
    }
}
