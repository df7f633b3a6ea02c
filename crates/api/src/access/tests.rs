use std::{net::SocketAddr, sync::Arc, time::Instant};

use domain::Secret;
use media::{
    Hub,
    admission::About,
    config::{Base, Keys as Settled, MemoryStore, REDACTED, Settings},
};
use serde_json::{Value, json};

use super::*;
use crate::control::tests::Nobody;

mod faces;
mod servers;
mod streams;

/// `password`, as the reference implementation hashes it.
const ARGON2: &str = "argon2:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// `password`.
const SHA256: &str = "sha256:XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=";

/// A policy that follows a configuration.
pub(super) struct World {
    pub(super) policy: Arc<Policy>,
    pub(super) settings: Settings,
    pub(super) hub: Hub,
}

impl World {
    pub(super) async fn new(global: Value) -> Self {
        let operator = TokenPolicy::new(Secret::new("the operator".into()), true);
        let policy = Arc::new(Policy::new(Arc::new(operator)));
        let hub = Hub::new(policy.clone(), Arc::new(Nobody));
        let store = Arc::new(MemoryStore::default());
        let entry = media::config::BaseEntry { name: "all_others".into(), keys: Settled::new(), camera: None };
        let base = Base { entries: vec![entry], ..Base::default() };
        let settings = Settings::open(store, base, hub.clone()).await.unwrap();
        policy.follow(settings.watch_global());
        let world = Self { policy, settings, hub };
        world.set(global).await;
        world
    }

    pub(super) async fn set(&self, global: Value) {
        self.settings.patch_global(global.as_object().unwrap().clone()).await.unwrap();
    }

    /// What is decided, without the delay of a wrong guess.
    pub(super) async fn decide(&self, address: &str, shown: &Credentials, action: Action, path: &str) -> String {
        let forwarded = address.starts_with("proxied ");
        let address = SocketAddr::new(address.trim_start_matches("proxied ").parse().unwrap(), 1);
        let caller = Caller { address, forwarded, credentials: shown.clone(), about: About::default() };
        match self.policy.decide(&caller, action, path).await {
            Ok(user) => format!("ok {user}"),
            Err(error) => error.to_string(),
        }
    }
}

pub(super) fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.into(), password: Secret::new(password.into()) }
}

pub(super) fn bearer(token: &str) -> Credentials {
    Credentials::Token(Secret::new(token.into()))
}

const WHO: &str = "authentication is required";
const NO: &str = "access is denied";

#[tokio::test]
async fn users_are_known_by_any_form_of_password_and_may_do_what_stands_there() {
    let read = json!([{"action": "read", "path": "~^hall/"}, {"action": "publish", "path": "gate"}]);
    let world = World::new(json!({"authInternalUsers": [
        {"user": "plain", "pass": "password", "permissions": read},
        {"user": "sha", "pass": SHA256, "permissions": read},
        {"user": "argon", "pass": ARGON2, "permissions": read},
        {"user": "open", "permissions": [{"action": "api"}]},
        {"user": "near", "pass": "x", "ips": ["10.0.0.0/8"], "permissions": [{"action": "metrics"}]},
    ]}))
    .await;
    let check = async |shown: Credentials, address: &str, action, path: &str, want: &str| {
        assert_eq!(world.decide(address, &shown, action, path).await, want, "{shown:?} {address} {action:?} {path}");
    };
    let far = "192.0.2.1";
    for user in ["plain", "sha", "argon", "argon"] {
        check(password(user, "password"), far, Action::Read, "hall/1", &format!("ok {user}")).await;
        check(password(user, "password"), far, Action::Publish, "gate", &format!("ok {user}")).await;
        check(bearer(&format!("{user}:password")), far, Action::Read, "hall/1", &format!("ok {user}")).await;
        check(password(user, "password"), far, Action::Read, "gate", NO).await;
        check(password(user, "password"), far, Action::Publish, "gate/2", NO).await;
        check(password(user, "password"), far, Action::Playback, "hall/1", NO).await;
        check(password(user, "wrong"), far, Action::Read, "hall/1", WHO).await;
        check(password(user, ""), far, Action::Read, "hall/1", WHO).await;
    }
    check(password("nobody", "password"), far, Action::Read, "hall/1", WHO).await;
    check(password("open", "whatever"), far, Action::Api, "", "ok open").await;
    check(Credentials::None, "127.0.0.1", Action::Api, "", WHO).await;
    check(password("near", "x"), "10.1.2.3", Action::Metrics, "", "ok near").await;
    check(password("near", "x"), "proxied 10.1.2.3", Action::Metrics, "", WHO).await;
    check(password("near", "x"), far, Action::Metrics, "", WHO).await;
    check(bearer("the operator"), "proxied 192.0.2.1", Action::Api, "", "ok operator").await;
    check(password("x", "the operator"), far, Action::Publish, "any", "ok operator").await;
}

