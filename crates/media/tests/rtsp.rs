//! The RTSP server with real clients: ffmpeg, ffprobe and GStreamer publish and read over TCP and UDP.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

#[path = "rtsp/world.rs"]
mod world;

use std::time::{Duration, Instant};

use domain::PathName;
use media::rtsp::{AuthMethod, SessionState, Transport};
use testkit::rtsp::{Came, Raw, open_sockets, read_for, visit};
use tokio::task::JoinSet;
use world::{
    TOKEN, World, decode, ffmpeg, freeze, hard_clip, plain_clip, probe, program, run, run_clean, shared_clips, words,
};

/// Reads over both transports with ffprobe and ffmpeg.
async fn check_readers(url: &str, frames: u32) {
    for transport in ["tcp", "udp"] {
        let seen = probe(url, transport).await;
        assert!(seen.contains("h264"), "{transport}: {seen}");
        decode(url, transport, frames).await;
    }
}

#[tokio::test]
async fn ffmpeg_publishes_over_tcp_and_others_read_over_tcp_and_udp() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let seen = probe(&world.url("cam"), "tcp").await;
    assert!(seen.contains("h264,320,180") && seen.contains("aac"), "{seen}");
    check_readers(&world.url("cam"), 60).await;
}

#[tokio::test]
async fn ffmpeg_publishes_over_udp_by_default() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "", "cam").await;
    let session = world.sessions().into_iter().find(|session| session.state == SessionState::Publish).unwrap();
    assert_eq!(session.transport, Some(Transport::Udp));
    check_readers(&world.url("cam"), 60).await;
    let session = world.sessions().into_iter().find(|session| session.state == SessionState::Publish).unwrap();
    assert!(session.inbound_rtp_packets > 0 && session.inbound_rtp_packets_lost == 0, "{session:?}");
}

#[tokio::test]
async fn b_frames_and_a_long_gop_pass_untouched() {
    let world = World::start();
    let _publisher = world.publish(&hard_clip().await, "tcp", "cam").await;
    check_readers(&world.url("cam"), 100).await;
}

#[tokio::test]
async fn real_footage_passes_untouched() {
    for clip in shared_clips() {
        let world = World::start();
        let _publisher = world.publish(&clip, "tcp", "test").await;
        check_readers(&world.url("test"), 30).await;
    }
}

