//! Starts what the configuration names, in the order in which it depends on each other, and stops it the other way round.

mod faces;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, anyhow};
use api::access::Policy;
use domain::WallTime;
use media::{
    Hub,
    admission::TokenPolicy,
    config::{Base, BaseEntry, Keys, Settings},
    hls, rtsp,
    source::rtsp::RtspConnector,
    webrtc,
};
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vms::Directory;

use crate::{
    catalogue,
    command::say,
    config::{CameraEntry, Loaded, Service},
    demo,
    documents::Documents,
    instance, token,
};

/// The name of the listing of cameras in the configuration file.
const CONFIGURATION: &str = "configuration";
/// Paths that anyone who is let in may publish to, besides those of cameras.
const PUBLISH_PATTERNS: [&str; 6] =
    ["~^dubai_police_.+$", "~^metro_.+$", "~^bus_.+$", "~^other_.+$", "~^camera_.+$", "test"];

/// Runs the services until `stop`. With `clips`, the cameras are those of the demonstration.
pub(crate) async fn run(mut loaded: Loaded, clips: Option<PathBuf>, stop: CancellationToken) -> Result<()> {
    let data = loaded.config.data.0.clone();
    let token = match loaded.config.access.token.take() {
        Some(token) => token::Token { secret: token.0, is_new: false },
        None => token::open(&data)?,
    };
    let simulator = match &clips {
        Some(clips) => {
            // The cameras outlive what pulls them, which would miss them.
            let (simulator, cameras) = demo::start(clips, CancellationToken::new()).await?;
            loaded.config.cameras.extend(cameras);
            Some(simulator)
        }
        None => None,
    };
    let operator = TokenPolicy::new(token.secret.clone(), loaded.config.access.trust_loopback);
    let policy = Arc::new(Policy::new(Arc::new(operator)));
    let engine = Engine::start(&loaded, &data, policy, &stop).await?;
    let served = faces::start(&loaded, &engine, &stop).await;
    if served.is_ok() {
        announce(&loaded, engine.directory.snapshot().cameras().len(), &token, &data);
        stop.cancelled().await;
    }
    stop.cancel();
    if let Ok(faces) = served.as_ref() {
        faces.stopped().await;
    }
    engine.shutdown().await;
    if let Some(simulator) = simulator {
        simulator.shutdown().await;
    }
    served.map(drop)
}

/// The media engine and what its faces share.
pub(crate) struct Engine {
    pub(crate) policy: Arc<Policy>,
    pub(crate) directory: Directory,
    pub(crate) hub: Hub,
    pub(crate) settings: Settings,
    pub(crate) rtsp: Arc<rtsp::Server>,
    pub(crate) webrtc: webrtc::Engine,
    pub(crate) muxers: hls::Muxers,
    pub(crate) sessions: api::hls::Sessions,
    pub(crate) started: WallTime,
    /// What follows changes of rights.
    followers: TaskTracker,
}

impl Engine {
    async fn start(loaded: &Loaded, data: &Path, policy: Arc<Policy>, stop: &CancellationToken) -> Result<Self> {
        let listen = &loaded.config.listen;
        let catalogue = catalogue::open(loaded, data).await?;
        let directory = Directory::open(Arc::clone(&catalogue)).await.context("cannot read the catalogue")?;
        let listed = loaded.config.cameras.iter().map(CameraEntry::listed).collect();
        directory.import(CONFIGURATION, listed).await.context("cameras: cannot put them into the catalogue")?;
        let hub = Hub::new(policy.clone(), Arc::new(RtspConnector::new()));
        let documents = Arc::new(Documents::new(catalogue));
        let base = base(loaded);
        let others = base.entries.clone();
        let settings = Settings::open(documents, base, hub.clone()).await?;
        directory.lead(settings.clone(), others).await?;
        policy.follow(settings.watch_global());
        let rtsp = rtsp::Config {
            address: listen.rtsp,
            rtp_address: listen.rtp,
            rtcp_address: listen.rtcp,
            auth_methods: vec![rtsp::AuthMethod::Basic, rtsp::AuthMethod::DigestMd5, rtsp::AuthMethod::DigestSha256],
            ..rtsp::Config::default()
        };
        let rtsp = rtsp::Server::start(rtsp, hub.clone(), stop.child_token())
            .map_err(|error| taken(loaded, "listen.rtsp", listen.rtsp, error.into()))?;
        let webrtc = webrtc::Config {
            udp_address: listen.webrtc_udp,
            tcp_address: Some(listen.webrtc_tcp),
            additional_hosts: loaded.config.media.webrtc_additional_hosts.clone(),
            ..webrtc::Config::default()
        };
        let webrtc = webrtc::Engine::start(webrtc, hub.clone(), Arc::new(directory.clone()), stop.child_token())
            .map_err(|error| webrtc_taken(loaded, error))?;
        let muxers =
            hls::Muxers::new(settings.watch_global(), hub.clone(), Arc::new(directory.clone()), stop.child_token());
        let sessions = api::hls::Sessions::open(policy.operator().token(), data);
        let sessions = sessions.context("data: cannot keep the ended HLS sessions")?;
        let followers = TaskTracker::new();
        let (judges, ending) = (Arc::clone(&policy), stop.child_token());
        followers.spawn(async move { judges.enforce(ending).await });
        let (judged, global, ending) = (sessions.clone(), settings.watch_global(), stop.child_token());
        followers.spawn(async move { judged.follow(global, ending).await });
        let rtsp = Arc::new(rtsp);
        Ok(Self { policy, sessions, directory, hub, settings, rtsp, webrtc, muxers, started: now(), followers })
    }

