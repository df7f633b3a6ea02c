use serde_json::json;

use super::*;
use crate::{
    admission::TokenPolicy,
    config::{MemoryStore, REDACTED, RtspTransport, Source},
    source,
};

struct Nobody;

impl source::Connector for Nobody {
    fn connect(&self, _: &Source) -> Option<Box<dyn source::Source>> {
        None
    }
}

/// A server whose store outlives its restarts.
#[derive(Default)]
struct World(Arc<MemoryStore>);

impl World {
    fn new() -> Self {
        Self::default()
    }

    async fn open(&self) -> (Settings, Hub) {
        let policy = TokenPolicy::new(domain::Secret::new("secret".into()), true);
        let hub = Hub::new(Arc::new(policy), Arc::new(Nobody));
        let base = Base { running: keys(json!({"rtspAddress": ":18554"})), entries: entries() };
        (Settings::open(self.0.clone(), base, hub.clone()).await.unwrap(), hub)
    }
}

fn entries() -> Vec<BaseEntry> {
    vec![
        entry("test", json!({})),
        entry("~^metro_.+$", json!({})),
        entry("cam", json!({"source": "rtsp://u:p@10.0.0.1/x", "sourceOnDemand": true})),
    ]
}

fn keys(value: Value) -> Keys {
    value.as_object().unwrap().clone()
}

fn entry(name: &str, value: Value) -> BaseEntry {
    BaseEntry { name: name.into(), keys: keys(value), camera: None }
}

fn names(settings: &Settings) -> Vec<String> {
    settings.list(0, usize::MAX).0.iter().map(|path| path["name"].as_str().unwrap().to_owned()).collect()
}

async fn refuses_path(value: Value, error: &str) {
    let world = World::new();
    let (settings, _) = world.open().await;
    let refused = settings.replace("new", keys(value.clone())).await.unwrap_err().to_string();
    assert!(refused.starts_with(error), "{value}: {refused}");
    assert!(settings.get("new").is_none());
}

#[tokio::test]
async fn a_key_without_effect_is_refused_by_its_name() {
    for (value, error) in [
        (json!({"colour": 1}), "colour: unknown key"),
        (json!({"record": true}), "record: it has no effect"),
        (json!({"runOnInit": "rm -rf /"}), "runOnInit: it has no effect"),
        (json!({"runOnReady": "x"}), "runOnAvailable: it has no effect"),
        (json!({"rpiCameraWidth": 100}), "rpiCameraWidth: unknown key"),
        (json!({"readUser": "x"}), "readUser: this old key"),
        (json!({"rtspTransport": "multicast"}), "rtspTransport: multicast is not available"),
        (json!({"rtspTransport": "quic"}), "rtspTransport: must be automatic, udp or tcp"),
        (json!({"rtspUDPSourcePortRange": [5001, 5002]}), "rtspUDPSourcePortRange: must be two port numbers"),
        (json!({"rtspUDPSourcePortRange": [0, 70000]}), "rtspUDPSourcePortRange: must be two port numbers"),
        (
            json!({"source": "rtmp://user:pass@host/x"}),
            "source: must be publisher, an rtsp:// URL or vms://{camera}/{main|sub}; rtmp://",
        ),
        (json!({"source": "rtsp://user:pa/ss@host/x"}), "source: the address cannot be read"),
        (json!({"source": "rtsp://host/$G1"}), "source: variables"),
        (json!({"source": 5}), "source: must be a text"),
        (json!({"sourceOnDemand": true}), "sourceOnDemand: it has no effect"),
        (json!({"maxReaders": -1}), "maxReaders: must be a whole number"),
        (json!({"sourceOnDemandCloseAfter": "10"}), "sourceOnDemandCloseAfter: must be a duration"),
        (json!({"name": "other"}), "name: must be"),
    ] {
        refuses_path(value, error).await;
    }
}

