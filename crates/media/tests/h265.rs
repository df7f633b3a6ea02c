//! H.265 with real programs: ffmpeg and GStreamer publish and read closed and open GOPs, cameras are pulled, and
//! LL-HLS carries it.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

#[expect(dead_code, reason = "the tests of RTSP need more of it")]
#[path = "rtsp/world.rs"]
mod world;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{Camera, CameraId, PathName, Secret};
use media::{
    Hub,
    admission::TokenPolicy,
    catalogue::Catalogue,
    config,
    hls::{Muxers, Resource},
    rtsp::{Config, Server},
    source::rtsp::RtspConnector,
};
use media_proto::{h264, h265};
use tokio::{process::Child, sync::watch};
use tokio_util::sync::CancellationToken;
use world::{PATIENCE, TOKEN, World, decode, probe, program, run, run_clean, words};

const ENCODER: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -tag:v hvc1 -x265-params \
                       log-level=error:keyint=24:min-keyint=24:scenecut=0:b-adapt=0";

/// A keyframe every 24 pictures, all IDR, nothing reordered.
async fn closed() -> PathBuf {
    clip("h265-closed", "open-gop=0:bframes=0").await
}

/// A keyframe every 24 pictures, CRA but for the first, with two pictures after it that refer back over it.
async fn open() -> PathBuf {
    clip("h265-open", "open-gop=1:bframes=2").await
}

/// Makes a clip of four seconds once for all runs.
async fn clip(name: &str, gops: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("{name}.mp4"));
    if path.exists() {
        return path;
    }
    let part = dir.join(format!("{name}.{}.{:?}.mp4", std::process::id(), std::thread::current().id()));
    let mut args = words("-v error -y -f lavfi -i testsrc2=size=320x180:rate=25 -t 4");
    args.extend(words(&format!("{ENCODER}:{gops}")));
    args.push(part.to_str().unwrap().to_owned());
    run_clean("ffmpeg", &args).await;
    tokio::fs::rename(&part, &path).await.unwrap();
    path
}

/// Publishes with GStreamer; the end of the clip ends it.
fn gstreamer_publishes(world: &World, clip: &Path, protocol: &str, path: &str) -> Child {
    let pipeline = format!(
        "-q filesrc location={} ! qtdemux ! h265parse ! identity sync=true ! rtspclientsink protocols={protocol} location={}",
        clip.display(),
        world.url(path)
    );
    program("gst-launch-1.0", &words(&pipeline)).spawn().unwrap()
}

