//! The WebRTC engine with a client that needs no browser: loss, walls that come and go, and peers that never connect.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

#[path = "webrtc/relay.rs"]
mod relay;
#[path = "webrtc/viewer.rs"]
mod viewer;
#[path = "webrtc/world.rs"]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use media::{admission::Permit, webrtc::wall};
use relay::Relay;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};
use viewer::{Viewer, wait_for};
use world::{FPS, World, caller, meta, name};

const SECOND: Duration = Duration::from_secs(1);
/// What Chromium offers a viewer with a data channel, with fewer codecs.
const CHROMIUM: &str = include_str!("webrtc/chromium.sdp");

/// A viewer of a path, behind a relay that loses packets.
async fn behind_a_relay(world: &World, path: &str, percent: u64) -> (Viewer, Relay) {
    let server = world.engine.local_addr();
    let relay = Relay::start(server, percent).await;
    let (mut viewer, offer) = Viewer::new(1, false).await;
    let meta = meta();
    let reader = world.reader(&name(path), meta.id).await;
    let answer = world.engine.whep(&offer, reader, meta).await.unwrap();
    viewer.answered(&relay.through(&answer.sdp, server));
    viewer.until("a picture", |viewer| !viewer.seen[0].pictures.is_empty()).await;
    (viewer, relay)
}