#[tokio::test]
async fn keys_at_their_defaults_are_accepted_in_any_spelling() {
    let world = World::new();
    let (settings, _) = world.open().await;
    let whole = settings.get("test").unwrap();
    settings.replace("test", whole.clone()).await.unwrap();
    assert_eq!(settings.get("test").unwrap(), whole);
    settings.replace("new", keys(json!({"recordSegmentDuration": "60m", "fallback": ""}))).await.unwrap();
}

#[tokio::test]
async fn addresses_are_read_and_not_written() {
    let world = World::new();
    let (settings, _) = world.open().await;
    assert_eq!(settings.get_global()["rtspAddress"], ":18554");
    settings.patch_global(keys(json!({"rtspAddress": ":18554", "rtspDisable": false}))).await.unwrap();
    for (value, key) in [(json!({"rtspAddress": ":8554"}), "rtspAddress"), (json!({"hlsDisable": true}), "hls")] {
        let refused = settings.patch_global(keys(value)).await.unwrap_err().to_string();
        assert_eq!(refused, format!("{key}: it is set in the server's configuration file"));
    }
}

#[tokio::test]
async fn what_is_set_lies_over_the_defaults() {
    let world = World::new();
    let (settings, _) = world.open().await;
    settings.patch_defaults(keys(json!({"maxReaders": 5, "disablePublisherOverride": true}))).await.unwrap();
    settings.add("a/b", keys(json!({"maxReaders": 2}))).await.unwrap();
    let shown = |name: &str| settings.get(name).unwrap();
    assert_eq!((&shown("a/b")["maxReaders"], &shown("test")["maxReaders"]), (&json!(2), &json!(5)));
    assert_eq!(shown("test")["overridePublisher"], false);
    assert_eq!(settings.global().hls_segment_count, 7);
    settings.patch_global(keys(json!({"webrtcHandshakeTimeout": "10s"}))).await.unwrap();
}

#[tokio::test]
async fn hls_keys_are_followed_and_those_without_effect_are_refused_by_name() {
    let world = World::new();
    let (settings, _) = world.open().await;
    let mut followed = settings.watch_global();
    settings.patch_global(keys(json!({"hlsSegmentCount": 10, "hlsMuxerCloseAfter": "1m"}))).await.unwrap();
    assert!(followed.has_changed().unwrap());
    assert_eq!(followed.borrow_and_update().hls_segment_count, 10);
    assert_eq!(settings.get_global()["hlsSegmentCount"], 10);
    for (value, key) in [
        (json!({"hlsSegmentCount": 1}), "hlsSegmentCount"),
        (json!({"hlsPartDuration": "2s"}), "hlsPartDuration"),
        (json!({"hlsDirectory": "/tmp"}), "hlsDirectory"),
        (json!({"hlsVariant": "mpegts"}), "hlsVariant"),
        (json!({"hlsAddress": ":1"}), "hlsAddress"),
    ] {
        let refused = settings.patch_global(keys(value)).await.unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{key}: ")), "{refused}");
    }
    assert!(!followed.has_changed().unwrap());
}

#[tokio::test]
async fn a_password_reads_as_redacted_and_writing_that_back_keeps_it() {
    let world = World::new();
    let (settings, _) = world.open().await;
    let source = || settings.get("cam").unwrap()["source"].as_str().unwrap().to_owned();
    let password = || match settings.state().paths.find(&PathName::new("cam").unwrap()).unwrap().1.source.clone() {
        Source::Rtsp(source) => source.credentials.unwrap().1.expose().to_owned(),
        Source::Publisher | Source::Vms(_) => String::new(),
    };
    assert_eq!(source(), format!("rtsp://u:{REDACTED}@10.0.0.1/x"));
    settings.patch("cam", keys(json!({"source": format!("rtsp://u:{REDACTED}@10.0.0.1/y")}))).await.unwrap();
    assert_eq!((source(), password()), (format!("rtsp://u:{REDACTED}@10.0.0.1/y"), "p".to_owned()));
    let whole = settings.get("cam").unwrap();
    settings.replace("cam", whole).await.unwrap();
    assert_eq!(password(), "p");
    settings.patch("cam", keys(json!({"source": "rtsp://u:a%40b@10.0.0.1/y"}))).await.unwrap();
    assert_eq!(password(), "a@b");
    let elsewhere = json!({"source": format!("rtsp://u:{REDACTED}@evil/y")});
    assert!(settings.patch("cam", keys(elsewhere)).await.is_err(), "a stored password does not follow to a new host");
}

