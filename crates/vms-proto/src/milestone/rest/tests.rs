use std::time::Duration;

use domain::{Secret, WallTime};
use serde_json::{Value, json};

use super::*;
use crate::milestone::{generic_byte_data::Codec, soap::recorder::SequenceKind};

const DAY: WallTime = WallTime::from_unix_us(1_767_225_600_000_000);

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn a_camera_is_read_in_the_form_of_every_release() {
    let now = json!({
        "id": "638BC8F1-CF28-4329-B8E6-5BBA37BDB48F", "name": "Gate", "enabled": true, "channel": 0, "ptzEnabled": false,
        "recordingFramerate": 5, "gisPoint": "POINT (55.3 25.2)", "createdDate": "0001-01-01T00:00:00.0000000",
        "lastModified": "2022-05-23T09:24:58.9130000+02:00", "unknown": [1],
        "relations": {"self": {"type": "cameras", "id": "638bc8f1-cf28-4329-b8e6-5bba37bdb48f"},
                      "parent": {"type": "hardware", "id": "965c4a97-449a-4b4b-b772-e50e7b44f700"}},
    });
    let before_2022_r2 = json!({
        "id": "638bc8f1-cf28-4329-b8e6-5bba37bdb48f", "name": "Gate", "enabled": "True", "channel": "0",
        "ptzEnabled": "False", "recordingFramerate": "5.0", "gisPoint": "point(55.3 25.2)",
        "lastModified": "2022-05-23T07:24:58.913Z", "relations": now["relations"],
    });
    for value in [now, before_2022_r2] {
        let camera: Camera = object(&bytes(&json!({ "data": value }))).unwrap();
        assert_eq!(camera.id.as_str(), "638bc8f1-cf28-4329-b8e6-5bba37bdb48f");
        assert_eq!((camera.enabled, camera.ptz_enabled, camera.channel), (Some(true), Some(false), Some(0)));
        assert_eq!((camera.recording_framerate, camera.created), (Some(5.0), None));
        assert_eq!(camera.last_modified, Some(WallTime::from_unix_us(1_653_290_698_913_000)));
        assert_eq!(camera.gis_point, Some(GisPoint { longitude: 55.3, latitude: 25.2, altitude: None }));
        let relations = camera.relations.clone().unwrap();
        assert!(relations.parent_of("hardware").is_some() && relations.parent_of("recordingServers").is_none());
        assert_eq!(object::<Camera>(&bytes(&write_object(&camera))), Ok(camera));
    }
    let hand_edited = json!({"parent": {"type": "recorders", "id": "1"}});
    assert!(Relations::of(&hand_edited).unwrap().parent_of("recordingServers").is_some());
}

#[test]
fn a_page_leaves_out_what_has_no_id_and_counts_it() {
    let body = json!({"array": [{"id": "A-1"}, {"name": "none"}, 7, {"id": ""}, {"id": "../x"}, {"id": 33}]});
    let read: Page<CameraGroup> = page(&bytes(&body)).unwrap();
    assert_eq!(read.items.iter().map(|group| group.id.as_str()).collect::<Vec<_>>(), ["a-1", "33"]);
    assert_eq!((read.skipped, read.is_last(7), read.is_last(6)), (4, true, false));
    assert_eq!(page::<CameraGroup>(&bytes(&write_page(&read.items))).unwrap().items, read.items);
}

#[test]
fn what_is_no_answer_is_refused_by_name() {
    for (body, expected) in [
        ("<html>Service Unavailable</html>", "malformed REST answer: it is markup, not JSON"),
        ("{\"array\":[", "REST answer cannot be read at line 1, column 10"),
        ("{}", "REST answer has no array"),
        ("{\"array\":{}}", "REST answer has no array"),
        ("", "REST answer cannot be read at line 1, column 0"),
    ] {
        assert_eq!(page::<Camera>(body.as_bytes()).unwrap_err().to_string(), expected, "{body}");
    }
    assert_eq!(object::<Camera>(b"{\"data\":{}}").unwrap_err().to_string(), "REST answer has an unreadable data");
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    assert!(page::<Camera>(&large).unwrap_err().to_string().ends_with("exceeds 4194304"));
    let deep = format!("{{\"array\":{}", "[".repeat(1000));
    assert!(page::<Camera>(deep.as_bytes()).is_err());
}

