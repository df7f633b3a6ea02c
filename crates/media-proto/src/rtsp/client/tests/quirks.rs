//! What cameras do that the standards do not say: a name, the bytes that show it, and what the session makes of them.

use super::*;

/// Plays replies in, one to each request, and gives the requests: method, address and what matters of the headers.
fn dialogue(credentials: bool, replies: &[&str]) -> Vec<String> {
    let mut d = Dialogue::new("rtsp://h/s", credentials.then_some(("u", "p")));
    let mut requests = Vec::new();
    for reply in replies.iter().copied().chain([""]) {
        for done in d.drain().unwrap() {
            requests.extend(shown(&done));
        }
        if let Some(after) = reply.strip_prefix("later ") {
            d.now += KEEP_ALIVE_MAX;
            requests.extend(d.drain().unwrap().iter().filter_map(|done| shown(done)));
            answer(&mut d, after, &mut requests);
        } else if !reply.is_empty() {
            answer(&mut d, reply, &mut requests);
        }
    }
    requests
}

/// Says the reply as it stands, with `{cseq}` and `{length}` filled in; an error is one more entry.
fn answer(d: &mut Dialogue, reply: &str, requests: &mut Vec<String>) {
    let (head, body) = reply.split_once("\n\n").unwrap_or((reply, ""));
    let head = if head.contains("CSeq") { head.to_owned() } else { format!("{head}\nCSeq: {{cseq}}") };
    let head = head.replace("{cseq}", &d.session.cseq.to_string());
    let message = format!("RTSP/1.0 {head}\nContent-Length: {}\n\n{body}", body.len());
    if let Err(error) = d.session.received(d.now, message.as_bytes()) {
        requests.push(format!("error: {error}"));
    }
}

fn shown(done: &str) -> Option<String> {
    let (first, headers) = done.split_once(" RTSP/1.0\r\n")?;
    let matters = |line: &&str| ["Transport: ", "Range: ", "Authorization: "].iter().any(|name| line.starts_with(name));
    let scheme = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let headers = headers
        .lines()
        .filter(matters)
        .map(|line| if line.starts_with("Authorization") { scheme(line) } else { line.to_owned() });
    Some([first.to_owned()].into_iter().chain(headers).collect::<Vec<_>>().join(" | "))
}

