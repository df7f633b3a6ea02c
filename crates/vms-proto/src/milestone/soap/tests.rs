use std::time::Duration;

use bytes::Bytes;
use domain::{Secret, WallTime};
use uuid::Uuid;

use super::{recorder::*, *};
use crate::milestone::Sequence;

const CAMERA: Uuid = Uuid::from_u128(0xddb7_3649_676a_5756_a0f4_5cb4_dd2b_99ef);
const TOKEN: &str = "TOKEN#5d9f8d54-1111-2222-3333-b27e0f19a0e1#sim//ServerConnector#";
const DAY: WallTime = WallTime::from_unix_us(1_767_225_600_000_000);

fn token() -> Secret {
    Secret::new(TOKEN.into())
}

/// The element of an operation inside the envelope that is written.
fn inside(envelope: &str) -> &str {
    let before = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
                  <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
    envelope.strip_prefix(before).unwrap().strip_suffix("</s:Body></s:Envelope>").unwrap()
}

#[test]
fn a_log_in_is_written_as_documented() {
    let login = server::Login { instance: CAMERA, current_token: Secret::new(String::new()) };
    let message = request(&login);
    assert_eq!(message.action, "http://videoos.net/2/XProtectCSServerCommand/IServerCommandService/Login");
    let expected = "<Login xmlns=\"http://videoos.net/2/XProtectCSServerCommand\">\
                    <instanceId>ddb73649-676a-5756-a0f4-5cb4dd2b99ef</instanceId><currentToken /></Login>";
    assert_eq!(inside(&message.body), expected);
    let received = server::Request::read(message.body.as_bytes()).unwrap();
    assert_eq!(received, Received { request: server::Request::Login(login), is_prefixed: false });
}

#[test]
fn the_answer_to_a_log_in_is_read_whatever_its_prefixes() {
    let plain = "<s:Envelope xmlns:s='x'><s:Body><LoginResponse xmlns='y'><LoginResult xmlns:i='z'>\
                 <RegistrationTime>2026-01-01T00:00:00.04Z</RegistrationTime>\
                 <TimeToLive><MicroSeconds>14400000000</MicroSeconds></TimeToLive>\
                 <TimeToLiveLimited>false</TimeToLiveLimited><Token>T</Token></LoginResult></LoginResponse></s:Body></s:Envelope>";
    let prefixed = plain
        .replace("<Reg", "<a:Reg")
        .replace("</Reg", "</a:Reg")
        .replace("<Token", "<b:Token")
        .replace("</Token", "</b:Token");
    for text in [plain, &prefixed] {
        let answer = answer::<server::Login>(text.as_bytes()).unwrap();
        assert_eq!(answer.registered_at, DAY.plus_us(40_000));
        assert_eq!((answer.time_to_live, answer.is_limited), (Duration::from_secs(4 * 3600), false));
        assert_eq!(answer.token.expose(), "T");
    }
}

#[test]
fn sequences_are_asked_for_and_answered_as_documented() {
    let ask = SequencesGet {
        token: token(),
        device: CAMERA,
        kind: SequenceKind::Recording,
        from: DAY,
        to: DAY.plus_us(86_400_000_000),
        count_max: 1000,
    };
    let message = request(&ask);
    assert_eq!(message.action, "http://videoos.net/2/XProtectCSRecorderCommand/SequencesGet");
    let expected = format!(
        "<SequencesGet xmlns=\"http://videoos.net/2/XProtectCSRecorderCommand\"><token>{TOKEN}</token>\
         <deviceId>{CAMERA}</deviceId><sequenceType>f9c62604-d0c5-4050-ae25-72de51639b14</sequenceType>\
         <minTime>2026-01-01T00:00:00.0000000Z</minTime><maxTime>2026-01-02T00:00:00.0000000Z</maxTime>\
         <maxCount>1000</maxCount></SequencesGet>"
    );
    assert_eq!(inside(&message.body), expected);
    for (result, expected) in [
        ("", vec![]),
        ("<SequencesGetResult/>", vec![]),
        (
            "<SequencesGetResult><SequenceEntry><TimeBegin>2026-01-01T00:00:00.0000000Z</TimeBegin>\
             <TimeTrigged>0001-01-01T00:00:00</TimeTrigged><TimeEnd>2026-01-01T00:00:01.5Z</TimeEnd></SequenceEntry>\
             </SequencesGetResult>",
            vec![Sequence { begin: DAY, trigger: DAY, end: DAY.plus_us(1_500_000) }],
        ),
    ] {
        let text = format!("<Envelope><Body><SequencesGetResponse>{result}</SequencesGetResponse></Body></Envelope>");
        assert_eq!(answer::<SequencesGet>(text.as_bytes()), Ok(expected));
    }
}

