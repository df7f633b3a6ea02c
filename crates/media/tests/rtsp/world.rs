//! A server on free ports, the programs that talk to it, and clips for them.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use domain::Secret;
use media::{
    Hub,
    admission::TokenPolicy,
    config,
    rtsp::{AuthMethod, Config, Server, SessionSnapshot, SessionState},
    source::{Connector, Source},
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "right-token";
/// The longest that a program may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Cameras are not part of these tests.
struct NoCameras;

impl Connector for NoCameras {
    fn connect(&self, _source: &config::Source) -> Option<Box<dyn Source>> {
        None
    }
}

/// A running server whose every path can be published to.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) hub: Hub,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(true, &[AuthMethod::Basic])
    }

    pub(crate) fn with(trust_loopback: bool, auth_methods: &[AuthMethod]) -> Self {
        let policy = TokenPolicy::new(Secret::new(TOKEN.into()), trust_loopback);
        let hub = Hub::new(Arc::new(policy), Arc::new(NoCameras));
        hub.apply(config::Paths { all_others: Some(Arc::default()), ..config::Paths::default() });
        let config = Config {
            address: "127.0.0.1:0".parse().unwrap(),
            rtp_address: "127.0.0.1:0".parse().unwrap(),
            rtcp_address: "127.0.0.1:0".parse().unwrap(),
            auth_methods: auth_methods.to_vec(),
            ..Config::default()
        };
        let server = Server::start(config, hub.clone(), CancellationToken::new()).unwrap();
        Self { server, hub }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.server.local_addr())
    }

    pub(crate) fn url_of(&self, user: &str, password: &str, path: &str) -> String {
        format!("rtsp://{user}:{password}@{}/{path}", self.server.local_addr())
    }

    /// Publishes a clip for ever with ffmpeg.
    pub(crate) async fn publish(&self, clip: &Path, transport: &str, path: &str) -> Child {
        let child = ffmpeg(&publish_args(clip, transport, &self.url(path))).spawn().unwrap();
        self.ready(path).await;
        child
    }

    /// Waits until a path can be read.
    pub(crate) async fn ready(&self, path: &str) {
        let name = domain::PathName::new(path).unwrap();
        self.wait_for(|| self.hub.path_snapshot(&name).is_some_and(|path| path.is_ready())).await;
    }

    /// Waits until something holds.
    pub(crate) async fn wait_for(&self, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "waited too long; sessions: {:#?}", self.server.sessions());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sessions that read.
    pub(crate) fn readers(&self) -> Vec<SessionSnapshot> {
        self.sessions().into_iter().filter(|session| session.state == SessionState::Read).collect()
    }

    pub(crate) fn sessions(&self) -> Vec<SessionSnapshot> {
        self.server.sessions()
    }
}

fn publish_args(clip: &Path, transport: &str, url: &str) -> Vec<String> {
    let clip = clip.to_str().unwrap();
    let mut args = words("-v error -re -stream_loop -1 -i");
    args.extend([clip.to_owned()]);
    args.extend(words("-c copy -f rtsp"));
    if !transport.is_empty() {
        args.extend(["-rtsp_transport".to_owned(), transport.to_owned()]);
    }
    args.extend([url.to_owned()]);
    args
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn ffmpeg(args: &[String]) -> Command {
    program("ffmpeg", args)
}

/// A program that ends with the test.
pub(crate) fn program(name: &str, args: &[String]) -> Command {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Stops a child in its tracks, as a frozen camera would be.
pub(crate) async fn freeze(child: &Child) {
    let pid = child.id().unwrap().to_string();
    run_clean("kill", &["-STOP".to_owned(), pid]).await;
}

/// Runs a program to its end.
pub(crate) async fn run(name: &str, args: &[String]) -> Output {
    let output = program(name, args).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    timeout(PATIENCE, output).await.unwrap_or_else(|_| panic!("{name} {args:?} did not end")).unwrap()
}

/// Runs a program that must succeed without a word on stderr; what it printed.
pub(crate) async fn run_clean(name: &str, args: &[String]) -> String {
    let output = run(name, args).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.trim().is_empty(), "{name} {args:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Decodes so many video frames of a stream with ffmpeg, which must find no error.
pub(crate) async fn decode(url: &str, transport: &str, frames: u32) {
    let mut args = words("-v error -xerror -rtsp_transport");
    args.extend([transport.to_owned(), "-i".to_owned(), url.to_owned()]);
    args.extend(words(&format!("-frames:v {frames} -f null -")));
    run_clean("ffmpeg", &args).await;
}

/// The codec names that ffprobe sees.
pub(crate) async fn probe(url: &str, transport: &str) -> String {
    let mut args = words("-v error -rtsp_transport");
    args.push(transport.to_owned());
    args.extend(words("-show_entries stream=codec_name,width,height -of csv=p=0"));
    args.push(url.to_owned());
    run_clean("ffprobe", &args).await
}

/// H.264 with a GOP of one second, and AAC.
pub(crate) async fn plain_clip() -> PathBuf {
    let video = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -b:v 500k";
    clip("plain", video, "-c:a aac -b:a 64k -ac 2", 4).await
}

/// H.264 with B-frames and a GOP of eight seconds, and AAC.
pub(crate) async fn hard_clip() -> PathBuf {
    let video = "-c:v libx264 -preset veryfast -bf 2 -g 200 -sc_threshold 0 -pix_fmt yuv420p -b:v 500k";
    clip("hard", video, "-c:a aac -b:a 64k -ac 1", 16).await
}

/// Real footage, where it is at hand.
pub(crate) fn shared_clips() -> Vec<PathBuf> {
    let files = ["bottle-detection.mp4", "car-detection.mp4", "one-by-one-person-detection.mp4"];
    files.into_iter().filter_map(testkit::workspace::footage).collect()
}

/// Makes a clip once for all runs.
async fn clip(name: &str, video: &str, audio: &str, seconds: u32) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("{name}.mp4"));
    if path.exists() {
        return path;
    }
    let part = dir.join(format!("{name}.{}.{:?}.mp4", std::process::id(), std::thread::current().id()));
    let mut args = words(&format!(
        "-v error -y -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds}"
    ));
    args.extend(words(video));
    args.extend(words(audio));
    args.push(part.to_str().unwrap().to_owned());
    run_clean("ffmpeg", &args).await;
    tokio::fs::rename(&part, &path).await.unwrap();
    path
}