async fn gstreamer_reads(url: &str, protocol: &str) {
    let pipeline = format!(
        "-q rtspsrc location={url} protocols={protocol} latency=100 ! application/x-rtp,media=video ! rtph265depay \
         ! h265parse ! avdec_h265 ! fakesink num-buffers=40"
    );
    let output = run("gst-launch-1.0", &words(&pipeline)).await;
    assert!(output.status.success(), "{protocol}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn ffmpeg_publishes_and_both_read_over_tcp_and_udp() {
    for clip in [closed().await, open().await] {
        for publishes in ["tcp", "udp"] {
            let world = World::start();
            let _publisher = world.publish(&clip, publishes, "cam").await;
            for reads in ["tcp", "udp"] {
                let seen = probe(&world.url("cam"), reads).await;
                assert!(seen.contains("hevc,320,180"), "{reads}: {seen}");
                decode(&world.url("cam"), reads, 60).await;
                gstreamer_reads(&world.url("cam"), reads).await;
            }
        }
    }
}

#[tokio::test]
async fn gstreamer_publishes_over_tcp_and_udp() {
    for clip in [closed().await, open().await] {
        for protocol in ["tcp", "udp"] {
            let world = World::start();
            let _publisher = gstreamer_publishes(&world, &clip, protocol, "cam");
            world.ready("cam").await;
            decode(&world.url("cam"), "tcp", 40).await;
        }
    }
}

/// The types of the NAL units of each picture, as ffmpeg gets them when it joins.
async fn pictures(world: &World) -> Vec<Vec<u8>> {
    let arguments = format!("-v error -rtsp_transport tcp -i {} -c copy -frames:v 60 -f hevc -", world.url("cam"));
    let stream = Bytes::from(run("ffmpeg", &words(&arguments)).await.stdout);
    let mut pictures: Vec<Vec<u8>> = vec![vec![]];
    for kind in h264::annex_b(&stream).map(|nal| h265::nal_type(&nal)) {
        pictures.last_mut().unwrap().push(kind);
        if kind < h265::VPS {
            pictures.push(vec![]);
        }
    }
    pictures.pop();
    pictures
}

fn is_keyframe(picture: &[u8]) -> bool {
    picture.iter().any(|kind| h265::is_keyframe(*kind))
}

#[tokio::test]
async fn who_joins_at_a_cra_gets_parameter_sets_and_nothing_that_refers_back() {
    let world = World::start();
    let _publisher = world.publish(&open().await, "tcp", "cam").await;
    let mut seen = pictures(&world).await;
    // The clip begins with an IDR picture; all others are CRA.
    while !seen[0].contains(&h265::CRA) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        seen = pictures(&world).await;
    }
    let sets = [h265::VPS, h265::SPS, h265::PPS];
    for keyframe in seen.iter().filter(|picture| is_keyframe(picture)) {
        assert_eq!(keyframe[..3], sets, "{seen:?}");
    }
    let gops: Vec<&[Vec<u8>]> = seen.chunk_by(|_, next| !is_keyframe(next)).collect();
    let refer_back = |gop: &[Vec<u8>]| gop.iter().flatten().filter(|kind| h265::is_rasl(**kind)).count();
    assert_eq!((gops.len() >= 3, refer_back(gops[0])), (true, 0), "{seen:?}");
    let in_step = gops.iter().skip(1).find(|gop| gop.len() > 3 && gop[0].contains(&h265::CRA));
    assert!(in_step.is_some_and(|gop| refer_back(gop) == 2), "{seen:?}");
}

#[tokio::test]
async fn a_camera_with_open_gops_is_pulled_over_tcp_and_udp() {
    let camera = World::start();
    let _publisher = camera.publish(&open().await, "tcp", "cam").await;
    for transport in [config::RtspTransport::Tcp, config::RtspTransport::Udp] {
        let world = pulling();
        let source = config::RtspSource { transport, ..config::RtspSource::new(camera.url("cam"), None) };
        let path = Arc::new(config::Path { source: config::Source::Rtsp(source), ..config::Path::default() });
        let exact = BTreeMap::from([(PathName::new("pulled").unwrap(), path)]);
        world.hub.apply(config::Paths { exact, ..config::Paths::default() });
        world.ready("pulled").await;
        decode(&world.url("pulled"), "tcp", 60).await;
    }
}

/// A server that can pull cameras.
fn pulling() -> World {
    let policy = TokenPolicy::new(Secret::new(TOKEN.into()), true);
    let hub = Hub::new(Arc::new(policy), Arc::new(RtspConnector::new()));
    let free = || "127.0.0.1:0".parse().unwrap();
    let config = Config { address: free(), rtp_address: free(), rtcp_address: free(), ..Config::default() };
    let server = Server::start(config, hub.clone(), CancellationToken::new()).unwrap();
    World { server, hub }
}

/// A byte stream of two seconds of small pictures, then four of larger ones, with their parameter sets in band.
async fn changing() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let whole = dir.join(format!("h265-changing-{}.h265", std::process::id()));
    let mut bytes = Vec::new();
    for (size, seconds) in [("320x180", 2), ("640x360", 4)] {
        let part = dir.join(format!("h265-{size}-{}.h265", std::process::id()));
        let mut args = words(&format!("-v error -y -f lavfi -i testsrc2=size={size}:rate=25 -t {seconds}"));
        args.extend(words(&format!("{ENCODER}:open-gop=0:bframes=0:repeat-headers=1 -f hevc")));
        args.push(part.to_str().unwrap().to_owned());
        run_clean("ffmpeg", &args).await;
        bytes.extend(tokio::fs::read(&part).await.unwrap());
        tokio::fs::remove_file(&part).await.unwrap();
    }
    tokio::fs::write(&whole, &bytes).await.unwrap();
    whole
}

