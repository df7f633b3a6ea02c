//! What must hold for any bytes a peer sends. Each function is one fuzz target; `media-proto`'s test `corpus` runs the
//! same functions over the committed corpus and over mutations of it, without a nightly compiler.

use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::Secret;
use media_proto::{
    Codec, RtpPacket, Track, TrackId, depacketizer, fmp4, h265, packetizer, rtcp, rtp,
    rtsp::{
        auth::{self, Credentials},
        client::{Carrier, ClientSession, Output, Target},
        framing::{Decoder, Frame},
        server::{self, Identity, Question, Scheme, ServerSession, Shown},
        transport,
    },
    sdp,
};

/// The frames are the same whether the bytes come at once or one by one.
pub fn rtsp_framing(bytes: &[u8]) {
    assert_eq!(frames(bytes, bytes.len().max(1)), frames(bytes, 1));
}

fn frames(bytes: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

/// Headers are read without harm, and an answer to a challenge can be read back.
pub fn rtsp_auth(bytes: &[u8]) {
    let Ok(header) = std::str::from_utf8(bytes) else { return };
    for transport in transport::parse(header).into_iter().flatten() {
        assert_eq!(transport::parse(&transport.to_string()), [Ok(transport)]);
    }
    let _ = auth::parse_authorization(header);
    let Some(mut challenge) = auth::strongest(header) else { return };
    let credentials = Credentials { user: "user".into(), password: Secret::new("password".into()) };
    let answer = challenge.authorize(&credentials, "DESCRIBE", "rtsp://host/path", "cnonce");
    assert!(!answer.contains(['\r', '\n']));
    if let Some(auth::Shown::Digest(digest)) = auth::parse_authorization(&answer) {
        assert!(!digest.verify("DESCRIBE", "another", "another", "another"));
    }
}

/// A session survives whatever the server says, and never asks for more than it may.
pub fn rtsp_client(bytes: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let mut now = Instant::now();
    let credentials = Some(Credentials { user: "user".into(), password: Secret::new("password".into()) });
    let by_udp = bytes.first().is_some_and(|first| first % 2 == 1);
    let carrier = if by_udp { Carrier::Udp { any_port: bytes.len() % 2 == 1 } } else { Carrier::Tcp };
    let target = Target {
        url: "rtsp://host/path".into(),
        credentials,
        cnonce: "cnonce".into(),
        carrier,
        alternative: Some(Carrier::Tcp),
    };
    let mut session = ClientSession::new(now, target).expect("the address is right");
    for piece in bytes.chunks(64) {
        if session.received(now, piece).is_err() {
            break;
        }
        loop {
            match session.poll(now) {
                Ok(Output::WaitUntil(at)) => {
                    assert!(at >= now);
                    break;
                }
                Ok(Output::Closed) | Err(_) => return,
                Ok(Output::Bind) => session.bound(now, (5000, 5001)),
                Ok(Output::Send(bytes)) => assert!(bytes.starts_with(b"$") || bytes.ends_with(b"\r\n\r\n")),
                Ok(_) => {}
            }
        }
        now += Duration::from_secs(1);
    }
    session.teardown(now);
}

/// A server's session survives whatever a client says, when every question is answered with yes.
pub fn rtsp_server(bytes: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = Instant::now();
    let identity =
        Identity { session: "id".into(), nonce: "nonce".into(), schemes: vec![Scheme::Basic, Scheme::DigestSha256] };
    let mut session = ServerSession::new(identity);
    for piece in bytes.chunks(64) {
        if session.received(now, piece).is_err() {
            return;
        }
        loop {
            match session.poll(now) {
                server::Output::Nothing => break,
                server::Output::Closed | server::Output::Broken(_) => return,
                server::Output::Send(bytes) => assert!(bytes.starts_with(b"RTSP/1.0 ")),
                server::Output::Packet { track, .. } => {
                    assert!(session.lanes().iter().any(|(known, _)| *known == track));
                }
                server::Output::Ask(ask) => answer(&mut session, &ask),
            }
        }
    }
}

fn answer(session: &mut ServerSession, ask: &server::Ask) {
    if let Shown::Digest(digest) = &ask.shown {
        assert!(!digest.verify(&Secret::new("password".into())));
    }
    match &ask.question {
        Question::Describe => session.describe(&[]),
        Question::SetUp { publishes, .. } => session.set_up((8000, 8001), (!publishes).then_some(1)),
        Question::Play => session.play(&[]),
        Question::Announce(tracks) => {
            assert!((1..=sdp::TRACKS_MAX).contains(&tracks.len()));
            session.agree();
        }
        Question::Record | Question::Pause => session.agree(),
    }
}

/// A description is read without harm, and what is written of it is read back with as many tracks.
pub fn sdp(bytes: &[u8]) {
    let Ok(session) = sdp::parse(bytes, "rtsp://host/path") else { return };
    let tracks: Vec<_> = session.tracks.into_iter().map(|media| media.track).collect();
    let written = sdp::write(&tracks, "name");
    let again = sdp::parse(written.as_bytes(), "rtsp://host/path").expect("what is written can be read");
    assert_eq!(again.tracks.len(), tracks.len(), "{written}");
}

/// Packets are taken apart without harm, and packets made of what they hold are no larger than asked for.
pub fn rtp(bytes: &[u8]) {
    const MAX_PAYLOAD: usize = 100;
    let _ = rtcp::parse(bytes);
    let mut packets = Vec::new();
    // Each packet after its length in one byte.
    let mut rest = bytes;
    while let [length, tail @ ..] = rest {
        let (datagram, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        if let Ok(packet) = rtp::Packet::parse(Bytes::copy_from_slice(datagram)) {
            packets.push(RtpPacket { marker: packet.marker, payload: packet.payload });
        }
    }
    let unknown = Bytes::new;
    for codec in [
        Codec::H264 { sps: unknown(), pps: unknown() },
        Codec::H265 { vps: unknown(), sps: unknown(), pps: unknown() },
        Codec::Aac {
            config: unknown(),
            sample_rate: 48_000,
            channels: 2,
            size_length: 13,
            index_length: 3,
            index_delta_length: 3,
        },
    ] {
        let frames = depacketizer::frames(&codec, &packets);
        for packet in packetizer::packets(&codec, &frames, MAX_PAYLOAD) {
            assert!(packet.payload.len() <= MAX_PAYLOAD, "{}", packet.payload.len());
        }
    }
}

/// Parameter sets of H.265 are read without harm, and what can be read can be written into MP4.
pub fn h265(bytes: &[u8]) {
    // The three sets, each after its length in one byte.
    let mut rest = bytes;
    let mut next = || {
        let (length, tail) = rest.split_first().unwrap_or((&0, &[]));
        let (set, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        Bytes::copy_from_slice(set)
    };
    let (vps, sps, pps) = (next(), next(), next());
    let parsed = h265::Sps::parse(&sps);
    if let Some(sps) = parsed {
        assert!(sps.width > 0 && sps.height > 0 && sps.max_num_reorder <= 16);
        assert!(sps.fps.is_none_or(|fps| fps.is_finite() && fps > 0.0));
        assert!(sps.codec_string().is_ascii() && !sps.level_name().is_empty());
    }
    let readable = h265::Vps::parse(&vps).is_some() && parsed.is_some() && h265::Pps::parse(&pps).is_some();
    let clock_rate = std::num::NonZeroU32::new(90_000).expect("it is not 0");
    let track = Track { id: TrackId(0), codec: Codec::H265 { vps, sps, pps }, clock_rate, payload_type: 96 };
    assert_eq!(fmp4::init(&[track]).is_ok(), readable);
}
