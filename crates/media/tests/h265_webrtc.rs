//! H.265 and WebRTC: who offered it gets it and may publish it, by WHEP, WHIP and on a wall, read and written by
//! GStreamer too; who did not is told so, and where to look instead.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

#[expect(dead_code, reason = "the tests of RTSP need more of it")]
#[path = "rtsp/world.rs"]
mod rtsp;
#[expect(dead_code, reason = "the tests of WebRTC need more of it")]
#[path = "webrtc/viewer.rs"]
mod viewer;
#[expect(dead_code, reason = "the tests of WebRTC need more of it")]
#[path = "webrtc/world.rs"]
mod world;

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{PathName, SessionId, WallTime};
use media::{
    Error,
    admission::Permit,
    hub::{Publisher, PublisherKind},
    rtsp::{Config, Server},
    webrtc::{Answer, Role, Trial},
};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, h264, h265, unit::Head};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use viewer::Viewer;
use world::{World, meta, name};

const RATE: NonZeroU32 = NonZeroU32::new(90_000).unwrap();
/// Pictures of the clip that a foreign program must decode.
const PICTURES: usize = 60;
/// Pictures of GStreamer's that must be decoded: 22 s, which is longer than a silent peer is kept.
const LONG: usize = 220;
/// 640x360, a keyframe each second, nothing reordered, ten seconds.
static CLIP: LazyLock<PathBuf> = LazyLock::new(|| testkit::clip::h265().unwrap());
/// A client that takes H.265 alone, and one that takes both codecs.
const H265: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

fn world() -> World {
    World::start(Duration::from_secs(10))
}

/// An RTSP server before the same hub, for ffmpeg to publish to.
fn rtsp(world: &World) -> rtsp::World {
    let free = || "127.0.0.1:0".parse().unwrap();
    let config = Config { address: free(), rtp_address: free(), rtcp_address: free(), ..Config::default() };
    let server = Server::start(config, world.hub.clone(), CancellationToken::new()).unwrap();
    rtsp::World { server, hub: world.hub.clone() }
}

/// Two seconds of open GOPs: pictures are shown in another order than they are sent.
async fn reordered() -> PathBuf {
    clip("reordered", "yuv420p", "b-adapt=0:open-gop=1:bframes=2").await
}

/// Two seconds of the profile Main 10.
async fn main_10() -> PathBuf {
    clip("main-10", "yuv420p10le", "bframes=0").await
}

async fn clip(name: &str, pixels: &str, gops: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("h265-{name}-{}.mp4", std::process::id()));
    let encoder = format!(
        "-c:v libx265 -preset ultrafast -pix_fmt {pixels} -tag:v hvc1 -x265-params \
         log-level=error:keyint=24:min-keyint=24:scenecut=0:{gops}"
    );
    let mut args = rtsp::words("-v error -y -f lavfi -i testsrc2=size=320x180:rate=25 -t 2");
    args.extend(rtsp::words(&encoder));
    args.push(path.to_str().unwrap().to_owned());
    rtsp::run_clean("ffmpeg", &args).await;
    path
}

/// Publishes one keyframe of H.265; the stream stays for as long as what comes back is held.
fn publish(world: &World, path: &PathName) -> Publisher {
    let sets = sets();
    let [vps, sps, pps] = sets.clone();
    let track = Track { id: TrackId(0), codec: Codec::H265 { vps, sps, pps }, clock_rate: RATE, payload_type: 96 };
    let id = SessionId::from_uuid(Uuid::new_v4());
    let permit = Permit::new("publisher".into(), ());
    let publisher = world.hub.publish(path, permit, PublisherKind::RtspSession, id, &[track]).unwrap();
    publisher.push(picture(0, true));
    publisher
}

fn sets() -> [Bytes; 3] {
    [&[0x40, 1, 7][..], &[0x42, 1, 7], &[0x44, 1, 7]].map(Bytes::from_static)
}

/// A picture that is shown after so many milliseconds. Its parameter sets are out of band.
fn picture(ms: i64, keyframe: bool) -> AccessUnit {
    let head = Head {
        track: TrackId(0),
        pts: MediaTime::new(ms * 90, RATE),
        wall: WallTime::from_unix_us(0),
        arrived: Instant::now(),
        keyframe,
        discontinuity: false,
    };
    let nal = if keyframe { &[0x28, 1, 0x80] } else { &[0x02, 1, 0x80] };
    AccessUnit::new(head, Payload::Frames([Bytes::from_static(nal)].into()))
}

async fn whep(world: &World, path: &str, offer: &str) -> Result<Answer, Error> {
    let meta = meta();
    let reader = world.reader(&name(path), meta.id).await;
    world.engine.whep(offer, reader, meta).await
}

/// GStreamer's webrtcbin.
struct GStreamer {
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl GStreamer {
    fn start(role: &str, pictures: usize) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webrtc/gstreamer.py");
        let args = [script, role, &pictures.to_string()].map(str::to_owned);
        // The distribution's own interpreter is the one that has the bindings.
        let mut command = rtsp::program("/usr/bin/python3", &args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _child: child, stdin, stdout: BufReader::new(stdout).lines() }
    }

