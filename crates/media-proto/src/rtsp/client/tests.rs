mod quirks;

use domain::{ErrorKind, Secret};

use super::*;

/// A dialogue: what the session sends is checked, what the server says is played in.
struct Dialogue {
    now: Instant,
    session: ClientSession,
    events: Vec<String>,
}

impl Dialogue {
    fn new(url: &str, credentials: Option<(&str, &str)>) -> Self {
        Self::by(Carrier::Tcp, url, credentials)
    }

    fn by(carrier: Carrier, url: &str, credentials: Option<(&str, &str)>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let credentials = credentials
            .map(|(user, password)| Credentials { user: user.into(), password: Secret::new(password.into()) });
        let target = Target { url: url.into(), credentials, cnonce: "c".into(), carrier, alternative: None };
        Self { now, session: ClientSession::new(now, target).unwrap(), events: Vec::new() }
    }

    /// Everything the session wants done before it waits.
    fn drain(&mut self) -> Result<Vec<String>, Error> {
        let mut done = std::mem::take(&mut self.events);
        loop {
            done.push(match self.session.poll(self.now)? {
                Output::Send(bytes) if bytes.starts_with(b"$") => format!("rtcp {:?}", &bytes[..]),
                Output::Send(bytes) => {
                    String::from_utf8(bytes.to_vec()).unwrap().replace(&format!("User-Agent: {USER_AGENT}\r\n"), "")
                }
                Output::Reconnect(endpoint) => format!("reconnect {}:{}", endpoint.host, endpoint.port),
                Output::Bind => "bind".into(),
                Output::Described(tracks) => format!("described {}", tracks.len()),
                Output::Playing => "playing".into(),
                Output::Rtp(track, data) => format!("rtp {} {:?}", track.0, &data[..]),
                Output::Rtcp(track, data) => format!("rtcp {} {:?}", track.0, &data[..]),
                Output::StartAt(track, at) => format!("start {} {at}", track.0),
                Output::WaitUntil(_) => return Ok(done),
                Output::Closed => {
                    done.push("closed".into());
                    return Ok(done);
                }
            });
        }
    }

    /// The one request the session sends now, with its line ends as spaces.
    #[track_caller]
    fn expect(&mut self, request: &str) -> &mut Self {
        let done = self.drain().unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        let lines: Vec<&str> = done[0].trim_end().split("\r\n").collect();
        let mut rest: Vec<&str> = lines[1..].to_vec();
        rest.sort_unstable();
        assert_eq!(format!("{} {}", lines[0].trim_end_matches(" RTSP/1.0"), rest.join(" ")), request);
        self
    }

    fn try_say(&mut self, response: &str) -> Result<(), Error> {
        let cseq = self.session.cseq;
        let (head, body) = response.split_once("\n\n").unwrap_or((response, ""));
        let length = body.len();
        let message = format!("RTSP/1.0 {head}\nCSeq: {cseq}\nContent-Length: {length}\n\n{body}");
        self.session.received(self.now, message.as_bytes())
    }

    #[track_caller]
    fn say(&mut self, response: &str) -> &mut Self {
        self.try_say(response).unwrap();
        self
    }

    /// Until it plays one video track.
    fn play(url: &str) -> Self {
        let mut dialogue = Self::new(url, None);
        dialogue.say("200 OK\nPublic: DESCRIBE, GET_PARAMETER");
        dialogue.say(&format!("200 OK\n\n{VIDEO}"));
        dialogue.say("200 OK\nSession: 1;timeout=20\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1");
        dialogue.say("200 OK");
        dialogue.drain().unwrap();
        dialogue
    }
}

const VIDEO: &str = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:trackID=0\n";
const AUDIO: &str = "m=audio 0 RTP/AVP 8\na=control:trackID=1\n";

