use bytes::{Bytes, BytesMut};
use domain::{Secret, WallTime};
use uuid::Uuid;

use super::*;
use crate::{Error, milestone::Sequence};

const CAMERA: Uuid = Uuid::from_u128(0xddb7_3649_676a_5756_a0f4_5cb4_dd2b_99ef);
const STREAM: Uuid = Uuid::from_u128(0xb73c_f9e0_aa63_569b_be95_2c7c_45c6_3a6d);
const TOKEN: &str = "TOKEN#5d9f8d54-1111-2222-3333-b27e0f19a0e1#sim//ServerConnector#";

fn ms(ms: i64) -> WallTime {
    WallTime::from_unix_us(ms * 1000)
}

fn connect(stream: Option<Uuid>, delivery: Delivery) -> Call {
    Call::Connect(Connect { camera: CAMERA, stream, token: Secret::new(TOKEN.into()), delivery })
}

/// Every call in every form, with the parameters it has on the wire.
fn calls() -> Vec<(Call, String)> {
    let id = "id=ddb73649-676a-5756-a0f4-5cb4dd2b99ef";
    let head = "<username>a</username><password>a</password><cameraid>ddb73649-676a-5756-a0f4-5cb4dd2b99ef</cameraid>";
    let parameters = format!("<connectparam>{id}&amp;connectiontoken={TOKEN}</connectparam>");
    let stream = "streamid=b73cf9e0-aa63-569b-be95-2c7c45c63a6d";
    let between = Alarms::Between { start: ms(1_705_233_600_000), end: ms(1_705_320_000_000) };
    let around = Alarms::Around { center: ms(1_705_320_000_000), span_ms: 86_400_000, count_max: 10 };
    let goto = |compression, keyframes_only| Call::Goto { at: ms(1_705_320_000_000), compression, keyframes_only };
    vec![
        (connect(None, Delivery::Native), format!("{head}<alwaysstdjpeg>no</alwaysstdjpeg>{parameters}")),
        (
            connect(Some(STREAM), Delivery::Jpeg { all_frames: true }),
            format!(
                "{head}<alwaysstdjpeg>yes</alwaysstdjpeg><transcode><allframes>yes</allframes></transcode>\
                 <connectparam>{id}&amp;{stream}&amp;connectiontoken={TOKEN}</connectparam>"
            ),
        ),
        (Call::ConnectUpdate { camera: CAMERA, token: Secret::new(TOKEN.into()) }, parameters),
        (Call::Live { compression: None }, String::new()),
        (Call::Live { compression: Some(90) }, "<compressionrate>90</compressionrate>".into()),
        (Call::Stop, String::new()),
        (goto(None, false), "<time>1705320000000</time><keyframesonly>no</keyframesonly>".into()),
        (
            goto(Some(75), true),
            "<time>1705320000000</time><compressionrate>75</compressionrate><keyframesonly>yes</keyframesonly>".into(),
        ),
        (Call::Next, String::new()),
        (Call::Previous, String::new()),
        (Call::NextSequence, String::new()),
        (Call::PreviousSequence, String::new()),
        (Call::Begin, String::new()),
        (Call::End, String::new()),
        (
            Call::Alarms(around),
            "<centertime>1705320000000</centertime><timespan>86400000</timespan><numalarms>10</numalarms>".into(),
        ),
        (Call::Alarms(between), "<starttime>1705233600000</starttime><endtime>1705320000000</endtime>".into()),
    ]
}

#[test]
fn each_request_is_written_as_documented_and_read_back() {
    for ((call, parameters), id) in calls().into_iter().zip(1..) {
        let request = Request { id, call };
        let mut written = BytesMut::new();
        request.write(&mut written);
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><methodcall><requestid>{id}</requestid>\
             <methodname>{}</methodname>{parameters}</methodcall>\r\n\r\n",
            request.call.method().name()
        );
        assert_eq!(written, expected.as_bytes());
        assert_eq!(Request::read(&written[..written.len() - 4]), Ok(request.clone()));
        assert!(!format!("{request:?}").contains("TOKEN"), "{request:?}");
    }
}

