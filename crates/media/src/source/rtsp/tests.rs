//! Against a foreign server: GStreamer's, as a child on a loopback port.

mod many;
mod relay;
mod udp;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use domain::{PathName, Secret, SessionId};
use media_proto::{
    Codec, Payload, TrackKind,
    rtsp::framing::{Decoder, Frame},
};
use tokio::{sync::mpsc, time::timeout};

use super::{pull::is_complete, *};
use crate::{
    Hub, Pulled, Stream, Subscription,
    admission::{Action, Caller, Credentials as Shown, TokenPolicy},
    hub::{Reader, ReaderKind},
    stream::{Backlog, Join, State},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// GStreamer's RTSP server. It is killed when dropped.
struct Camera {
    child: Child,
    port: u16,
}

impl Camera {
    /// Starts it; port 0 lets it choose.
    fn start(port: u16, (video, audio): (&str, &str), password: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/source/rtsp/tests/server.py");
        // The distribution's own interpreter is the one that has the bindings.
        let mut child = Command::new("/usr/bin/python3")
            .args([script, &port.to_string(), video, audio, password])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server prints its port: python3-gi and gir1.2-gst-rtsp-server-1.0");
        Self { child, port }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn hub_of(url: String, credentials: Option<(&str, &str)>) -> Hub {
    let credentials = credentials.map(|(user, password)| (user.to_owned(), Secret::new(password.to_owned())));
    hub_of_source(config::RtspSource::new(url, credentials))
}

fn hub_of_source(source: config::RtspSource) -> Hub {
    let source = config::Source::Rtsp(source);
    let path = Arc::new(config::Path { source, ..config::Path::default() });
    let hub = hub_of_nothing();
    hub.apply(config::Paths { exact: [(name(), path)].into(), ..config::Paths::default() });
    hub
}

fn hub_of_nothing() -> Hub {
    Hub::new(Arc::new(TokenPolicy::new(Secret::new("t".into()), true)), Arc::new(RtspConnector::new()))
}

fn name() -> PathName {
    PathName::new("cam").unwrap()
}

async fn reader(hub: &Hub) -> Reader {
    let caller = Caller {
        address: "127.0.0.1:1".parse().unwrap(),
        forwarded: false,
        credentials: Shown::None,
        about: crate::admission::About::default(),
    };
    let permit = hub.admit(&caller, Action::Read, &name()).await.unwrap();
    hub.attach(&name(), permit, ReaderKind::Hidden, SessionId::from_uuid(Uuid::new_v4())).unwrap()
}

/// The next so many units, as a letter each: keyframe, picture, sound.
async fn units(subscription: &mut Subscription, count: usize) -> String {
    let mut seen = String::new();
    let pull = async {
        while seen.len() < count {
            let Pulled::Unit(unit) = subscription.pull().await else { continue };
            assert!(matches!(unit.payload(), Payload::Rtp(packets) if !packets.is_empty()));
            let description = subscription.stream().description();
            let kind = description.tracks[usize::from(unit.head().track.0)].kind();
            seen.push(match (kind, unit.head().keyframe) {
                (TrackKind::Video, true) => 'K',
                (TrackKind::Video, false) => 'p',
                (TrackKind::Audio | TrackKind::Metadata, _) => 'a',
            });
        }
    };
    timeout(PATIENCE, pull).await.expect("the camera delivers");
    seen
}

async fn check(video: &str, audio: &str, codec: fn(&Codec) -> bool) {
    let camera = Camera::start(0, (video, audio), "");
    let hub = hub_of(format!("rtsp://127.0.0.1:{}/cam", camera.port), None);
    let reader = reader(&hub).await;
    let description = timeout(PATIENCE, reader.ready()).await.unwrap().unwrap();
    assert!(is_complete(&description.tracks[0].codec), "{:?}", description.tracks[0]);
    assert!(description.tracks.get(1).is_some_and(|track| codec(&track.codec)), "{:?}", description.tracks);
    let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Deep);
    let seen = units(&mut subscription, 120).await;
    assert!(seen.starts_with('K') && seen.matches('K').count() > 1 && seen.matches('a').count() > 20, "{seen}");
    hub.shutdown().await;
}

#[tokio::test]
async fn a_foreign_server_with_h264_and_aac_is_pulled_from_a_keyframe_on() {
    check("h264", "aac", |codec| matches!(codec, Codec::Aac { sample_rate: 48_000, channels: 2, .. })).await;
}

#[tokio::test]
async fn a_foreign_server_with_h264_and_opus_is_pulled_from_a_keyframe_on() {
    check("h264", "opus", |codec| matches!(codec, Codec::Opus { .. })).await;
}

#[tokio::test]
async fn a_foreign_server_with_h265_and_g711_is_pulled_from_a_keyframe_on() {
    check("h265", "pcma", |codec| matches!(codec, Codec::G711 { mu_law: false, channels: 1 })).await;
}

#[tokio::test]
async fn a_stream_comes_back_when_its_server_was_killed_and_started_again() {
    let camera = Camera::start(0, ("h264", "none"), "");
    let port = camera.port;
    let hub = hub_of(format!("rtsp://127.0.0.1:{port}/cam"), None);
    let reader = reader(&hub).await;
    timeout(PATIENCE, reader.ready()).await.unwrap().unwrap();
    let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Live);
    assert!(units(&mut subscription, 20).await.starts_with('K'));
    drop(camera);
    let mut state = reader.stream().watch_state();
    timeout(PATIENCE, state.wait_for(|state| matches!(state, State::Offline { .. }))).await.unwrap().unwrap();
    while subscription.try_pull().is_some() {}
    let _again = Camera::start(port, ("h264", "none"), "");
    timeout(PATIENCE, state.wait_for(|state| *state == State::Online)).await.unwrap().unwrap();
    assert!(units(&mut subscription, 20).await.starts_with('K'));
    hub.shutdown().await;
}

#[tokio::test]
async fn a_camera_is_answered_with_a_digest_and_a_wrong_password_is_reported() {
    let camera = Camera::start(0, ("h264", "none"), "right");
    let url = format!("rtsp://127.0.0.1:{}/cam", camera.port);
    let hub = hub_of(url.clone(), Some(("user", "right")));
    timeout(PATIENCE, reader(&hub).await.ready()).await.unwrap().unwrap();
    hub.shutdown().await;
    let error = pull_once(url, Some(("user", "guessed"))).await;
    assert_eq!(error.kind, ErrorKind::Unauthenticated, "{error}");
    assert!(!error.reason.contains("guessed") && error.reason.contains("401"), "{error}");
}

/// Why one connection ends.
async fn pull_once(url: String, credentials: Option<(&str, &str)>) -> Error {
    let credentials = credentials.map(|(user, password)| (user.to_owned(), Secret::new(password.to_owned())));
    let source = config::Source::Rtsp(config::RtspSource::new(url, credentials));
    let source = RtspConnector::new().connect(&source).unwrap();
    let feed = Feed::new(Stream::new(now()));
    timeout(PATIENCE, source.run(feed)).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn what_cannot_be_pulled_is_reported_by_its_kind() {
    let camera = Camera::start(0, ("h264", "none"), "");
    let missing = pull_once(format!("rtsp://127.0.0.1:{}/other", camera.port), None).await;
    assert_eq!(
        (missing.kind, missing.reason.as_str()),
        (ErrorKind::NotFound, "DESCRIBE was answered with 404 (no such stream)")
    );
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let refused = pull_once(format!("rtsp://{closed}/cam"), None).await;
    assert_eq!(refused.reason, format!("cannot connect to {closed}: connection refused"));
    let tls = pull_once("rtsps://127.0.0.1/cam".into(), None).await;
    assert_eq!(tls.reason, "RTSP over TLS (rtsps) is not supported");
}

/// A camera of our own that answers everything with 200 and tells what it hears: requests by their method, packets as
/// `rtcp`. Once it plays it sends one picture. It ends when the connection does.
fn scripted(listener: &TcpListener, sdp: &str, heard: &mpsc::UnboundedSender<(Instant, String)>) {
    let (mut socket, _) = listener.accept().unwrap();
    let mut decoder = Decoder::new();
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = socket.read(&mut buffer) {
        decoder.push(&buffer[..bytes]);
        while let Some(frame) = decoder.next().unwrap() {
            let word = match &frame {
                Frame::Request(request) => {
                    let method = <&str>::from(request.method()).to_owned();
                    let cseq = request.headers().find(|(name, _)| name.as_str() == "CSeq").unwrap().1.as_str();
                    let sdp = if method == "DESCRIBE" { sdp } else { "" };
                    let length = sdp.len();
                    let head =
                        format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 1\r\nContent-Length: {length}\r\n\r\n");
                    let picture: &[u8] = if method == "PLAY" { PICTURE } else { b"" };
                    // The client may be gone already, which the next read shows.
                    let _ = socket.write_all(&[head.as_bytes(), sdp.as_bytes(), picture].concat());
                    method
                }
                Frame::Interleaved { channel, data } => format!("{channel} {}", data.escape_ascii()),
                Frame::Response(_) => panic!("nobody was asked"),
            };
            let _ = heard.send((Instant::now(), word));
        }
    }
}

/// An IDR slice in an RTP packet of source 0x01020304 on channel 0.
const PICTURE: &[u8] = b"$\0\0\x10\x80\xe0\0\x01\0\0\0\0\x01\x02\x03\x04\x65\x88\x84\0";
const SDP: &str = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n\
                   a=fmtp:96 sprop-parameter-sets=Z0LAFdoFB+hAAAADAEAAAA8DxYuo,aM48gA==\n";

/// Pulls the scripted camera into `stream` while `test` runs, which gets what the camera hears.
async fn with_scripted<T>(
    stream: &Stream,
    test: impl AsyncFnOnce(&mut mpsc::UnboundedReceiver<(Instant, String)>) -> T,
) -> (T, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/cam", listener.local_addr().unwrap());
    let (hears, mut heard) = mpsc::unbounded_channel();
    let camera = tokio::task::spawn_blocking(move || scripted(&listener, SDP, &hears));
    let source = config::Source::Rtsp(config::RtspSource::new(url, None));
    let source = RtspConnector::new().connect(&source).unwrap();
    let result = tokio::select! {
        ended = source.run(Feed::new(stream.clone())) => panic!("{ended:?}"),
        result = timeout(PATIENCE, test(&mut heard)) => result.unwrap(),
    };
    timeout(PATIENCE, camera).await.unwrap().unwrap();
    let mut rest = Vec::new();
    while let Some((_, word)) = heard.recv().await {
        rest.push(word);
    }
    (result, rest)
}

#[tokio::test]
async fn a_dropped_connection_says_goodbye() {
    let stream = Stream::new(now());
    let until_play = async |heard: &mut mpsc::UnboundedReceiver<(Instant, String)>| {
        while heard.recv().await.unwrap().1 != "PLAY" {}
    };
    let ((), rest) = with_scripted(&stream, until_play).await;
    assert_eq!(rest, ["TEARDOWN"]);
}

#[tokio::test]
async fn a_camera_is_asked_for_a_keyframe_at_most_once_a_second() {
    let stream = Stream::new(now());
    let indications = async |heard: &mut mpsc::UnboundedReceiver<(Instant, String)>| {
        let mut at = Vec::new();
        stream.request_keyframe();
        while at.len() < 2 {
            let (when, word) = heard.recv().await.unwrap();
            if word.contains("\\x81\\xce") {
                assert!(word.starts_with("1 ") && word.ends_with("\\x01\\x02\\x03\\x04"), "{word}");
                at.push(when);
                stream.request_keyframe();
            }
        }
        at[1] - at[0]
    };
    let (between, _) = with_scripted(&stream, indications).await;
    assert!(between > KEYFRAME_INTERVAL / 2, "{between:?}");
}