#[test]
fn a_stream_is_described_set_up_and_played() {
    let mut d = Dialogue::new("rtsp://user:secret@h/s", None);
    d.expect("OPTIONS rtsp://h/s CSeq: 1").say("200 OK\nPublic: OPTIONS, DESCRIBE");
    d.expect("DESCRIBE rtsp://h/s Accept: application/sdp CSeq: 2");
    d.say(&format!("200 OK\nContent-Base: rtsp://h/s/\n\n{VIDEO}{AUDIO}"));
    d.expect("SETUP rtsp://h/s/trackID=0 CSeq: 3 Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    d.say("200 OK\nSession: abc;timeout=60\nTransport: RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=1");
    d.expect("SETUP rtsp://h/s/trackID=1 CSeq: 4 Session: abc Transport: RTP/AVP/TCP;unicast;interleaved=6-7");
    d.say("200 OK\nSession: abc");
    assert_eq!(
        d.session.poll(d.now).map(|output| matches!(output, Output::Described(tracks) if tracks.len() == 2)),
        Ok(true)
    );
    d.expect("PLAY rtsp://h/s/ CSeq: 5 Range: npt=0.000- Session: abc");
    d.session.received(d.now, b"$\x04\x00\x01v$\x07\x00\x01r$\x06\x00\x01a").unwrap();
    d.say("200 OK\nRTP-Info: url=rtsp://h/s/trackID=0;seq=1;rtptime=7,url=trackID=1;seq=2;rtptime=4294967295");
    let [video, audio] = [b'v', b'a'].map(|byte| format!("[{byte}]"));
    assert_eq!(
        d.drain().unwrap(),
        [
            format!("rtp 0 {video}"),
            "rtcp 1 [114]".into(),
            format!("rtp 1 {audio}"),
            "playing".into(),
            "start 0 7".into(),
            "start 1 4294967295".into()
        ]
    );
    d.session.send_rtcp(TrackId(1), b"x");
    assert_eq!(d.drain().unwrap(), ["rtcp [36, 7, 0, 1, 120]"]);
}

#[test]
fn a_challenge_is_answered_once_and_then_with_every_request() {
    let mut d = Dialogue::new("rtsp://h/s", Some(("u", "p")));
    d.say("200 OK").drain().unwrap();
    d.say("401 Unauthorized\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\"\nWWW-Authenticate: Basic realm=\"r\"");
    let sent = d.drain().unwrap().remove(0);
    let value = sent.lines().find_map(|line| line.strip_prefix("Authorization: ")).unwrap();
    let Some(auth::Shown::Digest(digest)) = auth::parse_authorization(value) else { panic!("{value}") };
    assert!(digest.verify("DESCRIBE", "1", "u", "p"));
    d.say(&format!("200 OK\n\n{VIDEO}"));
    assert!(d.drain().unwrap()[0].contains("Authorization: Digest"));
    // The nonce has grown old.
    d.say("401 Unauthorized\nWWW-Authenticate: Digest realm=\"r\", nonce=\"2\"");
    assert!(d.drain().unwrap()[0].contains("nonce=\"2\""));
    let error = d.try_say("401 Unauthorized\nWWW-Authenticate: Digest realm=\"r\", nonce=\"3\"").unwrap_err();
    assert_eq!(error.to_string(), "SETUP was answered with 401 (user or password is wrong or missing)");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[test]
fn a_wrong_or_missing_password_is_reported_and_not_tried_forever() {
    let mut d = Dialogue::new("rtsp://h/s", None);
    assert_eq!(d.try_say("401 No\nWWW-Authenticate: Basic realm=x").unwrap_err().kind(), ErrorKind::Unauthenticated);
    let mut d = Dialogue::new("rtsp://h/s", Some(("u", "secret")));
    d.say("401 No\nWWW-Authenticate: Basic realm=x");
    let error = d.try_say("401 No\nWWW-Authenticate: Basic realm=x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let mut d = Dialogue::new("rtsp://h/s", Some(("u", "secret")));
    d.say("401 No\nWWW-Authenticate: Digest realm=x, nonce=1");
    d.say("401 No\nWWW-Authenticate: Digest realm=x, nonce=2, stale=true");
    let error = d.try_say("401 No\nWWW-Authenticate: Digest realm=x, nonce=3, stale=true").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let mut d = Dialogue::new("rtsp://h/s", Some(("u", "secret")));
    let error = d.try_say("401 No\nWWW-Authenticate: Negotiate").unwrap_err();
    assert!(error.to_string().starts_with("OPTIONS needs an authentication that is neither"), "{error}");
}

#[test]
fn redirects_are_followed_and_credentials_stay_with_their_host() {
    let mut d = Dialogue::new("rtsp://h/s", Some(("u", "p")));
    d.say("404 Not Found").say("302 Moved\nLocation: rtsp://h/t");
    assert!(d.drain().unwrap()[2].starts_with("DESCRIBE rtsp://h/t "));
    d.say("301 Moved\nLocation: rtsp://x:y@h:8554/t");
    let done = d.drain().unwrap();
    assert_eq!(done[0], "reconnect h:8554");
    assert!(done[1].starts_with("OPTIONS rtsp://h:8554/t "));
    assert_eq!(d.session.endpoint().port, 8554);
    d.say("200 OK").say("307 Moved\nLocation: rtsp://other/t").drain().unwrap();
    let refused = d.try_say("401 No\nWWW-Authenticate: Basic realm=x").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    d = Dialogue::new("rtsp://h/s", None);
    d.say("200 OK");
    for _ in 0..3 {
        d.say("302 Moved\nLocation: rtsp://h/s");
    }
    assert_eq!(d.try_say("302 Moved\nLocation: rtsp://h/s").unwrap_err().to_string(), "more than 3 redirects");
}

#[test]
fn a_session_is_kept_alive_as_the_server_allows() {
    let mut d = Dialogue::play("rtsp://h/s");
    assert!(d.drain().unwrap().is_empty());
    d.now += Duration::from_secs(10);
    d.expect("GET_PARAMETER rtsp://h/s CSeq: 5 Session: 1").say("501 Not Implemented");
    d.now += Duration::from_secs(10);
    // Never answered, and played on.
    d.expect("OPTIONS rtsp://h/s CSeq: 6 Session: 1");
    d.now += Duration::from_secs(10);
    d.expect("OPTIONS rtsp://h/s CSeq: 7 Session: 1");
    let error = d.try_say("454 Session Not Found").unwrap_err();
    assert_eq!(error.to_string(), "the keep-alive was answered with 454 (session not found)");
}

#[test]
fn a_refused_request_ends_the_session_with_its_status() {
    for (status, kind) in [
        ("404 Not Found", ErrorKind::NotFound),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("453 Not Enough Bandwidth", ErrorKind::Exhausted),
        ("500 Internal Server Error", ErrorKind::Unavailable),
        ("302 Moved", ErrorKind::Unavailable),
    ] {
        let mut d = Dialogue::new("rtsp://h/s", None);
        let error = d.say("200 OK").try_say(status).unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(error.to_string().starts_with(&format!("DESCRIBE was answered with {}", &status[..3])), "{error}");
    }
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}"));
    let error = d.try_say("461 Unsupported Transport").unwrap_err();
    assert_eq!(error.to_string(), "SETUP was answered with 461 (unsupported transport)");
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}"));
    let error = d.try_say("200 OK\nTransport: RTP/AVP;unicast;client_port=1-2").unwrap_err();
    assert_eq!(error.to_string(), "the server answers SETUP over TCP with UDP");
}

#[test]
fn a_track_besides_the_video_may_be_refused() {
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.say("200 OK").say(&format!("200 OK\n\nv=0\n{AUDIO}{}", VIDEO.trim_start_matches("v=0\n")));
    d.say("461 Unsupported Transport").say("200 OK\nSession: 1").say("200 OK");
    assert!(d.drain().unwrap().contains(&"described 1".into()));
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.say("200 OK").say(&format!("200 OK\n\nv=0\n{AUDIO}"));
    assert!(d.try_say("404 Not Found").is_err());
}

#[test]
fn back_channels_are_left_alone_unless_nothing_else_is_there() {
    for (sdp, tracks) in
        [(format!("{VIDEO}{AUDIO}a=sendonly\n"), 1), (format!("{VIDEO}a=sendonly\n{AUDIO}a=sendonly\n"), 2)]
    {
        let mut d = Dialogue::new("rtsp://h/s", None);
        d.say("200 OK").say(&format!("200 OK\n\n{sdp}"));
        for _ in 0..tracks {
            d.say("200 OK\nSession: 1");
        }
        assert!(d.drain().unwrap().contains(&format!("described {tracks}")));
    }
}

#[test]
fn requests_of_the_server_are_answered() {
    let mut d = Dialogue::play("rtsp://h/s");
    d.session
        .received(d.now, b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\nANNOUNCE rtsp://h/s RTSP/1.0\r\nCSeq: 10\r\n\r\n")
        .unwrap();
    let done = d.drain().unwrap();
    assert_eq!(done, ["RTSP/1.0 200 Ok\r\nCSeq: 9\r\n\r\n", "RTSP/1.0 501 Not Implemented\r\nCSeq: 10\r\n\r\n"]);
    assert_eq!(d.session.received(d.now, b"REDIRECT rtsp://h/s RTSP/1.0\r\n\r\n"), Err(Error::Ended));
}

#[test]
fn silence_ends_a_session_that_does_not_play_yet() {
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.drain().unwrap();
    d.session.received(d.now, b"RTSP/1.0 100 Continue\r\n\r\nRTSP/1.0 100 Continue\r\nCSeq: 77\r\n\r\n").unwrap();
    d.now += RESPONSE_TIMEOUT;
    assert_eq!(d.drain(), Err(Error::Unanswered("OPTIONS")));
}

#[test]
fn a_teardown_waits_a_second_at_most() {
    let mut d = Dialogue::play("rtsp://h/s");
    d.session.teardown(d.now);
    d.expect("TEARDOWN rtsp://h/s CSeq: 5 Session: 1");
    d.now += TEARDOWN_TIMEOUT;
    assert_eq!(d.drain().unwrap(), ["closed"]);
    let mut d = Dialogue::play("rtsp://h/s");
    d.session.teardown(d.now);
    d.say("200 OK");
    assert_eq!(d.drain().unwrap().last().unwrap(), "closed");
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.session.teardown(d.now);
    assert_eq!(d.drain().unwrap().last().unwrap(), "closed");
}

#[test]
fn an_unusable_base_or_description_is_survived_or_named() {
    let mut d = Dialogue::new("rtsp://h/s?x=1", None);
    d.say("200 OK").say(&format!("200 OK\nContent-Base: nonsense\n\n{VIDEO}"));
    assert!(d.drain().unwrap()[2].starts_with("SETUP rtsp://h/s?x=1/trackID=0 "));
    let mut d = Dialogue::new("rtsp://h/s", None);
    let error = d.say("200 OK").try_say("200 OK\n\nv=0\n").unwrap_err();
    assert_eq!(error.to_string(), "the session description has no track that plain RTP carries");
}

/// A session by UDP that has described a video and a sound.
fn by_udp(any_port: bool) -> Dialogue {
    let mut d = Dialogue::by(Carrier::Udp { any_port }, "rtsp://h/s", None);
    d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}{AUDIO}"));
    assert_eq!(d.drain().unwrap().last().unwrap(), "bind");
    d.session.bound(d.now, (5000, 5001));
    d.expect("SETUP rtsp://h/s/trackID=0 CSeq: 3 Transport: RTP/AVP;unicast;client_port=5000-5001");
    d
}

#[test]
fn tracks_by_udp_are_set_up_with_ports_of_the_caller() {
    let mut d = by_udp(false);
    d.say("200 OK\nSession: 1\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001;source=10.0.0.1");
    assert_eq!(d.drain().unwrap(), ["bind"]);
    d.session.bound(d.now, (5002, 5003));
    d.drain().unwrap();
    d.say("200 OK\nTransport: RTP/AVP/UDP;unicast;server_port=8002-8003");
    d.say("200 OK\nRTP-Info: url=rtsp://h/s/trackID=0;rtptime=7");
    let done = d.drain().unwrap();
    assert_eq!([&done[0], &done[2], &done[3]], ["described 2", "playing", "start 0 7"]);
    let datagrams = |track, own, server, source: Option<&str>| DatagramTrack {
        track: TrackId(track),
        own_ports: (own, own + 1),
        server_ports: Some((server, server + 1)),
        source: source.map(|source| source.parse().unwrap()),
    };
    let expected = [datagrams(0, 5000, 8000, Some("10.0.0.1")), datagrams(1, 5002, 8002, None)];
    assert_eq!(d.session.datagram_tracks(), expected);
    d.session.send_rtcp(TrackId(0), b"x");
    assert!(d.drain().unwrap().is_empty(), "the caller sends datagrams");
}

#[test]
fn a_server_that_hides_its_ports_is_taken_only_with_any_port() {
    for reply in ["200 OK\nSession: 1", "200 OK\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=0-0"] {
        let mut d = by_udp(false);
        assert_eq!(d.try_say(reply), Err(Error::NoUdp("it does not say its ports")));
        let mut d = by_udp(true);
        d.say(reply);
        assert_eq!(d.session.datagram_tracks()[0].server_ports, None);
    }
}

#[test]
fn a_server_that_answers_udp_with_its_connection_is_taken_by_its_word() {
    let mut d = by_udp(false);
    d.say("200 OK\nSession: 1\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3");
    assert_eq!(d.drain().unwrap(), ["bind"]);
    d.session.received(d.now, b"$\x02\x00\x01v").unwrap();
    assert_eq!(d.drain().unwrap(), ["rtp 0 [118]"]);
    assert!(d.session.datagram_tracks().is_empty());
    let mut d = by_udp(false);
    let refused = d.try_say("461 Unsupported Transport").unwrap_err();
    assert_eq!(refused, Error::Refused { method: "SETUP", status: 461 });
    let mut d = by_udp(false);
    let refused = d.try_say("200 OK\nTransport: RTP/AVP;multicast;destination=224.0.0.1").unwrap_err();
    assert!(refused.to_string().ends_with("multicast transport is not supported"), "{refused}");
}

#[test]
fn a_carrier_that_is_refused_gives_way_to_the_other_on_the_same_connection() {
    let mut d = by_udp(false);
    d.session.alternative = Some(Carrier::Tcp);
    d.say("461 Unsupported Transport");
    d.expect("SETUP rtsp://h/s/trackID=0 CSeq: 4 Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    assert!(d.try_say("461 Unsupported Transport").is_err(), "there is no third");
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.session.alternative = Some(Carrier::Udp { any_port: false });
    d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}")).drain().unwrap();
    d.say("461 Unsupported Transport");
    assert_eq!(d.drain().unwrap(), ["bind"]);
    let mut d = Dialogue::new("rtsp://h/s", None);
    d.session.alternative = Some(Carrier::Udp { any_port: false });
    d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}")).drain().unwrap();
    assert!(d.try_say("404 Not Found").is_err(), "no other carrier helps");
}