#[test]
fn refusals_are_read_with_and_without_their_wrapper() {
    let details = json!([{"errorText": "Token validation failed: the token is expired."}]);
    let inside = json!({"httpCode": 401, "details": details});
    for body in [json!({ "error": inside }), inside] {
        let refusal = Refusal::read(&bytes(&body)).unwrap();
        assert!(refusal.is_expired_token() && !refusal.is_forbidden() && refusal.http_code == 401);
        assert_eq!(Refusal::read(&bytes(&refusal.json())), Ok(refusal));
    }
    let forbidden = json!({"error": {"details": [{"errorText": "no", "property": "p", "errorTextId": "VMO61008"}]}});
    assert!(Refusal::read(&bytes(&forbidden)).unwrap().is_forbidden());
    let parameters = json!({"error": {"httpCode": "400", "details": []}, "params": {"time": "", "kind": ""}});
    let refusal = Refusal::read(&bytes(&parameters)).unwrap();
    assert_eq!((refusal.http_code, refusal.parameters.len(), refusal.text()), (400, 2, ""));
    assert_eq!(Refusal::read(&bytes(&refusal.json())), Ok(refusal));
    let unknown = Refusal::new(404, "Unknown resource: recordings");
    assert_eq!(
        unknown.json(),
        json!({"error": {"httpCode": 404, "details": [{"errorText": "Unknown resource: recordings"}]}})
    );
    let token = json!({"httpCode": 401, "details": [{"errorText": "bad eyJhbGciOi.a.b here"}]});
    assert_eq!(Refusal::read(&bytes(&token)).unwrap().text(), "bad *** here");
    assert!(Refusal::read(b"{\"array\":[]}").is_err() && Refusal::read(b"[]").is_err());
}

