//! The secrets among the global keys: they read as [`REDACTED`], and writing that back keeps what is stored.

use serde_json::Value;

use super::overlay::{Keys, REDACTED, refused};
use crate::Error;

/// Keys whose whole value is secret.
const WHOLE: [&str; 1] = ["hlsCDNSecret"];
/// Keys with a URL that may hold a password.
const URLS: [&str; 2] = ["authHTTPAddress", "authJWTJWKS"];
/// The key with passwords of users.
const USERS: &str = "authInternalUsers";

/// Hides every secret.
pub(super) fn hide(keys: &mut Keys) {
    for key in WHOLE {
        if let Some(Value::String(text)) = keys.get_mut(key) {
            hide_text(text);
        }
    }
    for key in URLS {
        if let Some(Value::String(url)) = keys.get_mut(key)
            && let Some((before, _, after)) = password_of(url)
        {
            *url = format!("{before}{REDACTED}{after}");
        }
    }
    for user in keys.get_mut(USERS).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::String(pass)) = user.get_mut("pass") {
            hide_text(pass);
        }
    }
}

fn hide_text(text: &mut String) {
    if !text.is_empty() {
        REDACTED.clone_into(text);
    }
}

/// Puts what is stored where the caller wrote [`REDACTED`].
pub(super) fn restore(given: &mut Keys, stored: &Keys) -> Result<(), Error> {
    for key in WHOLE {
        if given.get(key).and_then(Value::as_str) == Some(REDACTED) {
            let kept = stored.get(key).filter(|kept| kept.as_str() != Some("")).cloned();
            given.insert(key.to_owned(), kept.ok_or_else(|| refused(key, "none is stored"))?);
        }
    }
    for key in URLS {
        if let Some(Value::String(url)) = given.get_mut(key) {
            restore_url(key, url, stored.get(key).and_then(Value::as_str).unwrap_or_default())?;
        }
    }
    let known = stored.get(USERS).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let users = given.get_mut(USERS).and_then(Value::as_array_mut);
    for (at, user) in users.into_iter().flatten().enumerate() {
        restore_user(at, user, known)?;
    }
    Ok(())
}

/// A password stays with its host and user.
fn restore_url(key: &str, url: &mut String, stored: &str) -> Result<(), Error> {
    let Some((before, REDACTED, after)) = password_of(url) else {
        return Ok(());
    };
    let host = |after: &str| after.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    let kept = password_of(stored).filter(|(known, _, rest)| *known == before && host(rest) == host(after));
    let (_, password, _) =
        kept.ok_or_else(|| refused(key, "give the password: none is stored for this user and host"))?;
    *url = format!("{before}{password}{after}");
    Ok(())
}

/// A password stays with the name of its user; of several entries with that name the one in the same place counts.
fn restore_user(at: usize, user: &mut Value, known: &[Value]) -> Result<(), Error> {
    if user.get("pass").and_then(Value::as_str) != Some(REDACTED) {
        return Ok(());
    }
    let name = user.get("user").cloned();
    let same = |entry: &&Value| entry.get("user") == name.as_ref();
    let kept = known.get(at).filter(same).or_else(|| known.iter().find(same)).and_then(|entry| entry.get("pass"));
    let kept = kept.filter(|pass| pass.as_str() != Some("")).cloned();
    let missing = || refused(USERS, &format!("entry {}: give the password: none is stored for this user", at + 1));
    let kept = kept.ok_or_else(missing)?;
    if let Some(pass) = user.get_mut("pass") {
        *pass = kept;
    }
    Ok(())
}

/// A URL as what comes before its password, the password, and what comes after.
fn password_of(url: &str) -> Option<(&str, &str, &str)> {
    let authority = url.find("://")? + 3;
    let rest = url.get(authority..)?;
    let userinfo = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?.rfind('@')?;
    let colon = rest.get(..userinfo)?.find(':')?;
    let (start, end) = (authority + colon + 1, authority + userinfo);
    Some((url.get(..start)?, url.get(start..end)?, url.get(end..)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(value: Value) -> Keys {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn secrets_read_as_redacted_and_writing_that_back_keeps_them() {
        let stored = keys(json!({
            "authInternalUsers": [
                {"user": "any", "pass": ""}, {"user": "a", "pass": "one"}, {"user": "a", "pass": "two"},
            ],
            "authHTTPAddress": "http://u:p@host/x", "authJWTJWKS": "https://host/jwks", "hlsCDNSecret": "cdn",
        }));
        let mut shown = stored.clone();
        hide(&mut shown);
        let want = json!({
            "authInternalUsers": [
                {"user": "any", "pass": ""}, {"user": "a", "pass": REDACTED}, {"user": "a", "pass": REDACTED},
            ],
            "authHTTPAddress": "http://u:<redacted>@host/x", "authJWTJWKS": "https://host/jwks", "hlsCDNSecret": REDACTED,
        });
        assert_eq!(Value::Object(shown.clone()), want);
        restore(&mut shown, &stored).unwrap();
        assert_eq!(shown, stored);
    }

    #[test]
    fn a_secret_does_not_go_to_another_user_or_host() {
        let stored = keys(json!({
            "authInternalUsers": [{"user": "a", "pass": "one"}, {"user": "b", "pass": "two"}],
            "authHTTPAddress": "http://u:p@host/x",
        }));
        let mut moved = keys(json!({"authInternalUsers": [{"user": "b", "pass": REDACTED}]}));
        restore(&mut moved, &stored).unwrap();
        assert_eq!(moved["authInternalUsers"][0]["pass"], "two");
        for refused in [
            json!({"authInternalUsers": [{"user": "c", "pass": REDACTED}]}),
            json!({"authHTTPAddress": "http://u:<redacted>@other/x"}),
            json!({"authHTTPAddress": "http://v:<redacted>@host/x"}),
            json!({"hlsCDNSecret": REDACTED}),
        ] {
            restore(&mut keys(refused.clone()), &stored).expect_err(&refused.to_string());
        }
    }
}
