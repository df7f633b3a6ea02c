//! A hub with live streams, the WebRTC engine, its HTTP faces and a headless Chromium as witness.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use api::{
    hls::{self, Hls},
    platform::live,
    wall::{self, Wall},
    whep::{self, Whep},
};
use axum::{
    Json, Router,
    extract::State,
    response::Html,
    routing::{get, post},
};
use bytes::Bytes;
use domain::{AgencyId, Camera, CameraId, PathName, Rendition, Secret, SessionId, WallTime};
use media::{
    Hub,
    admission::{Action, Caller, Credentials, TokenPolicy},
    catalogue::Catalogue,
    config,
    hls::Muxers,
    hub::{Publisher, PublisherKind},
    rtsp,
    source::{Connector, Source},
    webrtc::{self, Engine},
};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, unit::Head};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const FPS: u32 = 15;
const RATE: NonZeroU32 = NonZeroU32::new(90_000).unwrap();
/// How long Chromium may take to start and report.
const WITNESS_TIMEOUT: Duration = Duration::from_secs(60);

struct NoCameras;

impl Connector for NoCameras {
    fn connect(&self, _: &config::Source) -> Option<Box<dyn Source>> {
        None
    }
}

#[derive(Clone)]
pub(crate) struct Cameras(pub(crate) Vec<Camera>);

impl Catalogue for Cameras {
    fn camera(&self, id: CameraId) -> Option<Camera> {
        self.0.iter().find(|camera| camera.id == id).cloned()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.0.clone()
    }
}

pub(crate) struct Bench {
    pub(crate) hub: Hub,
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    reports: mpsc::Receiver<Value>,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
    scratch: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

pub(crate) fn caller() -> Caller {
    Caller {
        address: "127.0.0.1:1".parse().unwrap(),
        forwarded: false,
        credentials: Credentials::None,
        about: media::admission::About::default(),
    }
}

pub(crate) fn name(path: &str) -> PathName {
    PathName::new(path).unwrap()
}

impl Bench {
    /// Starts all on free ports; `page` is what Chromium opens.
    pub(crate) async fn start(page: &'static str, cameras: Vec<Camera>) -> Self {
        let policy = Arc::new(TokenPolicy::new(Secret::new("token".into()), true));
        let hub = Hub::new(policy.clone(), Arc::new(NoCameras));
        hub.apply(config::Paths { all_others: Some(Arc::default()), ..Default::default() });
        let cancel = CancellationToken::new();
        let config = webrtc::Config {
            udp_address: "127.0.0.1:0".parse().unwrap(),
            tcp_address: Some("127.0.0.1:0".parse().unwrap()),
            ..Default::default()
        };
        let catalogue = Arc::new(Cameras(cameras));
        let engine = Engine::start(config, hub.clone(), catalogue.clone(), cancel.clone()).unwrap();
        let (sender, reports) = mpsc::channel(16);
        let own = Router::new()
            .route("/witness", get(move || async move { Html(page) }))
            // Beside the streams, as the pages of the server are.
            .route("/live/test/witness", get(move || async move { Html(page) }))
            .route("/witness/report", post(report))
            .with_state(sender);
        let global = watch::Sender::new(Arc::default()).subscribe();
        let muxers = Muxers::new(global, hub.clone(), catalogue, cancel.child_token());
        let sessions = hls::Sessions::new(policy.token());
        let global = watch::channel(Arc::default()).1;
        let hls = hls::router(Hls { hub: hub.clone(), muxers, sessions, global });
        let state = Whep { hub: hub.clone(), engine: engine.clone(), hls_port: 8888 };
        let wall = Wall { engine: engine.clone(), policy };
        let whep = whep::router(state);
        let app = own.merge(live(hls, whep.clone())).merge(whep).merge(wall::router(wall));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        });
        let scratch = std::env::temp_dir().join(format!("cctv-webrtc-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&scratch).unwrap();
        Self { hub, engine, address, reports, tasks, cancel, scratch }
    }

    /// Publishes a looped clip under a path in real time.
    pub(crate) async fn publish(&mut self, path: &str, clip: &Clip) {
        let name = name(path);
        let permit = self.hub.admit(&caller(), Action::Publish, &name).await.unwrap();
        let tracks = [clip.track()];
        let id = SessionId::from_uuid(Uuid::new_v4());
        let publisher = self.hub.publish(&name, permit, PublisherKind::RtspSession, id, &tracks).unwrap();
        self.tasks.spawn(feed(publisher, clip.clone()));
    }

    /// What the page reports when Chromium opens it with this query.
    pub(crate) async fn witness(&mut self, query: &str) -> Value {
        self.report_of(&format!("witness?{query}")).await
    }

    /// What another page reports.
    pub(crate) async fn report_of(&mut self, page: &str) -> Value {
        let mut chromium = self.browse(page);
        let report = timeout(WITNESS_TIMEOUT, self.reports.recv()).await;
        let report = report.unwrap_or_else(|_| panic!("no report in time; sessions: {:#?}", self.engine.sessions()));
        let report = report.unwrap();
        chromium.kill().await.unwrap();
        report
    }

    /// Opens a page of ours in a Chromium whose camera shows a test picture.
    pub(crate) fn browse(&self, page: &str) -> Child {
        let profile = self.scratch.join(Uuid::new_v4().to_string());
        Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--mute-audio", "--autoplay-policy=no-user-gesture-required"])
            .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
            .arg("--allow-loopback-in-peer-connection")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{}/{page}", self.address))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium is installed")
    }