#[tokio::test]
async fn gstreamer_reads_over_tcp_and_udp() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    for protocol in ["tcp", "udp"] {
        let pipeline = format!(
            "-q rtspsrc location={} protocols={protocol} latency=100 name=s \
             s. ! application/x-rtp,media=video ! queue ! rtph264depay ! avdec_h264 ! fakesink num-buffers=50",
            world.url("cam")
        );
        let output = run("gst-launch-1.0", &words(&pipeline)).await;
        assert!(output.status.success(), "{protocol}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn gstreamer_publishes_over_tcp_and_udp() {
    for protocol in ["tcp", "udp"] {
        let world = World::start();
        let pipeline = format!(
            "-q filesrc location={} ! qtdemux ! h264parse ! identity sync=true ! rtspclientsink protocols={protocol} location={}",
            hard_clip().await.display(),
            world.url("cam")
        );
        let _publisher = program("gst-launch-1.0", &words(&pipeline)).spawn().unwrap();
        world.ready("cam").await;
        decode(&world.url("cam"), "tcp", 50).await;
    }
}

#[tokio::test]
async fn a_picture_comes_at_once_however_long_the_gop_is() {
    let world = World::start();
    let _publisher = world.publish(&hard_clip().await, "tcp", "cam").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    let started = Instant::now();
    raw.play().await.unwrap();
    // Nothing but reports comes before the keyframe with its parameter sets.
    loop {
        match raw.next().await.unwrap() {
            Came::Packet(0, packet) => {
                assert!(matches!(packet[12] & 31, 7 | 24), "first packet has NAL type {}", packet[12] & 31);
                break;
            }
            Came::Packet(..) | Came::Response(..) => {}
            Came::End => panic!("the stream ended"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stranger_needs_the_token_in_any_of_its_forms() {
    check_strangers(&[AuthMethod::Basic]).await;
}

#[tokio::test]
async fn a_stranger_may_show_a_digest() {
    check_strangers(&[AuthMethod::DigestMd5]).await;
    check_strangers(&[AuthMethod::DigestSha256, AuthMethod::DigestMd5, AuthMethod::Basic]).await;
}

/// Publishes and reads with the right and with wrong credentials.
async fn check_strangers(methods: &[AuthMethod]) {
    let world = World::with(false, methods);
    let clip = plain_clip().await;
    let mut args = words("-v error -re -stream_loop -1 -i");
    args.push(clip.to_str().unwrap().to_owned());
    args.extend(words("-c copy -f rtsp -rtsp_transport tcp"));
    args.push(world.url_of("operator", TOKEN, "cam"));
    let _publisher = ffmpeg(&args).spawn().unwrap();
    world.ready("cam").await;
    probe(&world.url_of("operator", TOKEN, "cam"), "tcp").await;
    probe(&world.url(&format!("cam?token={TOKEN}")), "udp").await;
    for url in [world.url("cam"), world.url_of("operator", "wrong", "cam"), world.url("cam?jwt=wrong")] {
        let output = run("ffprobe", &words(&format!("-v error -rtsp_transport tcp {url}"))).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains("401"), "{methods:?} {url}: {errors}");
    }
    assert!(world.sessions().iter().all(|session| !session.query.contains(TOKEN)));
}

#[tokio::test]
async fn a_slow_reader_loses_its_own_frames_only() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let address = world.server.local_addr();
    let time = Duration::from_secs(25);
    let mut readers = JoinSet::new();
    for bytes_per_s in [40_000.0, 10_000_000.0] {
        readers.spawn(async move {
            let mut raw = Raw::connect_small(address, "cam").await.unwrap();
            raw.play().await.unwrap();
            (bytes_per_s, read_for(&mut raw, time, bytes_per_s).await.unwrap())
        });
    }
    let mut results = readers.join_all().await;
    results.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(_, (slow, _)), (_, (fast, fast_alive))] = &results[..] else { panic!("two readers") };
    assert!(*fast_alive && fast.holes == 0 && fast.packets > 300, "{fast:?}");
    assert!(slow.holes > 0 && slow.packets < fast.packets, "{slow:?}");
    // After each hole the picture begins anew: parameter sets first.
    assert!(slow.first_after_hole.iter().all(|first| matches!(first & 31, 7 | 24)), "{slow:?}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect_small(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    world.wait_for(|| world.readers().is_empty()).await;
}

#[tokio::test]
async fn visits_leave_nothing_behind() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let address = world.server.local_addr();
    visit(address, "cam", true).await.unwrap();
    world.wait_for(|| world.server.connections().len() == 1).await;
    let before = open_sockets(address.port()).unwrap();
    for n in 0..300 {
        visit(address, "cam", n % 2 == 0).await.unwrap();
    }
    world.wait_for(|| world.server.connections().len() == 1 && world.sessions().len() == 1).await;
    world.wait_for(|| open_sockets(address.port()).unwrap() == before).await;
    assert!(world.hub.paths().iter().all(|path| path.readers.is_empty()));
}

#[tokio::test]
async fn a_new_publisher_takes_over_and_readers_stay() {
    let world = World::start();
    let first = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    let _second = world.publish(&plain_clip().await, "tcp", "cam").await;
    let publishers = || world.sessions().iter().filter(|session| session.state == SessionState::Publish).count();
    world.wait_for(|| publishers() == 1).await;
    let (seen, alive) = read_for(&mut raw, Duration::from_secs(3), 1e9).await.unwrap();
    assert!(alive && seen.packets > 50, "{seen:?}");
    // One source for the reader all along, RFC 3550 section 8.
    assert_eq!(seen.sources.len(), 1, "{seen:?}");
    drop(first);
}

#[tokio::test]
async fn a_path_without_publisher_is_not_found() {
    let world = World::start();
    let mut raw = Raw::connect(world.server.local_addr(), "nothing").await.unwrap();
    let (status, head) = raw.request("DESCRIBE", "", "Accept: application/sdp\r\n").await.unwrap();
    assert_eq!(status, 404);
    assert!(head.contains("no stream is available on path nothing"), "{head}");
    assert!(world.sessions().is_empty());
}

#[tokio::test]
async fn a_kicked_session_ends() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    let session = world.readers().into_iter().next().unwrap();
    world.server.kick(session.id).unwrap();
    assert!(!read_for(&mut raw, Duration::from_secs(10), 1e9).await.unwrap().1);
    world.wait_for(|| world.server.kick(session.id).is_err()).await;
}

#[tokio::test]
async fn pause_stops_the_packets_and_play_goes_on() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    assert_eq!(raw.request("PAUSE", "", "").await.unwrap().0, 200);
    assert_eq!(world.sessions().iter().filter(|session| session.state == SessionState::Idle).count(), 1);
    assert_eq!(raw.request("PLAY", "", "").await.unwrap().0, 200);
    let (seen, alive) = read_for(&mut raw, Duration::from_secs(2), 1e9).await.unwrap();
    assert!(alive && seen.packets > 20, "{seen:?}");
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    world.server.shutdown().await;
    let mut goodbye = false;
    loop {
        match raw.next().await.unwrap() {
            // An empty receiver report, then BYE.
            Came::Packet(1, packet) => goodbye |= packet.get(9) == Some(&203),
            Came::Packet(..) | Came::Response(..) => {}
            Came::End => break,
        }
    }
    assert!(goodbye);
}