#[test]
fn ptz_is_written_as_the_wsdl_says_and_every_spelling_is_read() {
    let start = PtzMoveStart { token: token(), device: CAMERA, arguments: PtzArguments::pan_tilt(-0.25, 0.0) };
    let message = request(&start);
    let arguments = "<ptzArgs><movement><name>pan</name><value>-1</value></movement>\
                     <movement><name>tilt</name><value>0</value></movement>\
                     <speed><name>pan</name><value>0.25</value></speed>\
                     <speed><name>tilt</name><value>0</value></speed><Normalized>false</Normalized></ptzArgs>";
    assert!(message.body.contains(arguments), "{}", message.body);
    let nested = |name: &str, first: &str| {
        format!(
            "<{name}><PTZPairDouble><{first}>pan</{first}><Value>0.5</Value></PTZPairDouble>\
             <PTZPairDouble><{first}>tilt</{first}><Value>-1</Value></PTZPairDouble></{name}>"
        )
    };
    for (arguments, expected) in [
        (arguments.to_owned(), (-0.25, 0.0)),
        (format!("<a:ptzArgs>{}{}</a:ptzArgs>", nested("Movement", "Name"), nested("speed", "name")), (0.25, 0.0)),
        ("<ptzArgs><movement><name>Pan</name><value>1</value></movement></ptzArgs>".to_owned(), (1.0, 0.0)),
    ] {
        let text = format!(
            "<Envelope><Body><r:PTZMoveStart xmlns:r='x'><r:token>T</r:token><r:deviceId>{CAMERA}</r:deviceId>{arguments}\
             </r:PTZMoveStart></Body></Envelope>"
        );
        let Received { request: Request::PtzMoveStart(start), is_prefixed: true } =
            Request::read(text.as_bytes()).unwrap()
        else {
            panic!("{text}");
        };
        let velocity = start.arguments.velocity();
        assert_eq!((velocity.pan, velocity.tilt), expected, "{text}");
    }
}

fn check<O: Operation + Clone + PartialEq>(wrap: fn(O) -> Request, operation: O, answered: O::Answer)
where
    O::Answer: Clone + PartialEq + std::fmt::Debug,
{
    let message = request(&operation);
    let received = Request::read(message.body.as_bytes()).unwrap();
    assert_eq!(received.request.operation(), O::NAME);
    assert_eq!(received.request, wrap(operation));
    assert!(!format!("{message:?}{received:?}").contains("TOKEN#"), "{message:?} {received:?}");
    assert_eq!(answer::<O>(write_answer::<O>(&answered).as_bytes()), Ok(answered));
}

#[test]
fn operations_and_answers_survive_the_way_there_and_back() {
    let sequence = Sequence { begin: DAY, trigger: DAY.plus_us(1), end: DAY.plus_us(2_000_000) };
    let still = Still { at: Some(DAY), picture: Bytes::from_static(&[0xff, 0xd8, 0xff, 0xd9]) };
    let (token, device, at, kind) = (token(), CAMERA, DAY, SequenceKind::Motion);
    let result = ManualRecordingResult { device, code: 0, message: String::new() };
    let time_line = TimeLine {
        device,
        kind: kind.id(),
        begin: DAY,
        interval: Duration::from_secs(60),
        count: 8,
        bits: Bytes::from_static(&[0b1010_0000]),
    };
    let session = PtzSession {
        device,
        priority: 3000,
        is_reserved: false,
        is_patrolling: false,
        is_anonymous: true,
        is_paused: false,
        timeout_s: 15,
        timeout_left_s: 7,
    };
    check(Request::GetVersion, GetVersion {}, 3);
    check(Request::PtzMoveStop, PtzMoveStop { token: token.clone(), device }, ());
    let absolute = PtzMoveAbsolute { token: token.clone(), device, arguments: PtzArguments::position(0.1, -0.2, 0.5) };
    check(Request::PtzMoveAbsolute, absolute, ());
    let position = PtzArguments::position(0.5, 0.25, 1.0);
    check(Request::PtzGetAbsolutePosition, PtzGetAbsolutePosition { token: token.clone(), device }, position);
    check(Request::PtzGetSession, PtzGetSession { token: token.clone(), device }, session);
    check(
        Request::PresetGetList,
        PresetGetList { token: token.clone(), device },
        vec!["Gate <1>".into(), "بوابة".into()],
    );
    check(Request::PresetMoveTo, PresetMoveTo { token: token.clone(), device, preset: "بوابة".into() }, ());
    let types = vec![SequenceType { id: kind.id(), name: kind.name().into() }];
    check(Request::SequencesGetTypes, SequencesGetTypes { token: token.clone(), device }, types);
    let around = SequencesGetAround { token: token.clone(), device, kind, center: at, before_max: 1, after_max: 2 };
    check(Request::SequencesGetAround, around, vec![sequence]);
    let (before, after) = (Duration::from_secs(1), Duration::from_micros(2));
    let span = SequencesGetAroundWithSpan {
        token: token.clone(),
        device,
        kind,
        center: at,
        before,
        before_max: 1,
        after,
        after_max: 2,
    };
    check(Request::SequencesGetAroundWithSpan, span, vec![sequence, sequence]);
    let line =
        TimeLineGet { token: token.clone(), device, kinds: vec![kind.id()], from: at, interval: before, count: 8 };
    check(Request::TimeLineGet, line, vec![time_line]);
    let live = JpegGetLive { token: token.clone(), device, width_max: 160, height_max: 160 };
    check(Request::JpegGetLive, live, still.clone());
    check(
        Request::JpegGetAt,
        JpegGetAt { token: token.clone(), device, at },
        Still { at: None, picture: Bytes::new() },
    );
    check(Request::JpegGetAtOrAfter, JpegGetAtOrAfter { token: token.clone(), device, at }, still.clone());
    check(Request::JpegGetAtOrBefore, JpegGetAtOrBefore { token: token.clone(), device, at }, still);
    check(Request::StartRecording, StartRecording { token: token.clone(), device, us: -1 }, true);
    let is = vec![ManualRecording { device, is_recording: true }];
    check(Request::IsManualRecording, IsManualRecording { token: token.clone(), devices: vec![device] }, is);
    let start = StartManualRecording { token: token.clone(), devices: vec![device, kind.id()] };
    check(Request::StartManualRecording, start, vec![result.clone()]);
    check(Request::StopManualRecording, StopManualRecording { token, devices: vec![] }, vec![result]);
}

