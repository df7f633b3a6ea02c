#![expect(clippy::disallowed_methods, reason = "any instant will do")]

use super::*;

const SDP_VIDEO: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:streamid=0\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:streamid=1\r\n";

fn session() -> ServerSession {
    ServerSession::new(Identity {
        session: "abc".into(),
        nonce: "n".into(),
        schemes: vec![Scheme::Basic, Scheme::DigestSha256],
    })
}

/// Says yes to everything.
fn answer(session: &mut ServerSession, ask: &Ask) {
    let tracks = sdp::parse(SDP_VIDEO.as_bytes(), "rtsp://h/p").unwrap().tracks;
    let tracks: Vec<Track> = tracks.into_iter().map(|media| media.track).collect();
    match &ask.question {
        Question::Describe => session.describe(&tracks),
        Question::SetUp { publishes, .. } => session.set_up((8000, 8001), (!publishes).then_some(0xab)),
        Question::Play => session.play(&[Start { track: TrackId(0), sequence: 7, rtp_time: 9 }]),
        Question::Announce(_) | Question::Record | Question::Pause => session.agree(),
    }
}

/// What a client sees, with questions as `?path` and packets as `track:kind:data`.
fn run(session: &mut ServerSession, sent: &str) -> String {
    session.received(Instant::now(), sent.as_bytes()).unwrap();
    let mut seen = String::new();
    loop {
        match session.poll(Instant::now()) {
            Output::Nothing => return seen,
            Output::Closed => return seen + "closed",
            Output::Broken(_) => return seen + "broken",
            Output::Send(bytes) => seen.push_str(std::str::from_utf8(&bytes).unwrap()),
            Output::Packet { track, rtcp, data } => {
                seen.push_str(&format!("{}:{}:{}", track.0, u8::from(rtcp), String::from_utf8_lossy(&data)));
            }
            Output::Ask(ask) => answer(session, &ask),
        }
    }
}

fn request(line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} RTSP/1.0\r\nCSeq: 1\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

/// Runs request lines with at most one header each; the statuses in order.
fn check(steps: &[(&str, &str)], expected: &str) {
    let mut session = session();
    let statuses: Vec<String> = steps
        .iter()
        .map(|(line, header)| {
            let body = if line.starts_with("ANNOUNCE") { SDP_VIDEO } else { "" };
            let headers: Vec<&str> = if header.is_empty() { vec![] } else { vec![header] };
            let seen = run(&mut session, &request(line, &headers, body));
            seen.split(' ').nth(1).unwrap_or(&seen).to_owned()
        })
        .collect();
    assert_eq!(statuses.join(" "), expected, "{steps:?}");
}

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
const UDP: &str = "Transport: RTP/AVP;unicast;client_port=5000-5001";
const SDP_BODY: &str = "Content-Type: application/sdp";

#[test]
fn a_reader_goes_from_options_to_teardown() {
    let steps = [
        ("OPTIONS rtsp://h/p", ""),
        ("DESCRIBE rtsp://h/p", "Accept: application/sdp"),
        ("SETUP rtsp://h/p/trackID=0", TCP),
        ("SETUP rtsp://h/p/trackID=1", "Transport: RTP/AVP/TCP;unicast"),
        ("PLAY rtsp://h/p/", "Session: abc"),
        ("GET_PARAMETER rtsp://h/p/", "Session: abc"),
        ("PAUSE rtsp://h/p/", ""),
        ("PLAY rtsp://h/p/", ""),
        ("TEARDOWN rtsp://h/p/", ""),
    ];
    check(&steps, "200 200 200 200 200 200 200 200 200");
}

#[test]
fn a_publisher_goes_from_announce_to_teardown() {
    let steps = [
        ("ANNOUNCE rtsp://h/p", SDP_BODY),
        ("SETUP rtsp://h/p/streamid=1", "Transport: RTP/AVP/UDP;unicast;client_port=5000-5001;mode=record"),
        ("SETUP rtsp://h/p/streamid=0", "Transport: RTP/AVP/UDP;unicast;client_port=5002-5003;mode=record"),
        ("RECORD rtsp://h/p", "Session: abc"),
        ("TEARDOWN rtsp://h/p", ""),
    ];
    check(&steps, "200 200 200 200 200");
}

#[test]
fn methods_out_of_order_are_refused_with_455() {
    check(&[("PLAY rtsp://h/p", ""), ("RECORD rtsp://h/p", ""), ("PAUSE rtsp://h/p", "")], "455 455 455");
    check(&[("SETUP rtsp://h/p/trackID=0", TCP), ("ANNOUNCE rtsp://h/p", SDP_BODY)], "200 455");
    check(
        &[("SETUP rtsp://h/p/trackID=0", TCP), ("PLAY rtsp://h/p", ""), ("SETUP rtsp://h/p/trackID=1", TCP)],
        "200 200 455",
    );
    check(&[("SETUP rtsp://h/p/trackID=0", TCP), ("SETUP rtsp://h/p/trackID=0", TCP)], "200 455");
    check(&[("SETUP rtsp://h/p/trackID=0", TCP), ("DESCRIBE rtsp://h/q", "")], "200 455");
    check(&[("ANNOUNCE rtsp://h/p", SDP_BODY), ("RECORD rtsp://h/p", "")], "200 455");
    check(
        &[("ANNOUNCE rtsp://h/p", SDP_BODY), ("SETUP rtsp://h/p/streamid=0", TCP), ("PLAY rtsp://h/p", "")],
        "200 200 455",
    );
}