    async fn shutdown(self) {
        self.followers.close();
        self.followers.wait().await;
        self.webrtc.stopped().await;
        self.muxers.stopped().await;
        self.rtsp.shutdown().await;
        self.hub.shutdown().await;
    }
}

/// An error about one of the two ports of WebRTC; it names the protocol of the port that cannot be had.
fn webrtc_taken(loaded: &Loaded, error: media::Error) -> anyhow::Error {
    let listen = &loaded.config.listen;
    let (key, address) = match error.to_string().contains(" TCP ") {
        true => ("listen.webrtc_tcp", listen.webrtc_tcp),
        false => ("listen.webrtc_udp", listen.webrtc_udp),
    };
    taken(loaded, key, address, error.into())
}

/// An error about an address, with the place that set it and what to do.
pub(crate) fn taken(loaded: &Loaded, key: &str, address: std::net::SocketAddr, error: anyhow::Error) -> anyhow::Error {
    let place = loaded.place_of(key);
    let is_taken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    let other = error.chain().any(is_taken).then(|| instance::answering(&loaded.config.listen)).flatten();
    error.context(match other {
        Some(face) => format!(
            "cctv is already running on this machine and answers on {face}; {place} = \"{address}\" cannot be used twice; \
             stop the other one or choose other ports"
        ),
        None => {
            format!("{place} = \"{address}\" cannot be used; stop the program that holds it or choose another")
        }
    })
}

/// How the server runs, and the patterns to publish under.
fn base(loaded: &Loaded) -> Base {
    let listen = &loaded.config.listen;
    let running = keys(json!({
        "rtspAddress": listen.rtsp.to_string(),
        "rtpAddress": listen.rtp.to_string(),
        "rtcpAddress": listen.rtcp.to_string(),
        "hlsAddress": listen.hls.to_string(),
        "webrtcAddress": listen.webrtc.to_string(),
        "webrtcLocalUDPAddress": listen.webrtc_udp.to_string(),
        "webrtcLocalTCPAddress": listen.webrtc_tcp.to_string(),
        "apiAddress": listen.control.to_string(),
        "metricsAddress": listen.metrics.to_string(),
        "api": true,
        "metrics": true,
        "rtspAuthMethods": ["basic", "digest"],
        "authInternalUsers": trusted_users(loaded.config.access.trust_loopback),
    }));
    let patterns =
        PUBLISH_PATTERNS.iter().map(|name| BaseEntry { name: (*name).into(), keys: Keys::new(), camera: None });
    Base { running, entries: patterns.collect() }
}

/// Who is let in without the token before users are set: direct peers of this machine, if they are trusted.
fn trusted_users(loopback: bool) -> serde_json::Value {
    if !loopback {
        return json!([]);
    }
    let actions = ["publish", "read", "playback", "api", "metrics", "pprof"];
    let permissions: Vec<_> = actions.iter().map(|action| json!({"action": action, "path": ""})).collect();
    json!([{"user": "any", "pass": "", "ips": ["127.0.0.1", "::1"], "permissions": permissions}])
}

fn keys(value: serde_json::Value) -> Keys {
    if let serde_json::Value::Object(keys) = value { keys } else { Keys::new() }
}

/// Tells the person at the terminal where to go and how to get in.
fn announce(loaded: &Loaded, cameras: usize, token: &token::Token, data: &Path) {
    let port = loaded.config.listen.web.port();
    let cameras = match cameras {
        1 => "1 camera".to_owned(),
        many => format!("{many} cameras"),
    };
    if loaded.config.services.runs(Service::Api) {
        say(&format!("\n  cctv is running with {cameras}: http://localhost:{port}/"));
    }
    if token.is_new {
        say(&format!("  From other machines sign in with this token (shown once): {}", token.secret.expose()));
    }
    say(&format!("  On this machine no sign-in is needed; the token is kept in {}\n", data.join("token").display()));
}

fn now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| anyhow!(error)).unwrap_or_default();
    WallTime::from_unix_us(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