/// Counts how often the camera of a stream is asked for a keyframe.
fn count_requests(stream: media::Stream, tasks: &mut JoinSet<()>) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tasks.spawn(async move {
        loop {
            stream.keyframe_wanted().await;
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_percent_loss_is_made_good_by_retransmission() {
    let mut world = World::start(10 * SECOND);
    let stream = world.publish(&name("cam"), 250).await;
    let (mut viewer, relay) = behind_a_relay(&world, "cam", 10).await;
    let mut tasks = JoinSet::new();
    let asked = count_requests(stream, &mut tasks);
    let before = viewer.seen[0].pictures.len();
    viewer.run(6 * SECOND).await;
    let seen = &viewer.seen[0];
    let lost = relay.way.lost.load(Ordering::Relaxed);
    let numbers: Vec<u32> = seen.pictures.iter().map(|picture| picture.number).collect();
    assert!(lost >= 50, "{lost} packets were lost");
    assert_eq!(seen.torn, 0, "{numbers:?}");
    let shown = seen.pictures.len() - before;
    assert!(shown >= 5 * FPS as usize, "{shown} pictures in 6 s with {lost} packets lost, {} breaks", seen.breaks);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the camera was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_picture_comes_back_from_the_ring_and_the_camera_is_not_asked() {
    let mut world = World::start(10 * SECOND);
    let stream = world.publish(&name("cam"), 1_000).await;
    let (mut viewer, relay) = behind_a_relay(&world, "cam", 0).await;
    let mut tasks = JoinSet::new();
    let asked = count_requests(stream, &mut tasks);
    for _ in 0..2 {
        // Longer than what is kept for retransmission.
        relay.way.dark.store(true, Ordering::Relaxed);
        viewer.run(4 * SECOND).await;
        relay.way.dark.store(false, Ordering::Relaxed);
        let before = viewer.seen[0].pictures.len();
        viewer.ask_for_keyframe(0);
        let came_back = |viewer: &Viewer| viewer.seen[0].pictures[before..].iter().any(|picture| picture.keyframe);
        viewer.until("the keyframe of the ring", came_back).await;
        viewer.until("the newest picture", |viewer| viewer.seen[0].pictures.len() > before + 100).await;
    }
    let keyframes: Vec<u32> =
        viewer.seen[0].pictures.iter().filter(|picture| picture.keyframe).map(|picture| picture.number).collect();
    assert_eq!(keyframes, [0, 0, 0], "one keyframe was published");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the camera was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_for_keyframes_become_one_a_second_when_none_is_held() {
    let mut world = World::start(10 * SECOND);
    let stream = world.publish(&name("cam"), 0).await;
    let (mut viewer, offer) = Viewer::new(1, false).await;
    let meta = meta();
    let reader = world.reader(&name("cam"), meta.id).await;
    let answer = world.engine.whep(&offer, reader, meta).await.unwrap();
    viewer.answered(&answer.sdp);
    viewer.until("the connection", |viewer| viewer.connected).await;
    viewer.run(SECOND).await;
    let mut tasks = JoinSet::new();
    let asked = count_requests(stream, &mut tasks);
    let begun = Instant::now();
    while begun.elapsed() < 4 * SECOND {
        viewer.ask_for_keyframe(0);
        viewer.run(SECOND / 20).await;
    }
    let asked = asked.load(Ordering::SeqCst);
    assert!((2..=6).contains(&asked), "the camera was asked {asked} times in 4 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_windows_new_session_takes_over_from_the_old_one() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[0].clone();
    world.publish(camera.sub.as_ref().unwrap(), 25).await;
    let assign = json!({"t": "assign", "seq": 1, "slot": 0, "camera": camera.id, "want": {"w": 320, "h": 180}});
    let (mut first, first_id) = world.wall("window", 4).await;
    first.say(assign.clone()).await;
    first.until("a picture", |viewer| !viewer.seen[0].pictures.is_empty()).await;
    // The first one reads on meanwhile: what finds its socket full is lost, and nobody sends a farewell again.
    let opening = async {
        let (mut other, _) = world.wall("other window", 4).await;
        other.say(assign.clone()).await;
        other.until("a picture", |viewer| !viewer.seen[0].pictures.is_empty()).await;
        other
    };
    let mut other = tokio::select! {
        other = opening => other,
        () = first.run(60 * SECOND) => panic!("the other window shows nothing"),
    };
    assert_eq!((world.doors.inside(), world.engine.sessions().len()), (2, 2));
    let heard = first.heard.len();
    first.until("the next state", |viewer| viewer.heard.len() > heard).await;

    let farewell = first.until("the farewell", |viewer| viewer.heard.iter().any(|message| message["t"] == "closing"));
    let ((mut second, _), ()) = tokio::join!(world.wall("window", 4), farewell);
    let closing = first.heard.iter().find(|message| message["t"] == "closing").unwrap();
    assert_eq!(closing["reason"], "replaced");
    assert!(world.engine.sessions().iter().all(|session| session.id != first_id));
    assert_eq!(world.doors.inside(), 1, "the old permit is given back");
    second.say(assign).await;
    second.until("a picture", |viewer| viewer.phase(0) == Some("live")).await;
    assert_eq!((world.doors.inside(), world.engine.sessions().len()), (2, 2));
    let before = other.seen[0].pictures.len();
    other.run(SECOND).await;
    assert!(other.seen[0].pictures.len() > before + 10, "the other window goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_stops_pinging_loses_its_slots_and_permits() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[0].clone();
    world.publish(camera.sub.as_ref().unwrap(), 25).await;
    let (mut viewer, _) = world.wall("window", 4).await;
    let assign = |slot| json!({"t": "assign", "seq": slot + 1, "slot": slot, "camera": camera.id, "want": {"w": 320}});
    viewer.say(json!([assign(0), assign(1)])).await;
    viewer.until("both tiles", |viewer| viewer.phase(0) == Some("live") && viewer.phase(1) == Some("live")).await;
    let said = Instant::now();
    viewer.say(json!({"t": "ping", "ts": 7})).await;
    viewer.until("the pong", |viewer| viewer.heard.iter().any(|message| message["t"] == "pong")).await;
    assert_eq!((world.doors.inside(), world.readers()), (2, 1));
    // The connection itself lives on; only nobody says that the page does.
    viewer.run(13 * SECOND).await;
    assert_eq!(world.doors.inside(), 2, "given up after {:?}", said.elapsed());
    viewer.until("the farewell", |viewer| viewer.heard.iter().any(|message| message["t"] == "closing")).await;
    assert_eq!((world.doors.inside(), world.readers(), world.engine.sessions().len()), (0, 0, 0));
    assert!(said.elapsed() < 20 * SECOND);
}

/// Assignments of one camera to these slots, from `seq` on.
fn assignments(camera: &domain::Camera, slots: std::ops::Range<usize>, seq: usize) -> serde_json::Value {
    let want = json!({"w": 320, "h": 180});
    slots
        .map(|slot| json!({"t": "assign", "seq": seq + slot, "slot": slot, "camera": camera.id, "want": want}))
        .collect::<Vec<_>>()
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_changes_between_64_tiles_and_one_fifty_times_and_keeps_nothing() {
    const SLOTS: usize = 64;
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[0].clone();
    world.publish_at(camera.sub.as_ref().unwrap(), 5, 5).await;
    let (mut wall, _) = world.wall("window", SLOTS).await;
    let mut seq = 1;
    let mut resident = Vec::new();
    for round in 0..50 {
        let before: Vec<usize> = wall.seen.iter().map(|seen| seen.pictures.len()).collect();
        // Half of them at a time: a message has its limit.
        for slots in [0..SLOTS / 2, SLOTS / 2..SLOTS] {
            wall.say(assignments(&camera, slots, seq)).await;
        }
        let all = |wall: &Viewer| (0..SLOTS).all(|slot| wall.seen[slot].pictures.len() > before[slot]);
        wall.until("a picture in each tile", all).await;
        assert_eq!((world.doors.inside(), world.readers()), (SLOTS, 1), "round {round}");
        seq += SLOTS;
        let release = |slot| json!({"t": "release", "seq": seq + slot, "slot": slot});
        wall.say((1..SLOTS).map(release).collect::<Vec<_>>().into()).await;
        wall.say(json!({"t": "ping", "ts": round})).await;
        let one = || world.doors.inside() == 1;
        wall.until("one tile", |_| one()).await;
        let first = wall.seen[0].pictures.len();
        wall.until("the first tile goes on", |wall| wall.seen[0].pictures.len() > first).await;
        seq += SLOTS;
        wall.heard.clear();
        for seen in &mut wall.seen {
            assert_eq!(seen.torn, 0, "round {round}");
            seen.pictures.clear();
        }
        resident.push(resident_kib());
    }
    // The first rounds fill the allocator's pools, and other tests of this process have memory of their own.
    let grown = resident[49].saturating_sub(resident[10]);
    assert!(grown < 20_000, "resident memory after each round in KiB: {resident:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_nobody_follows_up_are_freed_within_the_handshake_timeout() {
    const ORPHANS: usize = 300;
    let mut world = World::start(2 * SECOND);
    world.publish(&name("cam"), 25).await;
    let (_, offer) = Viewer::new(1, false).await;
    let mut resident = Vec::new();
    for _ in 0..3 {
        for _ in 0..ORPHANS {
            let meta = meta();
            let reader = world.reader(&name("cam"), meta.id).await;
            world.engine.whep(&offer, reader, meta).await.unwrap();
        }
        let freed = || world.engine.sessions().is_empty() && world.readers() == 0 && world.doors.inside() == 0;
        wait_for("all orphans are freed", 12 * SECOND, freed).await;
        resident.push(resident_kib());
    }
    // The first round fills the allocator's pools; after it nothing grows.
    let grown = resident[2].saturating_sub(resident[1]);
    assert!(grown < 20_000, "resident memory after each round in KiB: {resident:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_withdrawn_ends_pictures_and_places_at_once() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[0].clone();
    let path = camera.sub.clone().unwrap();
    let stream = world.publish(&path, 25).await;
    let (mut wall, wall_id) = world.wall("window", 4).await;
    let assign = |slot| json!({"t": "assign", "seq": slot + 1, "slot": slot, "camera": camera.id, "want": {"w": 320}});
    wall.say(json!([assign(0), assign(1)])).await;
    wall.until("both tiles", |viewer| viewer.phase(0) == Some("live") && viewer.phase(1) == Some("live")).await;
    let (mut single, _relay) = behind_a_relay(&world, path.as_str(), 0).await;

    let readers = world.hub.path_snapshot(&path).unwrap().readers;
    assert_eq!(readers.len(), 2, "two sessions read, one of them in two slots: {readers:?}");
    for session in world.engine.sessions() {
        assert!(readers.iter().any(|(_, id)| *id == session.id), "{readers:?}");
    }
    let sent = stream.counters().outbound_bytes.load(Ordering::Relaxed);
    let counted: u64 = world.engine.sessions().iter().map(|session| session.outbound_bytes).sum();
    assert!(sent > 0 && sent.abs_diff(counted) < counted / 4, "{sent} bytes of the path, {counted} of the sessions");
    wall.say(json!({"t": "release", "seq": 9, "slot": 1})).await;
    let released = |world: &World| world.doors.inside() == 2;
    wall.run(SECOND / 2).await;
    assert!(released(&world) && world.hub.path_snapshot(&path).unwrap().readers.len() == 2);

    world.doors.revoke();
    wall.until("the refusal", |viewer| viewer.last("denied", 0).is_some()).await;
    assert_eq!(wall.last("denied", 0).unwrap()["error"]["code"], "FORBIDDEN");
    let sessions = || world.engine.sessions().iter().map(|session| session.id).collect::<Vec<_>>();
    wait_for("the single viewer is sent away", 3 * SECOND, || sessions() == [wall_id]).await;
    assert_eq!((world.doors.inside(), world.readers()), (0, 0));
    wall.run(SECOND / 2).await;
    let before = wall.seen[0].pictures.len();
    wall.run(SECOND).await;
    single.run(SECOND / 5).await;
    assert_eq!(wall.seen[0].pictures.len(), before, "no more packets");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_gets_as_many_frames_as_it_wants_and_its_report_is_heard() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[0].clone();
    world.publish(camera.sub.as_ref().unwrap(), 50).await;
    let (mut wall, _) = world.wall("window", 1).await;
    let assign = |seq, fps| json!({"t": "assign", "seq": seq, "slot": 0, "camera": camera.id, "want": {"w": 320, "h": 180, "fps": fps}});
    for (seq, fps, least, most) in [(1, 12, 28, 44), (2, 0, 60, 90), (3, 12, 28, 44)] {
        wall.say(json!([{"t": "ping", "ts": seq}, assign(seq, fps)])).await;
        wall.until("the tile", |viewer| viewer.phase(0) == Some("live")).await;
        wall.run(SECOND).await;
        let before = wall.seen[0].pictures.len();
        wall.run(3 * SECOND).await;
        let shown = wall.seen[0].pictures.len() - before;
        assert!((least..=most).contains(&shown), "{shown} pictures in 3 s where {fps} a second are wanted");
    }
    assert_eq!((wall.seen[0].torn, wall.seen[0].breaks), (0, 0), "what is left out leaves no hole");
    let report = json!({"slot": 0, "fps": 12, "dropped": 3, "jitter_ms": 8.5, "latency_ms": 40});
    wall.say(json!({"t": "report", "slots": [report, {"slot": 77, "fps": 1}]})).await;
    wall.run(SECOND / 2).await;
    let seen = world.engine.sessions()[0].seen.unwrap();
    assert_eq!((seen.tiles, seen.fps_min, seen.frames_dropped), (1, 12.0, 3));
    assert_eq!((seen.jitter_ms_max, seen.latency_ms_max), (8.5, Some(40.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_that_belongs_to_no_session_is_closed() {
    let world = World::start(10 * SECOND);
    let address = world.engine.local_tcp_addr().unwrap();
    let connect = || tokio::net::TcpStream::connect(address);
    let mut too_large = connect().await.unwrap();
    too_large.write_all(&[0xff, 0xff]).await.unwrap();
    let mut stranger = connect().await.unwrap();
    // A binding request of somebody who was never answered.
    let mut request = vec![0, 32, 0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    request.extend(b"\0\x06\0\x07nob:ody\0");
    stranger.write_all(&request).await.unwrap();
    let begun = Instant::now();
    for closed in [&mut too_large, &mut stranger] {
        assert!(timeout(5 * SECOND, closed.read_u8()).await.unwrap().is_err());
    }
    let mut silent = connect().await.unwrap();
    assert!(timeout(20 * SECOND, silent.read_u8()).await.unwrap().is_err());
    assert!(begun.elapsed() >= 9 * SECOND, "a connection has time to say what it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_restarts_without_a_new_session() {
    let mut world = World::start(10 * SECOND);
    world.publish(&name("cam"), 25).await;
    let (mut viewer, offer) = Viewer::new(1, false).await;
    let meta = meta();
    let reader = world.reader(&name("cam"), meta.id).await;
    let answer = world.engine.whep(&offer, reader, meta).await.unwrap();
    viewer.answered(&answer.sdp);
    viewer.until("a picture", |viewer| !viewer.seen[0].pictures.is_empty()).await;
    for _ in 0..2 {
        let client = viewer.restart();
        let restarted = world.engine.restart(&answer.secret, client.clone()).await.unwrap();
        let access = world.engine.access(&answer.secret).unwrap();
        assert_eq!((&access.etag, &access.ufrag), (&restarted.etag, &client.ufrag));
        assert!(restarted.etag != answer.etag);
        let lines: Vec<&str> = restarted.fragment.lines().collect();
        let new = |name: &str| *lines.iter().find(|line| line.starts_with(name)).unwrap();
        let replaced = |line: &str| match line {
            line if line.starts_with("a=ice-ufrag:") => format!("{}\r\n", new("a=ice-ufrag:")),
            line if line.starts_with("a=ice-pwd:") => format!("{}\r\n", new("a=ice-pwd:")),
            line => format!("{line}\r\n"),
        };
        viewer.answered(&answer.sdp.lines().map(replaced).collect::<String>());
        viewer.run(2 * SECOND).await;
        let before = viewer.seen[0].pictures.len();
        viewer.run(2 * SECOND).await;
        assert!(viewer.seen[0].pictures.len() > before + 30, "pictures go on");
    }
    assert_eq!(viewer.seen[0].torn, 0);
    assert_eq!(world.engine.sessions().len(), 1);
    let unknown = world.engine.restart("nobody", viewer.restart()).await;
    assert!(matches!(unknown, Err(media::Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_one_stream_on_one_port() {
    let mut world = World::start(10 * SECOND);
    world.publish(&name("cam"), 25).await;
    let offer = CHROMIUM.replace('\n', "\r\n");
    let view = meta();
    let reader = world.reader(&name("cam"), view.id).await;
    let whep = world.engine.whep(&offer, reader, view).await.unwrap().sdp;
    let permit = || Permit::new("publisher".into(), ());
    let publishing = offer.replace("a=recvonly", "a=sendonly");
    let whip = world.engine.whip(&publishing, name("other"), permit(), meta()).await.unwrap().sdp;
    let both = offer.replace("a=recvonly", "a=sendrecv");
    let whip_both = world.engine.whip(&both, name("other"), permit(), meta()).await.unwrap().sdp;
    let request = wall::Request { offer, slots: 1, window_id: "window".into(), caller: caller() };
    let wall = world.engine.open_wall(request, meta()).await.unwrap().answer;

    for (answer, sources) in [(whep, true), (whip, false), (whip_both, true), (wall, true)] {
        let (session, rest) = answer.split_once("\r\nm=").unwrap();
        assert!(session.contains("a=group:BUNDLE 0 1 2") && !session.contains("rtcp-mux"), "{answer}");
        assert_eq!(words(session, "a=msid-semantic: "), ["WMS cctv"], "{answer}");
        let sections: Vec<&str> = rest.split("\r\nm=").collect();
        let [video, audio, channel] = sections[..] else { panic!("three sections are answered: {answer}") };
        assert!(video.starts_with("video") && audio.starts_with("audio"), "{answer}");
        assert!(!channel.contains("rtcp") && !channel.contains("msid"), "there is no RTP in it: {answer}");
        assert_ne!(words(video, "a=msid:"), words(audio, "a=msid:"), "they are two tracks: {answer}");
        for section in [video, audio] {
            let flags = section.lines().filter(|line| line.starts_with("a=rtcp-mux"));
            assert_eq!(flags.collect::<Vec<_>>(), ["a=rtcp-mux", "a=rtcp-mux-only"], "{answer}");
            let [track] = words(section, "a=msid:")[..] else { panic!("one track to a section: {answer}") };
            assert!(track.starts_with("cctv "), "{answer}");
            let of_sources = words(section, " msid:");
            assert_eq!(!of_sources.is_empty(), sources, "{answer}");
            assert!(of_sources.iter().all(|source| *source == track), "{answer}");
        }
    }
}

/// What follows `name` in the lines of a section that have it.
fn words<'a>(section: &'a str, name: &str) -> Vec<&'a str> {
    section.lines().filter_map(|line| line.split_once(name)).map(|(_, words)| words).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fails_says_which_candidates_and_ports() {
    let mut world = World::start(SECOND);
    world.publish(&name("cam"), 25).await;
    let (_, offer) = Viewer::new(1, false).await;
    let meta = meta();
    let id = meta.id;
    let reader = world.reader(&name("cam"), id).await;
    world.engine.whep(&offer, reader, meta).await.unwrap();
    wait_for("the failure", 5 * SECOND, || !world.engine.failures().is_empty()).await;
    let failure = &world.engine.failures()[0];
    let (udp, tcp) = (world.engine.local_addr(), world.engine.local_tcp_addr().unwrap());
    assert_eq!((failure.session.id, failure.session.path.as_str()), (id, "cam"));
    assert_eq!(
        failure.reason,
        format!("no packet of the peer arrived within 1 s; it was offered udp {udp}, tcp {tcp}")
    );

    // A viewer that leaves of its own is no failure; one that falls silent is, and names its own end.
    let (mut viewer, relay) = behind_a_relay(&world, "cam", 0).await;
    relay.way.dark.store(true, Ordering::Relaxed);
    viewer.run(SECOND).await;
    drop((viewer, relay));
    wait_for("the silence", 25 * SECOND, || world.engine.failures().len() == 2).await;
    let reason = &world.engine.failures()[0].reason;
    assert!(reason.starts_with("nothing was heard of the peer (udp 127.0.0.1:"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_gets_the_sub_stream_while_its_way_is_congested() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[1].clone();
    for path in [&camera.main, &camera.sub] {
        world.publish(path.as_ref().unwrap(), 25).await;
    }
    let server = world.engine.local_addr();
    let relay = Relay::start(server, 0).await;
    let (mut wall, offer) = Viewer::new(1, true).await;
    let request = wall::Request { offer, slots: 1, window_id: "window".into(), caller: caller() };
    let opened = world.engine.open_wall(request, meta()).await.unwrap();
    wall.answered(&relay.through(&opened.answer, server));
    let want = json!({"w": 1920, "h": 1080, "fps": 25});
    wall.say(json!({"t": "assign", "seq": 1, "slot": 0, "camera": camera.id, "want": want})).await;
    let rendition =
        |viewer: &Viewer, wanted: &str| viewer.last("state", 0).is_some_and(|state| state["rendition"] == wanted);
    wall.until("the main stream", |viewer| rendition(viewer, "main")).await;
    relay.way.percent.store(30, Ordering::Relaxed);
    wall.say(json!({"t": "ping", "ts": 1})).await;
    wall.until("the sub stream", |viewer| rendition(viewer, "sub")).await;
    assert_eq!(wall.last("state", 0).unwrap()["reason"], "congestion");
    let before = wall.seen[0].pictures.len();
    relay.way.percent.store(0, Ordering::Relaxed);
    wall.run(2 * SECOND).await;
    assert!(wall.seen[0].pictures.len() > before + 20 && rendition(&wall, "sub"));
}

/// A wall of one large tile behind a relay; its camera's main stream has 1.2 Mbit/s and its sub stream 0.3.
async fn large_tile(world: &mut World) -> (Viewer, Relay) {
    let camera = world.cameras[1].clone();
    world.publish(camera.main.as_ref().unwrap(), 25).await;
    world.publish_at(camera.sub.as_ref().unwrap(), 10, 5).await;
    let server = world.engine.local_addr();
    let relay = Relay::start(server, 0).await;
    let (mut wall, offer) = Viewer::new(1, true).await;
    let request = wall::Request { offer, slots: 1, window_id: "window".into(), caller: caller() };
    let opened = world.engine.open_wall(request, meta()).await.unwrap();
    assert!(opened.answer.contains("transport-cc") && opened.answer.contains("transport-wide-cc-extensions"));
    wall.answered(&relay.through(&opened.answer, server));
    let want = json!({"w": 1920, "h": 1080, "fps": 25});
    wall.say(json!({"t": "assign", "seq": 1, "slot": 0, "camera": camera.id, "want": want})).await;
    wall.until("the main stream", |viewer| shows(viewer, "main")).await;
    (wall, relay)
}

fn shows(viewer: &Viewer, rendition: &str) -> bool {
    viewer.last("state", 0).is_some_and(|state| state["rendition"] == rendition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_gets_the_sub_stream_when_its_way_is_narrow_though_nothing_is_lost() {
    let mut world = World::start(10 * SECOND);
    let (mut wall, relay) = large_tile(&mut world).await;
    // The rate of a stream is known after two seconds of it.
    wall.run(4 * SECOND).await;
    assert!(shows(&wall, "main"));
    relay.way.bps.store(800_000, Ordering::Relaxed);
    wall.say(json!({"t": "ping", "ts": 1})).await;
    let narrowed = Instant::now();
    wall.until("the sub stream", |viewer| shows(viewer, "sub")).await;
    let took = narrowed.elapsed();
    assert_eq!(wall.last("state", 0).unwrap()["reason"], "congestion");
    let known = world.engine.sessions()[0].bandwidth_bps.unwrap();
    assert!((650_000..850_000).contains(&known), "800 kbit/s were taken for {known} bit/s");
    assert!(took < 10 * SECOND, "it took {took:?}");
    wall.run(3 * SECOND).await;
    let before = wall.seen[0].pictures.len();
    wall.run(4 * SECOND).await;
    let shown = wall.seen[0].pictures.len() - before;
    assert!((15..=25).contains(&shown), "{shown} pictures of the sub stream in 4 s");
    assert_eq!((relay.way.lost.load(Ordering::Relaxed), wall.seen[0].torn), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tile_keeps_the_main_stream_where_its_way_is_wide() {
    let mut world = World::start(10 * SECOND);
    let (mut wall, relay) = large_tile(&mut world).await;
    for bps in [0, 3_000_000] {
        relay.way.bps.store(bps, Ordering::Relaxed);
        wall.say(json!({"t": "ping", "ts": 1})).await;
        wall.run(8 * SECOND).await;
        let states = wall.heard.iter().filter(|message| message["t"] == "state" && message["rendition"] == "main");
        let reasons: Vec<_> = states.filter_map(|state| state["reason"].as_str()).collect();
        assert!(shows(&wall, "main") && reasons.is_empty(), "{reasons:?} at {bps} bit/s");
    }
    let known = world.engine.sessions()[0].bandwidth_bps.unwrap();
    assert!(known >= 1_000_000, "more than {known} bit/s arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_of_a_main_stream_gets_the_sub_stream_when_its_way_is_narrow() {
    let mut world = World::start(10 * SECOND);
    let camera = world.cameras[1].clone();
    let [main, sub] = [camera.main.unwrap(), camera.sub.unwrap()];
    world.publish(&main, 25).await;
    world.publish_at(&sub, 10, 5).await;
    let (mut viewer, relay) = behind_a_relay(&world, main.as_str(), 0).await;
    let readers = |world: &World, path| world.hub.path_snapshot(path).unwrap().readers.len();
    viewer.run(4 * SECOND).await;
    assert_eq!((readers(&world, &main), readers(&world, &sub)), (1, 0));
    relay.way.bps.store(800_000, Ordering::Relaxed);
    viewer.until("the sub stream", |_| readers(&world, &sub) == 1).await;
    viewer.run(5 * SECOND).await;
    let before = viewer.seen[0].pictures.len();
    viewer.run(4 * SECOND).await;
    let shown = viewer.seen[0].pictures.len() - before;
    assert!((15..=25).contains(&shown), "{shown} pictures of the sub stream in 4 s");
    assert_eq!(relay.way.lost.load(Ordering::Relaxed), 0);
    assert_eq!((viewer.seen[0].torn, world.doors.inside()), (0, 1), "under one permit");
    // The main stream is tried again, and the way takes it now.
    relay.way.bps.store(0, Ordering::Relaxed);
    viewer.run(22 * SECOND).await;
    viewer.until("the main stream", |_| readers(&world, &sub) == 0).await;
    let before = viewer.seen[0].pictures.len();
    viewer.run(2 * SECOND).await;
    let shown = viewer.seen[0].pictures.len() - before;
    assert!(shown >= 40 && viewer.seen[0].torn == 0, "{shown} pictures of the main stream in 2 s");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