    /// Waits until a path has pictures.
    pub(crate) async fn ready(&self, path: &str) {
        let name = name(path);
        let ready = async {
            let mut looks = interval(Duration::from_millis(50));
            while !self.hub.path_snapshot(&name).is_some_and(|path| path.is_ready()) {
                looks.tick().await;
            }
        };
        timeout(WITNESS_TIMEOUT, ready).await.expect("pictures come in time");
    }

    /// What ffprobe sees of a path in `seconds` of RTSP.
    pub(crate) async fn probe(&self, path: &str, seconds: u32) -> Value {
        let config = rtsp::Config {
            address: "127.0.0.1:0".parse().unwrap(),
            rtp_address: "127.0.0.1:0".parse().unwrap(),
            rtcp_address: "127.0.0.1:0".parse().unwrap(),
            ..rtsp::Config::default()
        };
        let server = rtsp::Server::start(config, self.hub.clone(), self.cancel.child_token()).unwrap();
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-rtsp_transport", "tcp", "-of", "json", "-count_frames", "-show_streams"])
            .args(["-read_intervals", &format!("%+{seconds}")])
            .arg(format!("rtsp://{}/{path}", server.local_addr()))
            .kill_on_drop(true)
            .output();
        let output =
            timeout(WITNESS_TIMEOUT, probe).await.expect("ffprobe ends in time").expect("ffprobe is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Publishes a stream of a camera, and says how the page gets to know the camera.
    pub(crate) async fn camera(&mut self, camera: &Camera, clip: &Clip, colour: &str) -> String {
        let path = camera.sub.as_ref().or(camera.main.as_ref()).unwrap().as_str().to_owned();
        self.publish(&path, clip).await;
        format!("{}:{colour}", camera.id)
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }
}

async fn report(State(sender): State<mpsc::Sender<Value>>, Json(report): Json<Value>) {
    sender.send(report).await.unwrap();
}

/// A camera with a sub stream, and a main stream where asked.
pub(crate) fn camera(device: &str, has_main: bool) -> Camera {
    let id = CameraId::derived("test", device);
    Camera {
        main: has_main.then(|| Camera::path_of(id, Rendition::Main)),
        sub: Some(Camera::path_of(id, Rendition::Sub)),
        ..Camera::new(id, device, AgencyId::new("OTHER").unwrap())
    }
}

/// Access units of a short video.
#[derive(Clone)]
pub(crate) struct Clip {
    units: Arc<[(bool, Arc<[Bytes]>)]>,
    sps: Bytes,
    pps: Bytes,
}

impl Clip {
    /// Makes one with ffmpeg: a moving test picture with a square of `colour` in its corner.
    pub(crate) async fn make(scratch: &Path, colour: &str, size: &str, b_frames: u32, gop: u32) -> Self {
        let file = scratch.join(format!("{}.h264", Uuid::new_v4()));
        let profile = if b_frames > 0 { "main" } else { "baseline" };
        let done = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
            .arg(format!("testsrc2=size={size}:rate={FPS}:duration=8,drawbox=0:0:64:64:{colour}:fill"))
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-profile:v", profile])
            .args(["-bf", &b_frames.to_string(), "-g", &gop.to_string(), "-threads", "1", "-b:v", "300k"])
            .args(["-x264-params", "scenecut=0:b-adapt=0:slices=1", "-f", "h264"])
            .arg(&file)
            .status()
            .await
            .expect("ffmpeg is installed");
        assert!(done.success());
        Self::parse(&Bytes::from(std::fs::read(&file).unwrap()))
    }

    fn parse(stream: &Bytes) -> Self {
        let (mut sps, mut pps) = (Bytes::new(), Bytes::new());
        let mut units = Vec::new();
        let mut open = Vec::new();
        for nal in nal_units(stream) {
            let kind = nal[0] & 0x1f;
            match kind {
                7 => sps = nal.clone(),
                8 => pps = nal.clone(),
                _ => {}
            }
            open.push(nal);
            if matches!(kind, 1 | 5) {
                units.push((kind == 5, std::mem::take(&mut open).into()));
            }
        }
        assert!(units.len() > 100 && !sps.is_empty() && !pps.is_empty());
        Self { units: units.into(), sps, pps }
    }

    pub(crate) fn track(&self) -> Track {
        let codec = Codec::H264 { sps: self.sps.clone(), pps: self.pps.clone() };
        Track { id: TrackId(0), codec, clock_rate: RATE, payload_type: 96 }
    }
}

fn nal_units(stream: &Bytes) -> Vec<Bytes> {
    let mut starts: Vec<usize> = Vec::new();
    for at in 0..stream.len().saturating_sub(3) {
        if stream[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
        }
    }
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([stream.len()]);
    let trimmed = |(start, end): (&usize, usize)| {
        let mut end = end;
        while end > *start && stream[end - 1] == 0 {
            end -= 1;
        }
        stream.slice(*start..end)
    };
    starts.iter().zip(ends).map(trimmed).collect()
}

async fn feed(publisher: Publisher, clip: Clip) {
    let mut ticks = interval(Duration::from_secs(1) / FPS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (count, (keyframe, frames)) in clip.units.iter().cycle().enumerate() {
        ticks.tick().await;
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let head = Head {
            track: TrackId(0),
            pts: MediaTime::new(count as i64 * i64::from(RATE.get() / FPS), RATE),
            wall: WallTime::from_unix_us(wall.as_micros() as i64),
            arrived: Instant::now(),
            keyframe: *keyframe,
            discontinuity: false,
        };
        publisher.push(AccessUnit::new(head, Payload::Frames(Arc::clone(frames))));
    }
}