    async fn line(&mut self) -> Option<String> {
        let line = timeout(rtsp::PATIENCE, self.stdout.next_line()).await;
        line.expect("GStreamer says something in time").unwrap()
    }

    async fn offer(&mut self) -> String {
        let line = self.line().await.expect("GStreamer makes an offer");
        serde_json::from_str(&line).unwrap()
    }

    async fn answered(&mut self, answer: &str) {
        self.stdin.write_all(format!("{}\n", json!(answer)).as_bytes()).await.unwrap();
    }
}

/// GStreamer decodes so many pictures of one size that it gets by WHEP.
async fn gstreamer_reads(world: &World, path: &str, wanted: usize, size: &str) {
    let mut reader = GStreamer::start("read", wanted);
    let offer = reader.offer().await;
    let answer = whep(world, path, &offer).await;
    let answer = answer.unwrap_or_else(|error| panic!("{error}; {:?}", world.engine.failures()));
    reader.answered(&answer.sdp).await;
    let mut pictures = 0;
    while let Some(line) = reader.line().await {
        assert_eq!(line, size);
        pictures += 1;
    }
    assert_eq!(pictures, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_decodes_by_whep_what_ffmpeg_publishes() {
    let world = world();
    let rtsp = rtsp(&world);
    let _publisher = rtsp.publish(&CLIP, "tcp", "cam").await;
    gstreamer_reads(&world, "cam", PICTURES, "640x360").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_publishes_by_whip_and_decodes_by_whep_for_longer_than_a_silent_peer_is_kept() {
    let world = world();
    let mut publisher = GStreamer::start("publish", LONG);
    let offer = publisher.offer().await;
    let permit = Permit::new("publisher".into(), ());
    let answer = world.engine.whip(&offer, name("cam"), permit, meta()).await.unwrap();
    publisher.answered(&answer.sdp).await;
    rtsp(&world).ready("cam").await;
    gstreamer_reads(&world, "cam", LONG, "160x90").await;
}

/// The types of the NAL units of a frame.
fn kinds(frame: &[u8]) -> Vec<u8> {
    h264::annex_b(&Bytes::copy_from_slice(frame)).map(|nal| h265::nal_type(&nal)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameter_sets_come_before_each_keyframe_though_the_source_has_them_out_of_band() {
    let world = world();
    let publisher = publish(&world, &name("cam"));
    let (mut viewer, offer) = Viewer::of(H265, 1, false).await;
    let answer = whep(&world, "cam", &offer).await.unwrap();
    viewer.answered(&answer.sdp);
    viewer.until("the keyframe of the ring", |viewer| viewer.seen[0].h265.len() == 1).await;
    publisher.push(picture(40, false));
    publisher.push(picture(80, true));
    viewer.until("more pictures", |viewer| viewer.seen[0].h265.len() == 3).await;
    let seen: Vec<Vec<u8>> = viewer.seen[0].h265.iter().map(|frame| kinds(frame)).collect();
    let keyframe = vec![h265::VPS, h265::SPS, h265::PPS, h265::IDR_N_LP];
    assert_eq!(seen, [keyframe.clone(), vec![1], keyframe]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_reordered_pictures_is_refused_and_stops_where_it_runs() {
    let world = world();
    let rtsp = rtsp(&world);
    let _publisher = rtsp.publish(&reordered().await, "tcp", "reordered").await;
    let (_, offer) = Viewer::of(H265, 1, false).await;
    let error = whep(&world, "reordered", &offer).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(reason) if reason.contains("B-frames")), "{error:?}");

    let publisher = publish(&world, &name("cam"));
    let (mut viewer, offer) = Viewer::of(H265, 1, false).await;
    viewer.answered(&whep(&world, "cam", &offer).await.unwrap().sdp);
    viewer.until("a picture", |viewer| !viewer.seen[0].h265.is_empty()).await;
    let stopped = || world.engine.sessions()[0].video_stopped.clone();
    assert_eq!(stopped(), None);
    for ms in [120, 40] {
        publisher.push(picture(ms, false));
    }
    viewer.until("the end of the video", |_| stopped().is_some()).await;
    assert!(stopped().unwrap().contains("B-frames"), "{:?}", stopped());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h265_of_another_profile_than_the_one_taken_is_refused() {
    let world = world();
    let rtsp = rtsp(&world);
    let _publisher = rtsp.publish(&main_10().await, "tcp", "cam").await;
    let (_, offer) = Viewer::of(H265, 1, false).await;
    let error = whep(&world, "cam", &offer).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(reason) if reason.contains("profile")), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whep_offer_without_h265_is_refused_with_the_reason() {
    let world = world();
    let _publisher = publish(&world, &name("cam"));
    let (_viewer, offer) = Viewer::new(1, false).await;
    match whep(&world, "cam", &offer).await {
        Err(Error::Unsupported(reason)) => assert!(reason.contains("H.265"), "{reason}"),
        other => panic!("{:?}", other.map(|answer| answer.sdp)),
    }
    assert_eq!((world.engine.sessions().len(), world.doors.inside()), (0, 0), "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_whose_client_offered_both_codecs_shows_cameras_of_both() {
    let mut world = world();
    let [h265, h264] = [0, 1].map(|at| world.cameras[at].clone());
    let path = h265.sub.clone().unwrap();
    let rtsp = rtsp(&world);
    let _publisher = rtsp.publish(&CLIP, "tcp", path.as_str()).await;
    world.publish(h264.sub.as_ref().unwrap(), 25).await;
    let client = Viewer::of(BOTH, 2, true).await;
    let (mut viewer, _) = world.wall_of(client, "window", 2).await;
    let want = json!({"w": 320, "h": 180});
    for (slot, camera) in [&h265, &h264].into_iter().enumerate() {
        viewer.say(json!({"t": "assign", "seq": 1, "slot": slot, "camera": camera.id, "want": want})).await;
    }
    let live = |viewer: &Viewer, slot: usize| viewer.phase(slot) == Some("live");
    viewer.until("both", |viewer| live(viewer, 0) && live(viewer, 1)).await;
    viewer.until("pictures", |viewer| viewer.seen[0].h265.len() > 25 && viewer.seen[1].pictures.len() > 25).await;
    let state = viewer.last("state", 0).unwrap().clone();
    assert!(state["codec"].as_str().unwrap().starts_with("hvc1."), "{state}");
    assert_eq!((&state["w"], &state["h"]), (&json!(640), &json!(360)), "{state}");

    // Each slot goes on with the other codec, without another offer.
    for (slot, camera) in [&h264, &h265].into_iter().enumerate() {
        viewer.say(json!({"t": "assign", "seq": 2, "slot": slot, "camera": camera.id, "want": want})).await;
    }
    viewer.until("the others", |viewer| viewer.seen[0].pictures.len() > 25 && viewer.seen[1].h265.len() > 25).await;
    assert_eq!((viewer.seen[0].torn, viewer.seen[1].torn), (0, 0));
    let first = kinds(&viewer.seen[1].h265[0]);
    assert_eq!(first.iter().filter(|kind| [h265::VPS, h265::SPS, h265::PPS].contains(kind)).count(), 3, "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_slot_is_denied_and_hls_named_instead() {
    let world = world();
    let camera = world.cameras[0].clone();
    let _publisher = publish(&world, camera.sub.as_ref().unwrap());
    let (mut viewer, _) = world.wall("window", 1).await;
    viewer.say(json!({"t": "assign", "seq": 1, "slot": 0, "camera": camera.id, "want": {"w": 320, "h": 180}})).await;
    viewer.until("the refusal", |viewer| viewer.last("denied", 0).is_some()).await;
    let error = viewer.last("denied", 0).unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["lanes"]), (&json!("LANE_UNSUITABLE"), &json!(["hls"])), "{error}");
    assert!(error["message_en"].as_str().unwrap().contains("H.265"), "{error}");
}

/// What the answer to an offer of a publisher with this video section takes of it.
fn taken(codecs: &[(u8, &str, &str)]) -> Result<Vec<String>, Error> {
    let types: Vec<String> = codecs.iter().map(|(pt, ..)| pt.to_string()).collect();
    let mut offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF {}\r\n\
         c=IN IP4 0.0.0.0\r\na=ice-ufrag:u123\r\na=ice-pwd:pppppppppppppppppppppppp\r\na=setup:actpass\r\na=mid:0\r\n\
         a=fingerprint:sha-256 {}\r\na=sendonly\r\na=rtcp-mux\r\n",
        types.join(" "),
        ["AB"; 32].join(":")
    );
    for (pt, name, fmtp) in codecs {
        offer.push_str(&format!("a=rtpmap:{pt} {name}/90000\r\n"));
        if !fmtp.is_empty() {
            offer.push_str(&format!("a=fmtp:{pt} {fmtp}\r\n"));
        }
    }
    let trial = Trial::new(&offer, Role::Publish)?;
    let maps = trial.answer().lines().filter_map(|line| line.strip_prefix("a=rtpmap:"));
    Ok(maps.map(str::to_owned).collect())
}

#[test]
fn a_publisher_is_held_to_the_first_codec_of_its_offer_that_can_be_taken() {
    let h264 = (98, "H264", "packetization-mode=1;profile-level-id=42e01f");
    let h264_mode_0 = (97, "H264", "packetization-mode=0;profile-level-id=42e01f");
    let h265 = (49, "H265", "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST");
    let main_10 = (50, "H265", "level-id=180;profile-id=2;tier-flag=0;tx-mode=SRST");
    let vp8 = (96, "VP8", "");
    let check = |codecs: &[_], want: &str| assert_eq!(taken(codecs).unwrap(), [want], "{codecs:?}");
    check(&[vp8, h265, h264], "49 H265/90000");
    check(&[vp8, h264, h265], "98 H264/90000");
    check(&[h264_mode_0, h265], "49 H265/90000");
    check(&[main_10, h264], "98 H264/90000");
    let refused = taken(&[vp8, h264_mode_0, main_10]).unwrap_err();
    assert!(matches!(&refused, Error::Unsupported(reason) if reason.contains("H.265")), "{refused:?}");
}
