//! The policy at the faces, with ffmpeg, ffprobe and curl outside.

use std::{process::Stdio, sync::atomic::AtomicUsize};

use domain::WallTime;
use media::rtsp::{self, SessionState};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{
    servers::{Served, in_an_hour, keys_served, serve, signed},
    *,
};
use crate::control;

const DEADLINE: Duration = Duration::from_secs(60);

/// An RTSP server with every way to show a password, and the control API.
struct Faces {
    world: World,
    rtsp: Arc<rtsp::Server>,
    control: Served,
}

impl Faces {
    async fn new(global: Value) -> Self {
        let world = World::new(global).await;
        let port = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = rtsp::Config {
            address: port,
            rtp_address: port,
            rtcp_address: port,
            auth_methods: vec![rtsp::AuthMethod::Basic, rtsp::AuthMethod::DigestMd5, rtsp::AuthMethod::DigestSha256],
            ..rtsp::Config::default()
        };
        let rtsp = Arc::new(rtsp::Server::start(config, world.hub.clone(), CancellationToken::new()).unwrap());
        let servers = control::Servers { rtsp: Some(rtsp.clone()), ..control::Servers::default() };
        let state = control::State {
            settings: world.settings.clone(),
            hub: world.hub.clone(),
            servers,
            policy: world.policy.clone(),
            started: WallTime::from_unix_us(0),
        };
        let control = serve(control::router(state)).await;
        Self { world, rtsp, control }
    }

    fn url(&self, userinfo: &str, path: &str) -> String {
        format!("rtsp://{userinfo}{}/{path}", self.rtsp.local_addr())
    }

    /// ffmpeg that publishes a test picture until it is dropped.
    async fn published(&self, userinfo: &str, path: &str) -> Child {
        let arguments = "-v error -re -f lavfi -i testsrc=size=160x120:rate=10 -c:v libx264 -g 10 -bf 0 -f rtsp";
        let mut command = Command::new("ffmpeg");
        command.args(arguments.split(' ')).args(["-rtsp_transport", "tcp", &self.url(userinfo, path)]);
        let ffmpeg = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let name = domain::PathName::new(path.split('?').next().unwrap()).unwrap();
        let ready = async {
            while !self.world.hub.path_snapshot(&name).is_some_and(|path| path.is_ready()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ready).await.expect("ffmpeg publishes");
        ffmpeg
    }

    /// What ffprobe says of the stream: its codec, or why not.
    async fn probed(&self, userinfo: &str, path: &str) -> String {
        let mut command = Command::new("ffprobe");
        command.args("-v error -rtsp_transport tcp -show_entries stream=codec_name -of csv=p=0".split(' '));
        let output = command.arg(self.url(userinfo, path)).kill_on_drop(true).output();
        let output = tokio::time::timeout(DEADLINE, output).await.expect("ffprobe ends").unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        text.lines().find(|line| line.starts_with("h264") || line.contains("40")).unwrap_or(&text).trim().to_owned()
    }

    /// The status that curl gets, and the answer's first header of the name.
    async fn curl(&self, arguments: &[&str], uri: &str) -> String {
        let mut command = Command::new("curl");
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code} %header{www-authenticate}"]).args(arguments);
        let output = command.arg(format!("{}{uri}", self.control.url)).kill_on_drop(true).output();
        let output = tokio::time::timeout(DEADLINE, output).await.expect("curl ends").unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn users(reader_pass: &str) -> Value {
    json!({"authInternalUsers": [
        {"user": "pub", "pass": "secret", "permissions": [{"action": "publish", "path": "hall"}]},
        {"user": "reader", "pass": reader_pass, "permissions": [{"action": "read", "path": "hall"}]},
        {"user": "admin", "pass": "boss", "permissions": [{"action": "api"}]},
    ]})
}

#[tokio::test]
async fn ffmpeg_publishes_and_reads_by_name_and_password_and_curl_uses_the_control_api() {
    // Digest first; then one hash, so that only Basic is offered.
    for reader_pass in ["password", ARGON2] {
        let faces = Faces::new(users(reader_pass)).await;
        let _publisher = faces.published("pub:secret@", "hall").await;
        assert_eq!(faces.probed("reader:password@", "hall").await, "h264");
        assert!(faces.probed("reader:wrong@", "hall").await.contains("401"), "a wrong password");
        assert!(faces.probed("", "hall").await.contains("401"), "no password");
        assert!(faces.probed("pub:secret@", "hall").await.contains("403"), "a publisher is no reader");
        assert_eq!(faces.curl(&[], "/v3/paths/list").await, "401 Basic realm=\"mediamtx\"");
        assert_eq!(faces.curl(&["-u", "admin:boss"], "/v3/paths/list").await, "200");
        assert_eq!(faces.curl(&["-u", "reader:password"], "/v3/paths/list").await, "401");
        assert_eq!(faces.curl(&["-H", "Authorization: Bearer the operator"], "/v3/info").await, "200");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_rights_ends_the_sessions_that_are_no_longer_allowed_and_no_others() {
    let faces = Faces::new(users("password")).await;
    let (policy, mut tasks) = (faces.world.policy.clone(), tokio::task::JoinSet::new());
    tasks.spawn(async move { policy.enforce(CancellationToken::new()).await });
    let mut publisher = faces.published("pub:secret@", "hall").await;
    let mut reader = Command::new("ffmpeg");
    reader.args(["-v", "error", "-rtsp_transport", "tcp", "-i", &faces.url("reader:password@", "hall")]);
    let mut reader = reader.args(["-f", "null", "-"]).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let uses = |wanted: SessionState| faces.rtsp.sessions().iter().any(|session| session.state == wanted);
    let reads = async {
        while !uses(SessionState::Read) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, reads).await.expect("ffmpeg reads");
    faces.world.set(users("another")).await;
    tokio::time::timeout(DEADLINE, reader.wait()).await.expect("the reader has to go").unwrap();
    assert!(uses(SessionState::Publish) && publisher.try_wait().unwrap().is_none(), "the publisher may stay");
    faces.world.set(json!({"authInternalUsers": []})).await;
    tokio::time::timeout(DEADLINE, publisher.wait()).await.expect("the publisher has to go").unwrap();
}

#[tokio::test]
async fn a_token_opens_rtsp_and_the_control_api_and_its_keys_can_be_fetched_anew() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let keys = keys_served(fetched.clone()).await;
    let faces = Faces::new(json!({"authMethod": "jwt", "authJWTJWKS": format!("{}/jwks", keys.url)})).await;
    let permissions = json!([{"action": "publish"}, {"action": "read", "path": "hall"}, {"action": "api"}]);
    let token = signed(&json!({"sub": "ann", "exp": in_an_hour(), "mediamtx_permissions": permissions}));
    let _publisher = faces.published("", &format!("hall?jwt={token}")).await;
    assert_eq!(faces.probed("", &format!("hall?jwt={token}")).await, "h264");
    assert!(faces.probed("", "hall?jwt=a.b.c").await.contains("401"));
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(faces.curl(&["-H", &bearer, "-X", "POST"], "/v3/auth/jwks/refresh").await, "200");
    assert_eq!(faces.curl(&["-H", &bearer], "/v3/info").await, "200");
    assert_eq!(fetched.load(std::sync::atomic::Ordering::Relaxed), 2);
}
