use super::*;

/// Pushes the bytes in pieces of a size and shows the frames.
fn frames(bytes: &[u8], piece: usize, channels: u16) -> Result<Vec<String>, Error> {
    let mut decoder = Decoder::new();
    decoder.set_channels(channels);
    let mut shown = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        while let Some(frame) = decoder.next()? {
            shown.push(show(&frame));
        }
    }
    Ok(shown)
}

fn show(frame: &Frame) -> String {
    match frame {
        Frame::Request(request) => {
            let uri = request.request_uri().map_or("*", |url| url.as_str());
            format!("{} {uri} {:?}", <&str>::from(request.method()), String::from_utf8_lossy(request.body()))
        }
        Frame::Response(response) => {
            let cseq = response.header(&headers::CSEQ).map_or("-", |value| value.as_str());
            format!("{} {cseq} {:?}", u16::from(response.status()), String::from_utf8_lossy(response.body()))
        }
        Frame::Interleaved { channel, data } => format!("${channel} {}", data.len()),
    }
}

/// The frames are the same however the bytes are split.
fn check(bytes: &[u8], expected: &[&str]) {
    for piece in 1..=bytes.len() {
        assert_eq!(frames(bytes, piece, 4).unwrap(), expected, "in pieces of {piece}");
    }
}

#[test]
fn frames_of_all_kinds_come_out_whole_however_they_were_split() {
    let mut bytes = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nhello".to_vec();
    bytes.extend(b"$\x00\x00\x04\x80abc$\x01\x00\x00");
    bytes.extend(b"DESCRIBE rtsp://h/a b RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    bytes.extend(b"OPTIONS * RTSP/1.0\r\ncseq:3\r\nContent-length: 2\r\n\r\nhi");
    check(&bytes, &["200 1 \"hello\"", "$0 4", "$1 0", "DESCRIBE rtsp://h/a%20b \"\"", "OPTIONS * \"hi\""]);
}

#[test]
fn sloppy_messages_are_forgiven() {
    check(b"RTSP/1.0 401\nCSeq : 7\nnonsense\nWWW-Authenticate: Basic\n realm=x\n\n", &["401 7 \"\""]);
    check(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nCSeq: 9\r\n\xff: \xff\r\n\r\n", &["200 1 \"\""]);
}

#[test]
fn repeated_challenges_are_kept_and_continued_lines_joined() {
    let mut decoder = Decoder::new();
    decoder.push(
        b"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest a=\"b\",\r\n\tc=d\r\nWWW-Authenticate: Basic realm=x\r\n\r\n",
    );
    let Some(Frame::Response(response)) = decoder.next().unwrap() else { panic!("no response") };
    let header = response.header(&headers::WWW_AUTHENTICATE).unwrap().as_str();
    assert_eq!(header, "Digest a=\"b\", c=d, Basic realm=x");
}

#[test]
fn stray_bytes_between_frames_are_skipped() {
    check(b"\r\n\r\n$\x00\x00\x01x\r\nRTSP/1.0 200 OK\r\n\r\n", &["$0 1", "200 - \"\""]);
    // A `$` with a channel that does not exist, and one that no RTP packet follows.
    check(b"\x01\x02$\x09\x00\x10$\x00\x00\x08abc$\x02\x00\x08\x80bcdefgh", &["$2 8"]);
    // A name too long for a method loses its first letter, in pieces or not.
    check(b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG * RTSP/1.0\n\n", &["BCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG * \"\""]);
    check(b"AB CD RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n", &["200 4 \"\""]);
}

#[test]
fn what_is_too_large_ends_the_connection() {
    let head = [b"RTSP/1.0 200 OK\r\nX: ", &[b'x'; HEAD_BYTES][..]].concat();
    let body = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES + 1);
    let stray = vec![b'-'; STRAY_BYTES + 1];
    for bytes in [&head[..], body.as_bytes(), &stray] {
        for piece in [1000, bytes.len()] {
            assert!(matches!(frames(bytes, piece, 256), Err(Error::TooLarge { .. })));
        }
    }
    let whole = [&head[..], b"\r\n\r\n"].concat();
    assert!(matches!(frames(&whole, whole.len(), 256), Err(Error::TooLarge { .. })));
}

#[test]
fn what_is_not_rtsp_is_an_error() {
    for bytes in [
        "RTSP/1.0 2x0 OK\r\n\r\n",
        "RTSP/9.9 200 OK\r\n\r\n",
        "RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "DESCRIBE\x20\r\n\r\n",
        "DESCRIBE secret RTSP/1.0\r\n\r\n",
    ] {
        let error = frames(bytes.as_bytes(), 1, 256).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{bytes:?}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn packets_are_slices_of_one_buffer() {
    let mut decoder = Decoder::new();
    decoder.push(b"$\x00\x00\x02ab$\x00\x00\x02cd");
    let mut next = || match decoder.next().unwrap() {
        Some(Frame::Interleaved { data, .. }) => data.as_ptr().addr(),
        other => panic!("{other:?}"),
    };
    assert_eq!(next() + 6, next());
}

#[test]
fn challenges_are_written_one_a_line() {
    let response = Response::builder(rtsp_types::Version::V1_0, rtsp_types::StatusCode::Unauthorized)
        .header(headers::CSEQ, "2")
        .empty();
    let bytes = write_response_with_challenges(&response, &["Digest a=b".into(), "Basic realm=\"x\"".into()]);
    assert_eq!(
        std::str::from_utf8(&bytes).unwrap(),
        "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest a=b\r\nWWW-Authenticate: Basic realm=\"x\"\r\nCSeq: 2\r\n\r\n"
    );
    assert_eq!(write_interleaved_header(3, 0x1234), [b'$', 3, 0x12, 0x34]);
}