#[tokio::test]
async fn loopback_is_trusted_as_long_as_the_users_say_so_and_nothing_wrong_is_shown() {
    let all = json!([{"action": "read"}, {"action": "api"}]);
    let any = json!({"user": "any", "ips": ["127.0.0.1", "::1"], "permissions": all});
    let reader = json!({"user": "a", "pass": "b", "permissions": [{"action": "publish"}]});
    let world = World::new(json!({"authInternalUsers": [any, reader]})).await;
    let check = async |address: &str, shown: Credentials, want: &str| {
        assert_eq!(world.decide(address, &shown, Action::Read, "x").await, want, "{address} {shown:?}");
    };
    check("127.0.0.1", Credentials::None, "ok ").await;
    check("::ffff:127.0.0.1", Credentials::None, "ok ").await;
    check("::1", Credentials::None, "ok ").await;
    check("proxied 127.0.0.1", Credentials::None, WHO).await;
    check("192.0.2.1", Credentials::None, WHO).await;
    check("127.0.0.1", bearer("wrong"), WHO).await;
    check("127.0.0.1", password("a", "wrong"), WHO).await;
    // Whoever is known may do as much as who is not.
    check("127.0.0.1", password("a", "b"), "ok a").await;
    world.set(json!({"authInternalUsers": []})).await;
    check("127.0.0.1", Credentials::None, WHO).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_guess_is_answered_late_and_nothing_shown_at_once() {
    let world = World::new(json!({})).await;
    let ask = async |credentials| {
        let (address, about) = ("192.0.2.1:1".parse().unwrap(), About::default());
        let started = tokio::time::Instant::now();
        let caller = Caller { address, forwarded: false, credentials, about };
        world.policy.allow(&caller, Action::Read, "x").await.unwrap_err();
        started.elapsed()
    };
    assert!(ask(Credentials::None).await < Duration::from_millis(5));
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(ask(bearer("wrong")).await);
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(GUESS_DELAY_MAX_MS)), "{waits:?}");
    assert!(waits.iter().max() > waits.iter().min(), "{waits:?}");
}

#[tokio::test]
async fn digests_are_offered_only_where_every_password_is_known_in_clear() {
    let world = World::new(json!({})).await;
    let check = async |changes: Value, want: bool| {
        world.set(changes.clone()).await;
        assert_eq!(world.policy.takes_digests(), want, "{changes}");
    };
    check(json!({"authInternalUsers": [{"user": "a", "pass": "b"}, {"user": "any"}]}), true).await;
    check(json!({"authInternalUsers": [{"user": "a", "pass": "b"}, {"user": "c", "pass": SHA256}]}), false).await;
    check(json!({"authInternalUsers": [], "authMethod": "http", "authHTTPAddress": "http://127.0.0.1:1"}), false).await;
}

#[tokio::test]
async fn passwords_are_never_shown_and_the_old_name_of_the_callback_chooses_its_method() {
    let world = World::new(json!({"authInternalUsers": [{"user": "a", "pass": "b", "permissions": []}]})).await;
    let shown = world.settings.get_global();
    assert_eq!(shown["authInternalUsers"][0]["pass"], REDACTED);
    world
        .set(json!({"authInternalUsers": [{"user": "a", "pass": REDACTED, "permissions": [{"action": "api"}]}]}))
        .await;
    assert_eq!(world.decide("192.0.2.1", &password("a", "b"), Action::Api, "").await, "ok a");
    world.set(json!({"externalAuthenticationURL": "http://u:p@127.0.0.1:1/auth"})).await;
    let shown = world.settings.get_global();
    assert_eq!(
        (shown["authMethod"].as_str(), shown["authHTTPAddress"].as_str()),
        (Some("http"), Some("http://u:<redacted>@127.0.0.1:1/auth"))
    );
}