/// Until the first SETUP: the reply to DESCRIBE, and the request that follows.
#[track_caller]
fn described(quirk: &str, reply: &str, expected: &str) {
    let requests = dialogue(false, &["200 OK", reply]);
    let setup = format!("{expected} | Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    assert_eq!(requests.last(), Some(&setup), "{quirk}: {requests:?}");
}

#[test]
fn quirks_of_addresses_are_met() {
    for (quirk, base, control, expected) in [
        ("no base", "", "trackID=0", "SETUP rtsp://h/s/trackID=0"),
        ("a base from the root", "\nContent-Base: /live/ch1/", "trackID=0", "SETUP rtsp://h/live/ch1/trackID=0"),
        ("a relative base", "\nContent-Base: live/ch1", "trackID=0", "SETUP rtsp://h/s/trackID=0"),
        ("an empty base", "\nContent-Base:", "trackID=0", "SETUP rtsp://h/s/trackID=0"),
        (
            "a base of another host",
            "\nContent-Base: rtsp://10.0.0.9:554/s/",
            "trackID=0",
            "SETUP rtsp://10.0.0.9:554/s/trackID=0",
        ),
        ("a base with a password", "\nContent-Base: rtsp://u:p@h/s/", "trackID=0", "SETUP rtsp://h/s/trackID=0"),
        ("a base without a slash", "\nContent-Base: rtsp://h/t", "trackID=0", "SETUP rtsp://h/t/trackID=0"),
        ("a location alone", "\nContent-Location: rtsp://h/t/", "trackID=0", "SETUP rtsp://h/t/trackID=0"),
        ("a base twice", "\nContent-Base: rtsp://h/t/\nContent-Base: rtsp://h/x/", "v", "SETUP rtsp://h/t/v"),
        ("a star", "\nContent-Base: rtsp://h/s/", "*", "SETUP rtsp://h/s/"),
        ("an absolute address", "", "rtsp://10.0.0.9/s/trackID=0", "SETUP rtsp://10.0.0.9/s/trackID=0"),
        ("an absolute one with a password", "", "rtsp://u:p@h/v", "SETUP rtsp://h/v"),
        ("one in upper case", "", "RTSP://h/v", "SETUP rtsp://h/v"),
        ("one that is none", "", "rtsp://", "SETUP rtsp://h/s"),
        ("a query", "", "?ctype=video", "SETUP rtsp://h/s?ctype=video"),
        ("a part with a query", "", "trackID=0?a=b", "SETUP rtsp://h/s/trackID=0?a=b"),
    ] {
        let sdp = format!("v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:{control}\n");
        described(quirk, &format!("200 OK{base}\n\n{sdp}"), expected);
    }
}

#[test]
fn quirks_of_challenges_are_met() {
    for (quirk, challenge, expected) in [
        ("an empty realm", "\nWWW-Authenticate: Digest realm=\"\", nonce=\"1\"", "Authorization: Digest"),
        ("no realm", "\nWWW-Authenticate: Digest nonce=\"1\"", "Authorization: Digest"),
        (
            "an algorithm in lower case",
            "\nWWW-Authenticate: Digest realm=\"r\",nonce=\"1\",algorithm=md5",
            "Authorization: Digest",
        ),
        (
            "an algorithm in quotes",
            "\nWWW-Authenticate: Digest realm=\"r\",nonce=\"1\",algorithm=\"MD5\"",
            "Authorization: Digest",
        ),
        ("no commas", "\nWWW-Authenticate: Digest realm=\"r\" nonce=\"1\"", "Authorization: Digest"),
        ("spaces around signs", "\nWWW-Authenticate: Digest realm = \"r\" , nonce = \"1\"", "Authorization: Digest"),
        (
            "Basic before Digest",
            "\nWWW-Authenticate: Basic realm=\"r\"\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\"",
            "Authorization: Digest",
        ),
        (
            "Digest before Basic",
            "\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\"\nWWW-Authenticate: Basic realm=\"r\"",
            "Authorization: Digest",
        ),
        (
            "both in one line",
            "\nWWW-Authenticate: Basic realm=\"r\", Digest realm=\"r\", nonce=\"1\"",
            "Authorization: Digest",
        ),
        (
            "an unknown algorithm and Basic",
            "\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=SHA-3\nWWW-Authenticate: Basic realm=\"r\"",
            "Authorization: Basic",
        ),
        ("Basic without a realm", "\nWWW-Authenticate: Basic", "Authorization: Basic"),
        ("a header name in lower case", "\nwww-authenticate: basic realm=r", "Authorization: Basic"),
        (
            "stale from the start",
            "\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\", stale=true",
            "Authorization: Digest",
        ),
    ] {
        let requests = dialogue(true, &[&format!("401 Unauthorized{challenge}")]);
        assert_eq!(requests.last().unwrap(), &format!("OPTIONS rtsp://h/s | {expected}"), "{quirk}");
    }
    let requests = dialogue(true, &["401 Unauthorized"]);
    assert!(requests[1].contains("401 (user or password"), "no challenge at all: {requests:?}");
}

#[test]
fn a_nonce_that_changes_with_each_request_is_followed() {
    let challenge = |nonce: u8| format!("401 Unauthorized\nWWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\"");
    let sdp = format!("200 OK\n\n{VIDEO}");
    let (setup, play) = ("200 OK\nSession: 1", "200 OK");
    let replies = [&challenge(1), "200 OK", &challenge(2), &sdp, &challenge(3), setup, &challenge(4), play];
    let requests = dialogue(true, &replies);
    let sent: Vec<&str> = requests.iter().map(|request| request.split(' ').next().unwrap()).collect();
    assert_eq!(sent, ["OPTIONS", "OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "SETUP", "PLAY", "PLAY"]);
}

/// Plays one video track and gives what follows the reply to PLAY.
fn after_play(public: &str, session: &str, later: &[&str]) -> Vec<String> {
    let (options, sdp) = (format!("200 OK{public}"), format!("200 OK\n\n{VIDEO}"));
    let setup = format!("200 OK{session}");
    let replies = [&[options.as_str(), &sdp, &setup, "200 OK"][..], later].concat();
    dialogue(false, &replies).split_off(4)
}

#[test]
fn quirks_of_keep_alives_are_met() {
    let sign = |method: &str| format!("{method} rtsp://h/s");
    for (quirk, public, replies, expected) in [
        ("no list", "", vec!["later 200 OK"], vec!["OPTIONS"]),
        ("a list", "\nPublic: OPTIONS, GET_PARAMETER, SET_PARAMETER", vec!["later 200 OK"], vec!["GET_PARAMETER"]),
        ("SET_PARAMETER alone", "\nPublic: OPTIONS,SET_PARAMETER", vec!["later 200 OK"], vec!["SET_PARAMETER"]),
        ("a list without commas", "\nPublic: OPTIONS GET_PARAMETER", vec!["later 200 OK"], vec!["GET_PARAMETER"]),
        ("a list in lower case", "\nPublic: options, get_parameter", vec!["later 200 OK"], vec!["GET_PARAMETER"]),
        ("a list under another name", "\nAllow: OPTIONS, GET_PARAMETER", vec!["later 200 OK"], vec!["GET_PARAMETER"]),
        ("two lists", "\nPublic: OPTIONS\nPublic: GET_PARAMETER", vec!["later 200 OK"], vec!["GET_PARAMETER"]),
        (
            "a lie",
            "\nPublic: GET_PARAMETER",
            vec!["later 400 Bad Request", "later 200 OK"],
            vec!["GET_PARAMETER", "OPTIONS"],
        ),
        (
            "another lie",
            "\nPublic: GET_PARAMETER",
            vec!["later 451 Parameter Not Understood", "later 200 OK"],
            vec!["GET_PARAMETER", "OPTIONS"],
        ),
        ("nothing is right", "", vec!["later 405 Method Not Allowed", "later 200 OK"], vec!["OPTIONS", "OPTIONS"]),
    ] {
        let requests = after_play(public, "\nSession: 1", &replies);
        assert_eq!(requests, expected.into_iter().map(sign).collect::<Vec<_>>(), "{quirk}");
    }
    let gone = after_play("", "\nSession: 1", &["later 454 Session Not Found"]);
    assert_eq!(gone[1], "error: the keep-alive was answered with 454 (session not found)");
}

#[test]
fn quirks_of_session_headers_are_met() {
    for (quirk, header, name, interval_s) in [
        ("no timeout", "abc", "abc", 30),
        ("a space", "abc; timeout=40", "abc", 20),
        ("more spaces", " abc ; timeout = 40 ", "abc", 20),
        ("a unit", "abc;timeout=40s", "abc", 20),
        ("quotes", "abc;timeout=\"40\"", "abc", 20),
        ("zero", "abc;timeout=0", "abc", 30),
        ("nonsense", "abc;timeout=soon", "abc", 30),
        ("a long time", "abc;timeout=86400", "abc", 30),
        ("a short time", "abc;timeout=1", "abc", 1),
        ("something else first", "abc;x=1;timeout=40", "abc", 20),
        ("a comma", "abc;timeout=40,", "abc", 20),
    ] {
        let mut d = Dialogue::new("rtsp://h/s", None);
        d.say("200 OK").say(&format!("200 OK\n\n{VIDEO}")).say(&format!("200 OK\nSession: {header}")).say("200 OK");
        assert_eq!(d.session.session.as_ref().unwrap().0, name, "{quirk}");
        assert_eq!(d.session.keep_alive_interval().as_secs(), interval_s, "{quirk}");
    }
}

#[test]
fn quirks_of_channels_are_met() {
    let both = format!("200 OK\n\n{VIDEO}{AUDIO}");
    for (quirk, first, second, channels) in [
        ("as asked", "0-1", "2-3", [0, 2]),
        ("others", "2-3", "0-1", [2, 0]),
        ("the same twice", "0-1", "0-1", [0, 2]),
        ("one number", "4", "6", [4, 6]),
        ("spaces", " 4 - 5 ", "6 -7", [4, 6]),
        ("out of range", "0-1", "300-301", [0, 2]),
        ("no number", "x", "y", [0, 2]),
    ] {
        let mut d = Dialogue::new("rtsp://h/s", None);
        d.say("200 OK").say(&both);
        d.say(&format!("200 OK\nSession: 1\nTransport: RTP/AVP/TCP;unicast;interleaved={first};ssrc=nonsense"));
        d.say(&format!("200 OK\nTransport: RTP/AVP/TCP; unicast; interleaved={second}")).say("200 OK");
        d.drain().unwrap();
        for (track, channel) in (0..).zip(channels) {
            d.session.received(d.now, &[b'$', channel, 0, 1, 9]).unwrap();
            assert_eq!(d.drain().unwrap(), [format!("rtp {track} [9]")], "{quirk}");
        }
    }
}

#[test]
fn quirks_of_replies_are_met() {
    let sdp = format!("200 OK\n\n{VIDEO}");
    for (quirk, replies, expected) in [
        ("a sequence number of nobody", vec!["200 OK\nCSeq: 9999"], "DESCRIBE rtsp://h/s"),
        ("a sequence number of zero", vec!["200 OK\nCSeq: 0"], "DESCRIBE rtsp://h/s"),
        ("a sequence number that is none", vec!["200 OK\nCSeq: abc"], "DESCRIBE rtsp://h/s"),
        ("OPTIONS is refused", vec!["501 Not Implemented"], "DESCRIBE rtsp://h/s"),
        ("OPTIONS is refused in another way", vec!["454 Session Not Found"], "DESCRIBE rtsp://h/s"),
        ("a range is refused", vec!["200 OK", &sdp, "200 OK\nSession: 1", "457 Invalid Range"], "PLAY rtsp://h/s"),
        ("no session", vec!["200 OK", &sdp, "200 OK"], "PLAY rtsp://h/s | Range: npt=0.000-"),
        ("another way, from the root", vec!["200 OK", "302 Moved\nLocation: /t"], "DESCRIBE rtsp://h/t"),
        ("a repeated answer", vec!["200 OK", "200 OK\nCSeq: 1"], "DESCRIBE rtsp://h/s"),
    ] {
        assert_eq!(dialogue(false, &replies).last().map(String::as_str), Some(expected), "{quirk}");
    }
    for (quirk, replies, expected) in [
        (
            "another way to nowhere",
            vec!["200 OK", "302 Moved\nLocation: http://h/"],
            "error: the address does not begin with rtsp://",
        ),
        ("another way without one", vec!["200 OK", "302 Moved"], "error: DESCRIBE was answered with 302"),
        ("nothing is there", vec!["200 OK", "404 Not Found"], "error: DESCRIBE was answered with 404 (no such stream)"),
        (
            "a range is refused twice",
            vec!["200 OK", &sdp, "200 OK\nSession: 1", "457 Invalid Range", "457 Invalid Range"],
            "error: PLAY was answered with 457",
        ),
        (
            "the session is gone",
            vec!["200 OK", &sdp, "200 OK\nSession: 1", "454 Session Not Found"],
            "error: PLAY was answered with 454 (session not found)",
        ),
    ] {
        assert_eq!(dialogue(false, &replies).last().map(String::as_str), Some(expected), "{quirk}");
    }
}

#[test]
fn replies_between_packets_and_stray_bytes_are_told_apart() {
    let rtp = b"$\0\0\x0c\x80\x60\0\x01\0\0\0\0\0\0\0\x07";
    let reply = b"RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n";
    for (quirk, before, between) in [
        ("a reply between packets", &b""[..], &reply[..]),
        ("line ends before a packet", b"\r\n\r\n", b"\r\n"),
        ("stray bytes before a packet", b"\0\0\0", b"\x01\x02"),
        ("stray bytes before a reply", b"", b"\x01\x02RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n"),
        ("a reply with a space too much", b"", b" RTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n"),
        ("a packet of an unknown channel", b"$\x09\0\x01x", b"$\x07\0\x02xy"),
        ("a packet without content", b"$\0\0\0", b"$\x01\0\0"),
    ] {
        let mut d = Dialogue::play("rtsp://h/s");
        let bytes = [before, rtp, between, rtp].concat();
        // However the network cuts them.
        for piece in bytes.chunks(3) {
            d.session.received(d.now, piece).unwrap();
        }
        let packets = d.drain().unwrap().iter().filter(|done| done.starts_with("rtp 0")).count();
        assert_eq!(packets, 2, "{quirk}");
    }
}
