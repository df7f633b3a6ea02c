//! RTSP: framing, headers, addresses, both machines, and the descriptions they carry.

use std::time::{Duration, Instant};

use domain::Secret;
use media_proto::{
    rtsp::{
        auth::{self, Credentials},
        client::{Carrier, ClientSession, Output, Target},
        framing::{self, Decoder, Frame},
        server::{self, Identity, Question, Scheme, ServerSession, Shown},
        transport, url,
    },
    sdp,
};

/// The frames are the same whether the bytes come at once or one by one.
pub fn rtsp_framing(bytes: &[u8]) {
    assert_eq!(frames(bytes, bytes.len().max(1)), frames(bytes, 1));
}

/// The most bytes that wait for the end of their frame.
const WAITING_MAX: usize = framing::HEAD_BYTES + framing::BODY_BYTES + framing::STRAY_BYTES;

fn frames(bytes: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(whole(frame)),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
        assert!(decoder.space().len() <= WAITING_MAX);
    }
    (frames, true)
}

/// A frame within its limits.
fn whole(frame: Frame) -> Frame {
    let body = match &frame {
        Frame::Request(request) => request.body().len(),
        Frame::Response(response) => response.body().len(),
        Frame::Interleaved { .. } => 0,
    };
    assert!(body <= framing::BODY_BYTES);
    frame
}

/// An address never shows a password, and reads the same again.
pub fn rtsp_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known = url::parse("rtsp://host:8554/a/b").expect("it is an address");
    for address in [url::parse(text), url::resolve(text, &known)].into_iter().flatten() {
        assert!(address.password().is_none() && address.username().is_empty() && address.scheme() == "rtsp");
        assert!(!url::Endpoint::of(&address).host.is_empty());
        assert!(!address.as_str().contains(['\r', '\n', ' ']));
        assert_eq!(url::parse(address.as_str()).as_ref(), Ok(&address));
    }
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