#[test]
fn device_ids_are_written_as_a_real_recorder_took_them_and_read_in_both_forms() {
    let ask = IsManualRecording { token: token(), devices: vec![CAMERA] };
    let list = format!("<deviceIds><guid xmlns=\"http://microsoft.com/wsdl/types/\">{CAMERA}</guid></deviceIds>");
    assert!(request(&ask).body.contains(&list));
    for list in [
        &list,
        &format!("<deviceIds xmlns:a='x'><a:guid>{CAMERA}</a:guid></deviceIds>"),
        &list.replace(" xmlns=\"http://microsoft.com/wsdl/types/\"", ""),
    ] {
        let text = format!("<Envelope><Body><IsManualRecording>{list}</IsManualRecording></Body></Envelope>");
        let Request::IsManualRecording(read) = Request::read(text.as_bytes()).unwrap().request else { panic!() };
        assert_eq!(read.devices, [CAMERA]);
    }
}

#[test]
fn faults_tell_what_they_mean() {
    use FaultKind::*;
    for kind in [PtzBusy, NoToken, InvalidToken, Forbidden, NotSupported, Other] {
        let fault = Fault::of(kind, "words");
        assert_eq!(fault.kind(), kind);
        let failure = answer::<PtzMoveStop>(fault.write().as_bytes());
        assert_eq!(failure, Err(Failure::Fault(fault)));
    }
    let fault = |detail: &str| {
        let text = format!(
            "<soap:Envelope xmlns:soap='x'><soap:Body><soap:Fault><faultcode>soap:Server</faultcode>\
             <faultstring>token TOKEN#1#h# is bad</faultstring>{detail}</soap:Fault></soap:Body></soap:Envelope>"
        );
        Fault::of_envelope(text.as_bytes()).unwrap()
    };
    for (detail, kind) in [
        ("<detail><ErrorNumber>40295</ErrorNumber><SubErrorNumber>20</SubErrorNumber></detail>", PtzBusy),
        ("<detail><x ErrorNumber='51000' BaseExceptionName='VmoException'/></detail>", Forbidden),
        ("<detail><x><ErrorNumber>1</ErrorNumber><SubErrorNumber> 2 </SubErrorNumber></x></detail>", InvalidToken),
        ("<detail/>", Other),
        ("", Other),
    ] {
        let fault = fault(detail);
        assert_eq!(fault.kind(), kind, "{detail}");
        assert!(!fault.to_string().contains("TOKEN"), "{fault}");
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    let envelope = |inside: &str| format!("<Envelope><Body>{inside}</Body></Envelope>");
    let sequences = |inside: &str| envelope(&format!("<SequencesGet><token>T</token>{inside}</SequencesGet>"));
    let device = format!("<deviceId>{CAMERA}</deviceId>");
    for (text, expected) in [
        ("<html><body>401</body></html>".to_owned(), "malformed SOAP envelope: its root is no Envelope"),
        ("<Envelope/>".to_owned(), "SOAP envelope has no Body"),
        (envelope(""), "malformed SOAP envelope: its Body is empty"),
        (envelope("<Fly/>"), "SOAP operation \"Fly\" is not known"),
        (sequences(""), "SequencesGet has no deviceId"),
        (sequences("<deviceId>7</deviceId>"), "SequencesGet has an unreadable deviceId"),
        (sequences(&device), "SequencesGet has no sequenceType"),
        (
            sequences(&format!("{device}<sequenceType>{CAMERA}</sequenceType>")),
            "sequence type \"ddb73649-676a-5756-a0f4-5cb4dd2b99ef\" is not known",
        ),
        (
            envelope(&format!(
                "<PTZMoveStart>{device}<ptzArgs><movement><name>pan</name><value>NaN</value></movement></ptzArgs></PTZMoveStart>"
            )),
            "PTZPairDouble has an unreadable value",
        ),
    ] {
        assert_eq!(Request::read(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
    }
    let other = envelope("<SequencesGetResponse/>");
    let failure = answer::<PtzMoveStop>(other.as_bytes()).unwrap_err();
    assert_eq!(failure.to_string(), "SOAP answer \"SequencesGetResponse\" is not known");
}