#[tokio::test]
async fn new_parameter_sets_in_mid_stream_are_described_and_begin_a_new_initialisation_segment() {
    let world = World::start();
    let clip = changing().await;
    let arguments = format!(
        "-v error -re -fflags +genpts -r 25 -f hevc -i {} -c copy -f rtsp {}",
        clip.display(),
        world.url("cam")
    );
    let _publisher = program("ffmpeg", &words(&arguments)).spawn().unwrap();
    world.ready("cam").await;
    let muxers = muxers(&world);
    assert!(text(&muxers, "index.m3u8").await.contains("RESOLUTION=320x180"));
    let started = Instant::now();
    let mut playlist = String::new();
    while playlist.matches("EXT-X-MAP").count() < 2 {
        assert!(started.elapsed() < PATIENCE, "{playlist}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        playlist = text(&muxers, "main_stream.m3u8").await;
    }
    assert!(playlist.contains("EXT-X-DISCONTINUITY\n"), "{playlist}");
    assert!(text(&muxers, "index.m3u8").await.contains("RESOLUTION=640x360"));
    let path = world.hub.path_snapshot(&PathName::new("cam").unwrap()).unwrap();
    let said = path.tracks[0].codec.video().unwrap();
    assert_eq!((said.width, said.height), (640, 360));
    tokio::fs::remove_file(&clip).await.unwrap();
}

/// Nothing says which streams are of one camera.
struct NoCameras;

impl Catalogue for NoCameras {
    fn camera(&self, _: CameraId) -> Option<Camera> {
        None
    }

    fn cameras(&self) -> Vec<Camera> {
        vec![]
    }
}

fn muxers(world: &World) -> Muxers {
    let global = watch::channel(Arc::default()).1;
    Muxers::new(global, world.hub.clone(), Arc::new(NoCameras), CancellationToken::new())
}

/// A file of LL-HLS.
async fn file(muxers: &Muxers, name: &str) -> Bytes {
    match muxers.request(&PathName::new("cam").unwrap(), name, "").await.unwrap() {
        Resource::Playlist(text) => text.plain(),
        Resource::Media(bytes) => bytes,
    }
}

async fn text(muxers: &Muxers, name: &str) -> String {
    String::from_utf8(file(muxers, name).await.into()).unwrap()
}

#[tokio::test]
async fn ll_hls_serves_it_as_hvc1() {
    for (name, clip) in [("closed", closed().await), ("open", open().await)] {
        let world = World::start();
        let _publisher = world.publish(&clip, "tcp", "cam").await;
        let muxers = muxers(&world);
        let index = text(&muxers, "index.m3u8").await;
        assert!(index.contains("CODECS=\"hvc1.1.6.L60.90\"") && index.contains("RESOLUTION=320x180"), "{index}");
        let started = Instant::now();
        let segments = |playlist: &str| playlist.lines().filter(|line| line.ends_with(".mp4")).count();
        let mut playlist = text(&muxers, "main_stream.m3u8").await;
        while segments(&playlist) < 3 {
            assert!(started.elapsed() < PATIENCE, "{playlist}");
            tokio::time::sleep(Duration::from_millis(300)).await;
            playlist = text(&muxers, "main_stream.m3u8").await;
        }
        let map = playlist.split("MAP:URI=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut mp4 = file(&muxers, map).await.to_vec();
        for line in playlist.lines().filter(|line| line.ends_with(".mp4") && !line.starts_with('#')) {
            mp4.extend_from_slice(&file(&muxers, line).await);
        }
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("h265-{name}-{}.mp4", std::process::id()));
        tokio::fs::write(&path, &mp4).await.unwrap();
        let shown = path.to_str().unwrap();
        let entries = "-v error -show_entries stream=codec_name,codec_tag_string,width,height -of csv=p=0";
        let seen = run_clean("ffprobe", &[words(entries), vec![shown.to_owned()]].concat()).await;
        assert_eq!(seen.trim(), "hevc,hvc1,320,180");
        let arguments = [words("-v error -xerror -i"), vec![shown.to_owned()], words("-f null -")].concat();
        run_clean("ffmpeg", &arguments).await;
        tokio::fs::remove_file(&path).await.unwrap();
    }
}