#[tokio::test]
async fn malformed_input_ends_its_own_connection_only() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let address = world.server.local_addr();
    let mut healthy = Raw::connect(address, "cam").await.unwrap();
    healthy.play().await.unwrap();
    let big_head = [b"OPTIONS * RTSP/1.0\r\nX: ".as_slice(), &[b'x'; 40_000]].concat();
    let inputs: [&[u8]; 7] = [
        &big_head,
        &[0xff; 100_000],
        b"OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
        b"OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n",
        b"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nm=!\n",
        b"SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: ;;;===\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for input in inputs {
        let mut raw = Raw::connect(address, "cam").await.unwrap();
        raw.send_lossy(input).await;
        raw.finish().await;
        loop {
            match raw.next().await.unwrap() {
                Came::Response(status, _) => assert!((400..500).contains(&status), "{status}"),
                Came::Packet(..) => panic!("a packet without PLAY"),
                Came::End => break,
            }
        }
    }
    let (seen, alive) = read_for(&mut healthy, Duration::from_secs(1), 1e9).await.unwrap();
    assert!(alive && seen.holes == 0 && seen.packets > 10, "{seen:?}");
    world.wait_for(|| world.server.connections().len() == 2).await;
}

#[tokio::test]
async fn ffmpeg_copies_a_stream_without_a_timestamp_going_back() {
    let world = World::start();
    let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let url = world.url("cam");
    let args = format!("-v warning -rtsp_transport tcp -i {url} -t 8 -c copy -f null -");
    run_clean("ffmpeg", &words(&args)).await;
}

#[tokio::test]
async fn a_frozen_publisher_is_given_up_and_its_readers_are_told() {
    let world = World::start();
    let publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
    let mut raw = Raw::connect(world.server.local_addr(), "cam").await.unwrap();
    raw.play().await.unwrap();
    freeze(&publisher).await;
    let started = Instant::now();
    let mut goodbye = false;
    loop {
        match raw.next().await.unwrap() {
            Came::Packet(1, packet) => goodbye |= packet.get(9) == Some(&203),
            Came::Packet(..) | Came::Response(..) => {}
            Came::End => break,
        }
    }
    let name = PathName::new("cam").unwrap();
    assert!(goodbye && started.elapsed() >= Duration::from_secs(15), "{:?}", started.elapsed());
    // Neither publisher nor reader is left, so the path is forgotten.
    world.wait_for(|| world.hub.path_snapshot(&name).is_none() && world.sessions().is_empty()).await;
}

#[tokio::test]
async fn a_udp_publisher_ends_with_its_connection() {
    let world = World::start();
    let mut publisher = world.publish(&plain_clip().await, "udp", "cam").await;
    publisher.kill().await.unwrap();
    world.wait_for(|| world.sessions().is_empty()).await;
    // Its ports are free for the next one.
    let _next = world.publish(&plain_clip().await, "udp", "cam").await;
}

#[tokio::test]
async fn readers_report_how_packets_reach_them() {
    for protocol in ["tcp", "udp"] {
        let world = World::start();
        let _publisher = world.publish(&plain_clip().await, "tcp", "cam").await;
        let pipeline = format!("-q rtspsrc location={} protocols={protocol} ! fakesink", world.url("cam"));
        let _reader = program("gst-launch-1.0", &words(&pipeline)).spawn().unwrap();
        world.wait_for(|| world.readers().iter().any(|session| session.round_trip.is_some())).await;
        let session = world.readers().into_iter().next().unwrap();
        assert!(session.round_trip.unwrap() < Duration::from_secs(1), "{session:?}");
        assert_eq!(
            (session.outbound_rtp_packets_reported_lost, session.inbound_rtcp_packets_in_error),
            (0, 0),
            "{session:?}"
        );
    }
}