#[test]
fn tokens_are_asked_for_as_documented_and_never_printed() {
    let password = Secret::new("p&s=+ü%".into());
    for (grant, form) in [
        (
            Grant::Password { user: "a b".into(), password, client: Client::GrantValidator },
            "grant_type=password&username=a%20b&password=p%26s%3D%2B%C3%BC%25&client_id=GrantValidatorClient",
        ),
        (Grant::Refresh(Secret::new("R".into())), "grant_type=refresh_token&refresh_token=R&client_id=VmsClient"),
        (Grant::Windows, "grant_type=windows_credentials&client_id=GrantValidatorClient"),
    ] {
        assert_eq!(grant.form().expose(), form);
        assert!(!format!("{grant:?}{:?}", grant.form()).contains("p&s"));
        assert_eq!(Grant::read(form.as_bytes()), Ok(grant));
    }
    for (form, expected) in [
        ("client_id=VmsClient", "token request has no grant_type"),
        ("grant_type=x&client_id=VmsClient", "grant type \"x\" is not known"),
        ("grant_type=password&client_id=other", "client \"other\" is not known"),
        ("grant_type=password&client_id=VmsClient&username=u", "token request has no password"),
    ] {
        assert_eq!(Grant::read(form.as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn token_answers_and_refusals_are_read_as_documented() {
    let body = json!({"access_token": "eyJ", "expires_in": 3600, "token_type": "Bearer", "scope": "managementserver"});
    let token = TokenAnswer::read(&bytes(&body)).unwrap();
    assert_eq!((token.expires_in_s, token.refresh_token.is_none()), (3600, true));
    assert!(!format!("{token:?}").contains("eyJ"));
    let refreshed = TokenAnswer { refresh_token: Some(Secret::new("R".into())), ..token };
    assert_eq!(TokenAnswer::read(refreshed.body().expose().as_bytes()), Ok(refreshed));
    assert_eq!(TokenAnswer::read(b"{}").unwrap_err().to_string(), "token answer has no access_token");
    for is_locked in [true, false] {
        let refusal = TokenRefusal::of_password(is_locked);
        let read = TokenRefusal::read(&bytes(&refusal.json())).unwrap();
        assert_eq!((read.is_locked_out(), &read), (is_locked, &refusal));
    }
    assert!(TokenRefusal::read(b"<html>").is_err() && TokenRefusal::read(b"{}").is_err());
}

#[test]
fn what_servers_tell_without_a_token_is_read() {
    let uris = json!({
        "ProductVersion": "25.2.1234.1", "UnsecureManagementServer": "http://xp.example/",
        "SecureManagementServer": "https://xp.example/", "IdentityProvider": "https://xp.example/IDP",
        "ApiGateways": ["https://xp.example/API/"],
    });
    let read = GatewayUris::read(&bytes(&uris)).unwrap();
    assert_eq!((read.release().unwrap().to_string().as_str(), read.json()), ("2025 R2", uris));
    assert!(GatewayUris::read(b"{}").is_err());
    let openid = json!({"token_endpoint": "https://xp.example/IDP/connect/token", "server_version": "20.3.1"});
    let old = OpenIdConfiguration::read(&bytes(&openid)).unwrap();
    assert!(!old.has_access_tokens());
    let new = OpenIdConfiguration { server_version: "21.1".into(), ..old };
    assert!(new.has_access_tokens());
    assert_eq!(OpenIdConfiguration::read(&bytes(&new.json())), Ok(new));
}

#[test]
fn a_place_is_read_from_well_known_text() {
    for (text, expected) in [
        ("POINT (12.3773200400488 55.6580462362318)", "POINT (12.3773200400488 55.6580462362318)"),
        (" point( -1 2.5 30 ) ", "POINT (-1 2.5 30)"),
        ("POINT Z (1 2 3)", "POINT (1 2 3)"),
        ("POINT EMPTY", "POINT EMPTY"),
        ("POINT (181 0)", "POINT EMPTY"),
        ("POINT (0 90.5)", "POINT EMPTY"),
        ("POINT (NaN 1)", "POINT EMPTY"),
        ("POINT (1 2 inf)", "POINT EMPTY"),
        ("POINT (1)", "POINT EMPTY"),
        ("LINESTRING (1 2)", "POINT EMPTY"),
        ("", "POINT EMPTY"),
    ] {
        assert_eq!(GisPoint::write(GisPoint::read(text).as_ref()), expected, "{text}");
    }
}

#[test]
fn spans_are_written_with_days_and_read_as_dotnet_does() {
    let (s, us) = (Duration::from_secs, Duration::from_micros);
    for (span, text) in [
        (s(86_400), "1.00:00:00"),
        (s(0), "0.00:00:00"),
        (s(86_400 * 12 + 3661), "12.01:01:01"),
        (us(1_500_000), "0.00:00:01.5000000"),
    ] {
        assert_eq!(TimeSpan(span).to_string(), text);
        assert_eq!(TimeSpan::read(text), Some(TimeSpan(span)));
    }
    assert_eq!(TimeSpan::read("01:02:03.5"), Some(TimeSpan(us(3_723_500_000))));
    for text in
        ["24:00:00", "1:60:00", "1:00", "1:2:3:4", "-1:00:00", "", "1:00:00.12345678", "99999999999999999.00:00:00"]
    {
        assert_eq!(TimeSpan::read(text), None, "{text}");
    }
}

#[test]
fn queries_are_written_percent_encoded_and_read_back() {
    let query = Query::page(0, 500).with(QueryPart::Disabled).filter("lastModified", "gt", "2026-01-01");
    assert_eq!(query.to_string(), "page=0&size=500&disabled&lastModified=gt%3A%272026-01-01%27");
    let equal = Filter { property: "name".into(), operator: None, value: "a:'b".into() };
    let children = QueryPart::IncludeChildren(vec!["streams".into(), "ptzPresets".into()]);
    let other = Query::task("GetSequences").with(QueryPart::Filter(equal)).with(children).with(QueryPart::NoData);
    for query in [query, other, Query::default().with(QueryPart::Tasks).with(QueryPart::Language("ar".into()))] {
        assert_eq!(Query::read(&query.to_string()), Ok(query));
    }
    assert_eq!(Query::read("page=-1").unwrap_err().to_string(), "query has an unreadable page");
    assert_eq!(Query::read("name=x").unwrap_err().to_string(), "query has an unreadable filter");
    assert!(Query::read(&"tasks&".repeat(65)).is_err());
}

#[test]
fn tasks_and_their_results_are_read_as_documented() {
    let ask = GetSequences::around(SequenceKind::Recording, DAY, Duration::ZERO, Duration::from_secs(86_400), 1000);
    let expected = json!({
        "sequenceType": "RecordingSequence", "time": "2026-01-01T00:00:00.0000000Z", "timeBefore": "0.00:00:00",
        "timeAfter": "1.00:00:00", "maxCountBefore": 1000, "maxCountAfter": 1000,
    });
    assert_eq!((ask.json(), ask.sequence_kind()), (expected.clone(), Some(SequenceKind::Recording)));
    assert_eq!(GetSequences::of(&expected), Some(ask));
    let entry = json!({"timeBegin": "2026-01-01T00:00:00Z", "timeEnd": "2026-01-01T00:00:05Z", "timeTrigger": "?"});
    let body = json!({"result": {"state": "Success", "sequences": [entry, {"timeBegin": "x"}]}});
    let read: Sequences = result(&bytes(&body)).unwrap();
    assert_eq!(read.sequences.len(), 1);
    assert_eq!(read.sequences.first().map(|one| (one.trigger, one.end)), Some((DAY, DAY.plus_us(5_000_000))));
    assert_eq!(result::<Sequences>(&bytes(&write_result(&read))), Ok(read));
    for (state, expected) in [
        (json!({"state": "InProgress", "path": {"type": "tasks", "id": "33"}}), TaskState::InProgress),
        (json!({"state": "Idle"}), TaskState::Idle),
        (json!({"pan": 0.5}), TaskState::Success),
        (json!({"state": "Error", "errorCode": 61002, "path": "hardware/F29FEF78"}), TaskState::Failed),
    ] {
        assert_eq!(result::<TaskResult>(&bytes(&json!({ "result": state }))).unwrap().state(), expected);
    }
    let listed = json!({"tasks": [{"id": "JpegGetLive", "displayName": "Get a picture"}]});
    assert_eq!(tasks(&bytes(&listed)).unwrap().first().map(|task| task.id.as_str()), Some("JpegGetLive"));
    assert!(tasks(b"{}").is_err());
    let still = json!({"result": {"frameDateTime": "2026-01-01T00:00:00Z", "jpegDataAsBase64": "/9j/2Q=="}});
    assert_eq!(result::<Still>(&bytes(&still)).unwrap().picture, &[0xff, 0xd8, 0xff, 0xd9][..]);
}

#[test]
fn streams_and_settings_tell_ids_codecs_and_sizes() {
    let streams = json!({"data": {"displayName": "Streams", "stream": [{"name": "Video stream 1", "liveMode": "WhenNeeded",
        "streamReferenceId": "28DC44C3-079E-4C94-8EC9-60363451EB40", "liveDefault": true}]}});
    let streams: Streams = object(&bytes(&streams)).unwrap();
    let ids: Vec<_> = streams.streams.iter().filter_map(|stream| stream.reference_id.as_ref()?.guid()).collect();
    assert_eq!(ids.len(), 1);
    for (codec, expected) in [
        ("H.264 Main", Some(Codec::H264)),
        ("h265", Some(Codec::H265)),
        ("HEVC", Some(Codec::H265)),
        ("MJPEG", Some(Codec::Jpeg)),
        ("", None),
    ] {
        assert_eq!(codec_of_driver(codec), expected, "{codec}");
    }
    for (resolution, expected) in
        [("1920x1080", Some((1920, 1080))), (" 640 x 360", Some((640, 360))), ("0x1", None), ("4CIF", None)]
    {
        let settings = Settings::of(&json!({"stream": [{"resolution": resolution, "FPS": "25"}]})).unwrap();
        let stream = settings.streams.first().unwrap();
        assert_eq!((stream.size(), stream.fps), (expected, Some(25.0)), "{resolution}");
    }
}

#[test]
fn a_recorder_is_spoken_to_at_its_active_address() {
    for (given, expected) in [
        (json!({"activeWebServerUri": "https://b:7563/", "webServerUri": "https://a:7563/"}), Some("https://b:7563/")),
        (json!({"activeWebServerUri": "", "webServerUri": "https://a:7563/"}), Some("https://a:7563/")),
        (json!({"hostName": "a", "portNumber": "7000"}), Some("http://a:7000/")),
        (json!({"hostName": "a"}), Some("http://a:7563/")),
        (json!({}), None),
    ] {
        let mut with_id = given.clone();
        with_id["id"] = "1".into();
        assert_eq!(RecordingServer::of(&with_id).unwrap().address().as_deref(), expected, "{given}");
    }
}
