//! What clients say over HTTP and on the wall's channel.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
};

use domain::Secret;
use media::{
    Error, Hub,
    admission::TokenPolicy,
    config::{Base, BaseEntry, Bulk, Change, ConfigStore, Keys, REDACTED, Settings, Source},
    source,
    webrtc::{Credentials, wall},
};
use media_proto::hls::Directives;

/// Directives that are read are those that were said.
pub fn hls_directives(bytes: &[u8]) {
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = Directives::parse(query) else { return };
    assert!(read.part.is_none() || read.msn.is_some());
    let number = |name, value: Option<u64>| value.map(|value| format!("{name}={value}"));
    let skip = read.skip.then(|| "_HLS_skip=YES".to_owned());
    let said: Vec<_> =
        [number("_HLS_msn", read.msn), number("_HLS_part", read.part), skip].into_iter().flatten().collect();
    assert_eq!(Directives::parse(&said.join("&")), Ok(read));
}

/// Credentials of an ICE fragment are of the form that the standard gives them, and read the same again.
pub fn ice_fragment(bytes: &[u8]) {
    let Ok(fragment) = std::str::from_utf8(bytes) else { return };
    let Some(read) = Credentials::of_fragment(fragment) else { return };
    let is_ice =
        |text: &str| text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
    assert!(is_ice(&read.ufrag) && is_ice(&read.password));
    let again = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", read.ufrag, read.password);
    assert_eq!(Credentials::of_fragment(&again), Some(read));
}

/// A text of the wall's channel is read without harm, and holds no more messages than it has room for.
pub fn ctl(bytes: &[u8]) {
    assert!(wall::understood(bytes) <= bytes.len() / r#"{"t":"x"},"#.len() + 1);
}

/// A change of the configuration happens whole or not at all, no password is shown, and what is shown can be written
/// back without an effect. The same text is tried as a change of many paths, of the defaults and of the whole server.
pub fn control_json(bytes: &[u8]) {
    let bulk = serde_json::from_slice::<Bulk>(bytes).ok();
    let keys = serde_json::from_slice::<Keys>(bytes).ok();
    if bulk.is_none() && keys.is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime of one thread");
    runtime.block_on(async {
        let policy = TokenPolicy::new(Secret::new("secret".into()), true);
        let hub = Hub::new(Arc::new(policy), Arc::new(Nobody));
        let settings = Settings::open(Arc::new(Forgetful), base(), hub.clone()).await.expect("the base is right");
        if let Some(bulk) = bulk {
            let before = all(&settings);
            let done = settings.bulk(bulk).await;
            assert!(done.is_ok() || before == all(&settings), "{done:?}");
        }
        if let Some(keys) = keys {
            let before = (settings.get_global(), settings.get_defaults());
            let done = [settings.patch_global(keys.clone()).await, settings.patch_defaults(keys).await];
            let after = (settings.get_global(), settings.get_defaults());
            assert!(done[0].is_ok() || before.0 == after.0, "{done:?}");
            assert!(done[1].is_ok() || before.1 == after.1, "{done:?}");
        }
        written_back(&settings).await;
        hub.shutdown().await;
    });
}

async fn written_back(settings: &Settings) {
    let shown = all(settings);
    for mut keys in shown.clone() {
        assert!(hides_password(&keys), "{keys:?}");
        let name = keys.remove("name").and_then(|name| name.as_str().map(str::to_owned)).expect("an entry has a name");
        let done = settings.patch(&name, keys).await;
        assert!(done.is_ok(), "{name:?}: {done:?}");
    }
    assert_eq!(all(settings), shown);
}

fn all(settings: &Settings) -> Vec<Keys> {
    settings.list(0, usize::MAX).0
}

fn hides_password(keys: &Keys) -> bool {
    let source = keys.get("source").and_then(|source| source.as_str()).unwrap_or_default();
    let authority = source.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    password.is_none_or(|password| password == REDACTED)
}

fn base() -> Base {
    let keys = |text| serde_json::from_str(text).expect("it is an object");
    let entry = |name: &str, text| BaseEntry { name: name.into(), keys: keys(text), camera: None };
    Base {
        running: keys(r#"{"rtspAddress":":18554"}"#),
        entries: vec![entry("test", "{}"), entry("cam", r#"{"source":"rtsp://u:p@10.0.0.1/x","sourceOnDemand":true}"#)],
    }
}

/// There is no camera.
struct Nobody;

impl source::Connector for Nobody {
    fn connect(&self, _: &Source) -> Option<Box<dyn source::Source>> {
        None
    }
}

/// Keeps nothing.
struct Forgetful;

impl ConfigStore for Forgetful {
    fn load(&self) -> Pin<Box<dyn Future<Output = Result<Change, Error>> + Send + '_>> {
        Box::pin(ready(Ok(Change::default())))
    }

    fn append(&self, _: Change) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
        Box::pin(ready(Ok(())))
    }
}