#[test]
fn what_is_not_offered_is_refused_by_its_status() {
    check(&[("SETUP rtsp://h/p/trackID=0", "Transport: RTP/AVP;multicast")], "461");
    check(&[("SETUP rtsp://h/p/trackID=0", "Transport: RTP/SAVP;unicast;client_port=1-2")], "461");
    check(&[("SETUP rtsp://h/p/trackID=0", "")], "461");
    check(&[("SETUP rtsp://h/p/trackID=0", TCP), ("SETUP rtsp://h/p/trackID=1", UDP)], "200 461");
    check(&[("SETUP rtsp://h/p/trackID=0", "Transport: RTP/AVP;multicast,RTP/AVP/TCP;unicast")], "200");
    check(&[("DESCRIBE rtsp://h/p", "Require: onvif-replay")], "551");
    check(&[("DESCRIBE rtsp://h/p", "Accept: text/plain")], "406");
    check(&[("DESCRIBE rtsp://h/", "")], "400");
    check(&[("ANNOUNCE rtsp://h/p", "Content-Type: text/plain")], "415");
    check(&[("REDIRECT rtsp://h/p", ""), ("FLY rtsp://h/p", "")], "405 501");
    check(&[("PLAY rtsp://h/p", "Session: other")], "454");
}

#[test]
fn a_request_without_cseq_is_refused_and_the_next_one_answered() {
    let seen = run(&mut session(), "OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 4\r\n\r\n");
    assert!(seen.starts_with("RTSP/1.0 400 ") && seen.contains("RTSP/1.0 200 OK\r\nCSeq: 4\r\nPublic: "), "{seen}");
}

#[test]
fn garbage_ends_the_connection_with_400() {
    let seen = run(&mut session(), &format!("OPTIONS rtsp://h/p RTSP/1.0\r\nX: {}", "x".repeat(70_000)));
    assert!(seen.starts_with("RTSP/1.0 400 ") && seen.ends_with("broken"), "{seen}");
}

#[test]
fn responses_name_session_transport_and_start() {
    let mut session = session();
    let seen = run(&mut session, &request("SETUP rtsp://h/p/trackID=0", &[TCP], ""));
    assert!(seen.contains("Session: abc;timeout=60\r\n"), "{seen}");
    assert!(seen.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=000000AB\r\n"), "{seen}");
    let seen = run(&mut session, &request("PLAY rtsp://h/p/?token=x", &[], ""));
    assert!(seen.contains("RTP-Info: url=rtsp://h/p/trackID=0;seq=7;rtptime=9\r\n"), "{seen}");
    assert!(!seen.contains("token"), "{seen}");
}

#[test]
fn interleaved_packets_find_their_track() {
    let mut session = session();
    run(&mut session, &request("ANNOUNCE rtsp://h/p", &[SDP_BODY], SDP_VIDEO));
    run(
        &mut session,
        &request("SETUP rtsp://h/p/streamid=1", &["Transport: RTP/AVP/TCP;interleaved=4-5;mode=record"], ""),
    );
    run(&mut session, &request("RECORD rtsp://h/p", &[], ""));
    assert_eq!(run(&mut session, "$\u{4}\0\u{2}ab$\u{5}\0\u{1}c$\u{7}\0\u{1}d"), "1:0:ab1:1:c");
}

#[test]
fn a_refused_client_is_challenged_with_the_allowed_schemes() {
    let mut session = session();
    session.received(Instant::now(), request("DESCRIBE rtsp://h/p", &[], "").as_bytes()).unwrap();
    let Output::Ask(ask) = session.poll(Instant::now()) else { panic!("no question") };
    assert!(matches!(ask.shown, Shown::Nothing));
    session.challenge();
    let Output::Send(bytes) = session.poll(Instant::now()) else { panic!("no response") };
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.starts_with("RTSP/1.0 401 ") && text.contains("Basic realm") && text.contains("SHA-256"), "{text}");
    assert!(!text.contains("MD5"), "{text}");
}

#[test]
fn tokens_come_in_the_header_or_the_query() {
    for (url, header, token) in [
        ("rtsp://h/p?token=t.1", "", Some("t.1")),
        ("rtsp://h/p?jwt=t.2", "", Some("t.2")),
        ("rtsp://h/p?token=no", "Authorization: Bearer yes", Some("yes")),
        ("rtsp://h/p", "", None),
    ] {
        let mut session = session();
        let text = request(
            &format!("DESCRIBE {url}"),
            if header.is_empty() { &[] } else { std::slice::from_ref(&header) },
            "",
        );
        session.received(Instant::now(), text.as_bytes()).unwrap();
        let Output::Ask(ask) = session.poll(Instant::now()) else { panic!("no question") };
        let shown = match &ask.shown {
            Shown::Token(token) => Some(token.expose()),
            Shown::Nothing => None,
            Shown::Unknown | Shown::Password { .. } | Shown::Digest(_) => panic!("{:?}", ask.shown),
        };
        assert_eq!(shown, token, "{url}");
    }
}

#[test]
fn a_client_that_talks_on_while_it_waits_is_bounded() {
    let mut session = session();
    session.received(Instant::now(), request("DESCRIBE rtsp://h/p", &[], "").as_bytes()).unwrap();
    assert!(matches!(session.poll(Instant::now()), Output::Ask(_)));
    let chunk = vec![b'x'; 64 << 10];
    let failed = (0..=WAITING_BYTES / chunk.len()).any(|_| session.received(Instant::now(), &chunk).is_err());
    assert!(failed);
}