#[tokio::test]
async fn names_are_paths_patterns_or_all_others() {
    let world = World::new();
    let (settings, _) = world.open().await;
    for name in ["a//b", "", "~", "~(", "é", "a b", "../x"] {
        assert!(settings.add(name, Keys::new()).await.is_err(), "{name:?}");
    }
    settings.add("all", Keys::new()).await.unwrap();
    assert_eq!(settings.add("all_others", Keys::new()).await.unwrap_err().to_string(), "path already exists");
    assert_eq!(settings.get("all").unwrap()["name"], "all_others");
    settings.add("~^x", keys(json!({"source": "rtsp://h/", "sourceOnDemand": true}))).await.unwrap();
    assert!(settings.add("~^y", keys(json!({"source": "rtsp://h/"}))).await.is_err());
    assert_eq!(names(&settings), ["all_others", "cam", "test", "~^metro_.+$", "~^x"]);
    let gone = settings.delete("nowhere").await.unwrap_err().to_string();
    assert_eq!(gone, "path configuration not found");
}

#[tokio::test]
async fn changes_survive_a_restart_and_unchanged_paths_keep_running() {
    let world = World::new();
    {
        let (settings, hub) = world.open().await;
        settings.add("kept", keys(json!({"maxReaders": 3}))).await.unwrap();
        settings.add("gone", Keys::new()).await.unwrap();
        let reader =
            hub.attach(&PathName::new("kept").unwrap(), permit(), crate::hub::ReaderKind::Hidden, session()).unwrap();
        settings.delete("gone").await.unwrap();
        settings.delete("test").await.unwrap();
        settings.patch("cam", keys(json!({"maxReaders": 9}))).await.unwrap();
        settings.patch_defaults(keys(json!({"maxReaders": 4}))).await.unwrap();
        let kept = hub.path_snapshot(reader.path()).unwrap();
        assert_eq!(kept.readers.len(), 1, "a change elsewhere leaves a path and its readers alone");
    }
    let (settings, hub) = world.open().await;
    assert_eq!(names(&settings), ["cam", "kept", "~^metro_.+$"]);
    assert_eq!(settings.get("kept").unwrap()["maxReaders"], 3);
    assert_eq!(settings.get("cam").unwrap()["maxReaders"], 9);
    assert_eq!(settings.get("~^metro_.+$").unwrap()["maxReaders"], 4);
    let running: Vec<_> = hub.paths().iter().map(|path| path.name.to_string()).collect();
    assert_eq!(running, ["cam", "kept"]);
}

#[tokio::test]
async fn other_entries_of_the_server_leave_alone_what_did_not_change() {
    let world = World::new();
    let (settings, hub) = world.open().await;
    settings.patch("cam", keys(json!({"maxReaders": 9}))).await.unwrap();
    settings.add("own", Keys::new()).await.unwrap();
    let cam = PathName::new("cam").unwrap();
    let reader = hub.attach(&cam, permit(), crate::hub::ReaderKind::Hidden, session()).unwrap();
    let id = CameraId::from_uuid(uuid::Uuid::from_u128(7));
    let source = format!("vms://{id}/sub");
    let more = entry("metro_1", json!({"source": source, "sourceOnDemand": true}));
    settings.rebase(entries().into_iter().filter(|entry| entry.name != "test").chain([more]).collect()).await.unwrap();
    assert_eq!(names(&settings), ["cam", "metro_1", "own", "~^metro_.+$"]);
    assert_eq!(settings.get("metro_1").unwrap()["source"], source);
    assert_eq!(settings.get("cam").unwrap()["maxReaders"], 9);
    assert_eq!(hub.path_snapshot(reader.path()).unwrap().readers.len(), 1);
    let wrong = entry("metro_2", json!({"source": format!("vms://{id}/third"), "sourceOnDemand": true}));
    assert!(settings.rebase(vec![wrong]).await.is_err());
    assert_eq!(names(&settings), ["cam", "metro_1", "own", "~^metro_.+$"], "what is refused changes nothing");
}

