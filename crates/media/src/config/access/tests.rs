use serde_json::json;

use super::*;

fn keys(changes: Value) -> Keys {
    let mut keys = super::super::keys::GLOBAL.defaults().clone();
    keys.extend(changes.as_object().unwrap().clone());
    keys
}

fn refusal(changes: Value) -> String {
    read(&keys(changes)).unwrap_err().to_string()
}

#[test]
fn users_are_read_with_passwords_networks_and_permissions() {
    let users = json!([{
        "user": "a", "pass": "sha256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", "ips": ["10.0.0.0/8", "::1"],
        "permissions": [{"action": "read", "path": "~^x/"}, {"action": "publish", "path": "y"}, {"action": "api"}],
    }]);
    let access = read(&keys(json!({"authInternalUsers": users}))).unwrap();
    let user = &access.users[0];
    assert!(matches!(user.password, Password::Sha256(_)));
    let may = |action, path| user.permissions.iter().any(|permission| permission.covers(action, path));
    assert!(may(Action::Read, "x/1") && !may(Action::Read, "y"));
    assert!(may(Action::Publish, "y") && !may(Action::Publish, "y/1") && !may(Action::Playback, "y"));
    assert!(may(Action::Api, "whatever") && !may(Action::Metrics, ""));
}

#[test]
fn a_network_holds_the_addresses_that_begin_alike() {
    let check = |network: &str, address: &str, want: bool| {
        let holds = Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert_eq!(holds, want, "{network} {address}");
    };
    check("10.0.0.0/8", "10.200.0.1", true);
    check("10.0.0.0/8", "11.0.0.1", false);
    check("127.0.0.1", "::ffff:127.0.0.1", true);
    check("127.0.0.1", "127.0.0.2", false);
    check("0.0.0.0/0", "1.2.3.4", true);
    check("0.0.0.0/0", "::1", false);
    check("::/0", "1.2.3.4", true);
    check("fd00::/8", "fd12::1", true);
    for text in ["", "10.0.0.0/33", "::/129", "x", "10.0.0.0/"] {
        assert_eq!(Network::parse(text), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_key_and_its_reason() {
    for (changes, want) in [
        (json!({"authMethod": "magic"}), "authMethod: must be internal, http or jwt"),
        (json!({"authMethod": "http"}), "authHTTPAddress: must be set when authMethod is http"),
        (json!({"authMethod": "jwt"}), "authJWTJWKS: must be set when authMethod is jwt"),
        (json!({"authHTTPAddress": "ftp://x"}), "authHTTPAddress: must be an http:// or https:// URL"),
        (json!({"authInternalUsers": [{"user": "any", "pass": "x"}]}), "has no password"),
        (json!({"authInternalUsers": [{"user": "a", "pass": "sha256:abc"}]}), "entry 1: a sha256: password"),
        (
            json!({"authInternalUsers": [{"user": "a", "pass": "argon2:$argon2id$v=19$m=9999999,t=3,p=1$c2FsdA$aGFzaA"}]}),
            "at most 262144 KiB",
        ),
        (json!({"authInternalUsers": [{"user": "a", "ips": ["10.0.0.0/40"]}]}), "is no address or network"),
        (json!({"authInternalUsers": [{"user": "a", "permissions": [{"action": "fly"}]}]}), "unknown variant `fly`"),
        (
            json!({"authInternalUsers": [{"user": "a", "permissions": [{"action": "read", "path": "~("}]}]}),
            "invalid regular expression",
        ),
        (json!({"authHTTPExclude": [{"action": "read", "path": "~("}]}), "authHTTPExclude: invalid regular"),
    ] {
        let reason = refusal(changes.clone());
        assert!(reason.contains(want), "{changes}: {reason}");
    }
}