#[test]
fn requests_of_other_clients_are_read() {
    let parameters = format!("<connectparam>id={CAMERA}&amp;connectiontoken=T</connectparam>");
    for (inside, expected) in [
        (
            format!("<methodname>connect</methodname><username>dummy</username><cameraid>a</cameraid>{parameters}"),
            "Connect",
        ),
        ("<methodname>GOTO</methodname><time> 5 </time>".to_owned(), "Goto"),
        ("<methodname>live</methodname>\n".to_owned(), "Live"),
    ] {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><methodcall><requestid>0</requestid>{inside}</methodcall>"
        );
        let request = Request::read(text.as_bytes()).unwrap();
        assert_eq!(format!("{:?}", request.call.method()), expected);
    }
}

#[test]
fn a_request_that_makes_no_sense_is_refused_by_name() {
    let call = |inside: &str| format!("<methodcall><requestid>1</requestid>{inside}</methodcall>");
    let connect = |value: &str| call(&format!("<methodname>connect</methodname><connectparam>{value}</connectparam>"));
    for (text, expected) in [
        ("<methodresponse/>".to_owned(), "malformed image server request: it is no methodcall"),
        ("<methodcall/>".to_owned(), "image server request has no requestid"),
        (
            "<methodcall><requestid>x</requestid></methodcall>".to_owned(),
            "image server request has an unreadable requestid",
        ),
        (call(""), "image server request has no methodname"),
        (call("<methodname>fly</methodname>"), "image server method \"fly\" is not known"),
        (call("<methodname>goto</methodname>"), "image server request has no time"),
        (
            call("<methodname>goto</methodname><time>9999999999999999</time>"),
            "image server request has an unreadable time",
        ),
        (call("<methodname>connect</methodname>"), "image server request has no connectparam"),
        (connect("connectiontoken=T"), "image server request has no id in connectparam"),
        (connect("id=camera"), "image server request has an unreadable id"),
        (connect(&format!("id={CAMERA}")), "image server request has no connectiontoken in connectparam"),
    ] {
        assert_eq!(Request::read(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
}

fn image(request_id: u32, frame: &'static [u8]) -> Response {
    let (current, previous, next) = (ms(1_705_320_000_500), ms(1_705_320_000_000), ms(1_705_320_001_000));
    Response::Image(Image {
        request_id: Some(request_id),
        content_type: ContentType::GenericByteData,
        current: Some(current),
        previous: Some(previous),
        next: Some(next),
        frame: Some(Bytes::from_static(frame)).filter(|frame| !frame.is_empty()),
    })
}

fn answer(method: Method, outcome: Outcome) -> Response {
    Response::Answer(Answer { request_id: Some(3), method: Some(method), outcome })
}

/// What a session may carry; frames hold what looks like the end or the begin of messages.
fn responses() -> Vec<Response> {
    let sequence = Sequence { begin: ms(1000), trigger: ms(1500), end: ms(9000) };
    let item = StatusItem { id: 2, value: 1, description: "motion <>".into() };
    vec![
        answer(Method::Connect, Outcome::Connected),
        image(2, b"\r\n\r\n<methodresponse/>\r\n\r\nImageResponse\r\n\r\n"),
        Response::Live(LivePackage { at: Some(ms(5)), items: vec![item] }),
        image(2, b"x"),
        answer(Method::ConnectUpdate, Outcome::Refused { reason: "line\r\n\r\nline".into() }),
        image(3, b""),
        answer(Method::Alarms, Outcome::Sequences(vec![sequence, sequence])),
        answer(Method::Stop, Outcome::Done),
        image(4, b"\n\r\n\r"),
    ]
}

fn read_all(stream: &[u8], cut: impl Fn(usize) -> usize) -> Result<Vec<Response>, Error> {
    let (mut reader, mut read, mut rest) = (ResponseReader::default(), Vec::new(), stream);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cut(stream.len() - rest.len()).clamp(1, rest.len()));
        rest = later;
        reader.received(now)?;
        while let Some(response) = reader.poll()? {
            read.push(response);
        }
    }
    Ok(read)
}

#[test]
fn any_cut_of_the_stream_gives_the_same_responses() {
    let mut stream = BytesMut::new();
    responses().iter().for_each(|response| response.write(&mut stream));
    for size in 1..stream.len() {
        assert_eq!(read_all(&stream, |_| size), Ok(responses()), "in pieces of {size}");
        assert_eq!(read_all(&stream, |at| if at == 0 { size } else { stream.len() }), Ok(responses()), "cut at {size}");
    }
    for seed in 1..500_usize {
        let piece = |at: usize| at.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59;
        assert_eq!(read_all(&stream, piece), Ok(responses()), "seed {seed}");
    }
}

#[test]
fn any_cut_of_the_stream_gives_the_same_requests() {
    let requests: Vec<_> = calls().into_iter().zip(1..).map(|((call, _), id)| Request { id, call }).collect();
    let mut stream = BytesMut::new();
    requests.iter().for_each(|request| request.write(&mut stream));
    for size in 1..stream.len() {
        let (mut reader, mut read) = (RequestReader::default(), Vec::new());
        for piece in stream.chunks(size) {
            reader.received(piece).unwrap();
            while let Some(request) = reader.poll().unwrap() {
                read.push(request);
            }
        }
        assert_eq!(read, requests, "in pieces of {size}");
    }
}

#[test]
fn an_image_is_written_as_documented() {
    let mut written = BytesMut::new();
    image(2, b"abc").write(&mut written);
    let expected = "ImageResponse\r\nRequestId: 2\r\nContent-type: application/x-genericbytedata-octet-stream\r\n\
                    Content-length: 3\r\nCurrent: 1705320000500\r\nPrev: 1705320000000\r\nNext: 1705320001000\r\n\r\n\
                    abc\r\n\r\n";
    assert_eq!(written, expected.as_bytes());
}

#[test]
fn headers_of_other_servers_are_read() {
    for (stream, expected) in [
        // Names in another case, no space, no request id, no trailer, another image at once.
        (
            "ImageResponse\r\ncontent-LENGTH:2\r\nCURRENT:1000\r\nX: y\r\n\r\nabImageResponse\r\nContent-length: 1\r\n\r\nc",
            "ab@1000 c@",
        ),
        ("ImageResponse\r\nContent-length = 1\r\nCurrent=7\r\nNext:\r\n\r\nz\r\n\r\n", "z@7"),
        ("\r\n\r\nImageResponse\r\nRequestId: 9\r\nCurrent: 7\r\n\r\n\r\n\r\n", "@7"),
        ("ImageResponse\r\nContent-length: 0\r\nCurrent: soon\r\n\r\n\r\n\r\n", "@"),
        ("ImageResponse\nContent-length: 1\nCurrent: 7\r\n\r\nz", "z@7"),
    ] {
        let shown = |response: Response| match response {
            Response::Image(image) => {
                let at = image.current.map(|at| (at.unix_us() / 1000).to_string()).unwrap_or_default();
                format!("{}@{at}", String::from_utf8_lossy(&image.frame.unwrap_or_default()))
            }
            other @ (Response::Answer(_) | Response::Live(_)) => panic!("{other:?}"),
        };
        let read: Vec<_> = read_all(stream.as_bytes(), |_| 3).unwrap().into_iter().map(shown).collect();
        assert_eq!(read.join(" "), expected, "{stream}");
    }
}

#[test]
fn answers_of_other_servers_are_read() {
    let refused = |reason: &str| Outcome::Refused { reason: reason.into() };
    let sequence = |trigger| Sequence { begin: ms(1), trigger: ms(trigger), end: ms(3) };
    for (inside, method, outcome) in [
        ("<methodname>connect</methodname><connected>Yes</connected><x/>", Some(Method::Connect), Outcome::Connected),
        (
            "<methodname>connect</methodname><connected>no</connected><errorreason>Invalid TOKEN#1#2# given</errorreason>",
            Some(Method::Connect),
            refused("Invalid *** given"),
        ),
        ("<connected>no</connected>", None, refused("")),
        ("<methodname>alarms</methodname>", Some(Method::Alarms), Outcome::Sequences(vec![])),
        (
            "<x><alarm StartTime='1' EndTime='3' AlarmTime='2'/></x><alarm starttime='1' endtime='3'/>",
            None,
            Outcome::Sequences(vec![sequence(2), sequence(1)]),
        ),
        ("<status>success</status>", None, Outcome::Done),
        ("<methodname>later</methodname>", None, Outcome::Done),
    ] {
        let text = format!("<methodresponse><requestid>4</requestid>{inside}</methodresponse>");
        let expected = Response::Answer(Answer { request_id: Some(4), method, outcome });
        assert_eq!(Response::read(text.as_bytes()), Ok(expected), "{text}");
    }
    let package = "<livepackage><status><statustime>x</statustime><statusitem><statusid>5</statusid><value>1</value>\
                   </statusitem><statusitem><statusid>no</statusid></statusitem></status></livepackage>";
    let Ok(Response::Live(LivePackage { at: None, items })) = Response::read(package.as_bytes()) else { panic!() };
    assert_eq!(items.iter().map(StatusItem::condition).collect::<Vec<_>>(), [Some(Condition::ConnectionLost)]);
}

#[test]
fn a_stream_that_makes_no_sense_is_refused_by_name_and_for_good() {
    let head = |line: &str| format!("ImageResponse\r\n{line}\r\n\r\n");
    let long = format!("ImageResponse\r\n{}", "a".repeat(HEAD_BYTES_MAX));
    let xml = format!("<a>{}", " ".repeat(XML_BYTES_MAX + 1));
    for (stream, expected) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "malformed image server stream: the server answers in HTTP"),
        ("\x16\x03\x03", "malformed image server stream: neither XML nor an image begins here"),
        ("Image\r\n\r\n", "malformed image response: its first line is not ImageResponse"),
        (&head("Content-length: -1"), "image response has an unreadable Content-length"),
        (&head("Content-length: 16777217"), "a frame, in bytes, exceeds 16777216"),
        (&head("Content-length: 99999999999999999999"), "image response has an unreadable Content-length"),
        (&head("Content-length: 1\r\nContent-Length: 2"), "malformed image response: it has two lengths"),
        (&long, "the headers of an image, in bytes, exceeds 4096"),
        (&xml, "an answer, in bytes, exceeds 1048576"),
        ("<html></html>\r\n\r\n", "image server answer \"html\" is not known"),
        ("\r\n\r\n\r\n\r\n\r\n", "line ends between messages exceeds 8"),
        ("<methodresponse><alarm endtime='1'/></methodresponse>\r\n\r\n", "alarm has no starttime"),
    ] {
        let mut reader = ResponseReader::default();
        let mut error = None;
        for piece in stream.as_bytes().chunks(7) {
            reader.received(piece).unwrap();
            error = error.or_else(|| reader.poll().err());
        }
        assert_eq!(error.as_ref().map(ToString::to_string).as_deref(), Some(expected));
        reader.received(b"<livepackage/>\r\n\r\n").unwrap();
        assert_eq!(reader.poll().err(), error);
    }
}

#[test]
fn what_nobody_polls_has_a_limit() {
    let mut reader = RequestReader::default();
    let piece = [b' '; 4096];
    let taken = (0..1000).take_while(|_| reader.received(&piece).is_ok()).count();
    assert_eq!(taken * piece.len(), REQUEST_BYTES_MAX + (1 << 20));
}