fn permit() -> crate::admission::Permit {
    crate::admission::Permit::new("test".into(), ())
}

fn session() -> domain::SessionId {
    domain::SessionId::from_uuid(uuid::Uuid::new_v4())
}

#[tokio::test]
async fn several_changes_happen_all_or_none() {
    let world = World::new();
    let (settings, _) = world.open().await;
    let bulk = |value: Value| serde_json::from_value::<Bulk>(value).unwrap();
    let wrong = json!({"delete": ["test"], "add": {"a": {}}, "patch": {"nowhere": {"maxReaders": 1}}});
    assert!(settings.bulk(bulk(wrong)).await.is_err());
    assert_eq!(names(&settings), ["cam", "test", "~^metro_.+$"]);
    let right = json!({"delete": ["test"], "add": {"a": {}}, "patch": {"a": {"maxReaders": 1}}});
    settings.bulk(bulk(right)).await.unwrap();
    assert_eq!(names(&settings), ["a", "cam", "~^metro_.+$"]);
    assert_eq!(settings.get("a").unwrap()["maxReaders"], 1);
}

/// A random sequence of changes and restarts ends as a plain map says.
#[tokio::test]
async fn any_sequence_of_changes_and_restarts_equals_a_model() {
    let seed: u64 = std::process::id().into();
    println!("seed {seed}");
    let mut random = seed.wrapping_mul(6_364_136_223_846_793_005) | 1;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let world = World::new();
    let (mut settings, mut hub) = world.open().await;
    let mut model: BTreeMap<String, u64> = BTreeMap::from([("test".into(), 0)]);
    for _ in 0..400 {
        let name = ["test", "a", "b", "c/d"][next(4) as usize];
        let readers = next(10);
        let body = keys(json!({"maxReaders": readers}));
        let (known, done) = (model.contains_key(name), next(5));
        let result = match done {
            0 => settings.add(name, body).await,
            1 => settings.patch(name, body).await,
            2 => settings.replace(name, body).await,
            3 => settings.delete(name).await,
            _ => {
                drop(settings);
                (settings, hub) = world.open().await;
                Ok(())
            }
        };
        let works = match done {
            0 => !known,
            1 | 3 => known,
            _ => true,
        };
        assert_eq!(result.is_ok(), works, "{done} {name}");
        match done {
            0..=2 if works => drop(model.insert(name.into(), readers)),
            3 => drop(model.remove(name)),
            _ => {}
        }
        let now: BTreeMap<String, u64> = settings
            .list(0, 100)
            .0
            .iter()
            .filter(|path| !path["name"].as_str().unwrap().contains(['~', 'm']))
            .map(|path| (path["name"].as_str().unwrap().to_owned(), path["maxReaders"].as_u64().unwrap()))
            .collect();
        assert_eq!(now, model);
        let running: Vec<_> = hub.paths().iter().map(|path| path.name.to_string()).filter(|n| n != "cam").collect();
        assert_eq!(running, model.keys().cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn how_a_camera_is_pulled_is_read() {
    let world = World::new();
    let (settings, _) = world.open().await;
    let options = json!({
        "source": "rtsp://10.0.0.1/x", "sourceProtocol": "udp", "rtspAnyPort": true,
        "rtspUDPSourcePortRange": [40000, 40101],
    });
    settings.replace("udp", keys(options)).await.unwrap();
    let path = settings.state().paths.find(&PathName::new("udp").unwrap()).unwrap().1;
    let Source::Rtsp(source) = &path.source else { panic!("{path:?}") };
    assert_eq!((source.transport, source.any_port), (RtspTransport::Udp, true));
    assert_eq!(source.udp_ports, 40_000..=40_101);
}
