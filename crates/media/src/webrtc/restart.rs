//! ICE restart (RFC 8445 section 9, RFC 9725 section 4.3.2): new names and passwords, the same connection.
//!
//! The client sends no new offer, only its new credentials. They take the place of the old ones in the offer of the
//! session, and what the answer to that says of ICE goes back as a fragment (RFC 8840).

use str0m::{Rtc, change::SdpOffer};

use super::offer;
use crate::Error;

/// New ICE credentials of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its name (`ice-ufrag`).
    pub ufrag: String,
    /// Its password (`ice-pwd`).
    pub password: String,
}

impl Credentials {
    /// The credentials in an SDP fragment, where it has both in the form of RFC 8839 section 5.4.
    #[must_use]
    pub fn of_fragment(fragment: &str) -> Option<Self> {
        let value =
            |name| fragment.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let is_ice = |text: &str, least: usize| {
            (least..=256).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        let (ufrag, password) = (value("a=ice-ufrag:")?, value("a=ice-pwd:")?);
        (is_ice(&ufrag, 4) && is_ice(&password, 22)).then_some(Self { ufrag, password })
    }
}

/// A restarted session.
#[derive(Clone, Debug)]
pub struct Restarted {
    /// What the client has to know of the server's side: credentials and candidates.
    pub fragment: String,
    /// The entity tag of the new ICE session, without quotes.
    pub etag: String,
}

/// Restarts ICE of a connection that was made from `offer`. The server's new name and the fragment for the client.
pub(super) fn restart(rtc: &mut Rtc, offer: &str, client: &Credentials) -> Result<(String, String), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Malformed(format!("cannot restart ICE: {error}"));
    let offer = SdpOffer::from_sdp_string(&with_credentials(offer, client)).map_err(|error| failed(&error))?;
    let answer = rtc.sdp_api().accept_offer(offer).map_err(|error| failed(&error))?;
    let answer = answer.to_sdp_string();
    Ok((offer::ufrag(&answer), fragment(&answer)))
}

fn with_credentials(offer: &str, client: &Credentials) -> String {
    let mut text = String::with_capacity(offer.len());
    for line in offer.lines() {
        if line.starts_with("a=ice-ufrag:") {
            text.push_str(&format!("a=ice-ufrag:{}", client.ufrag));
        } else if line.starts_with("a=ice-pwd:") {
            text.push_str(&format!("a=ice-pwd:{}", client.password));
        } else if line.starts_with("a=candidate:") {
            continue;
        } else {
            text.push_str(line);
        }
        text.push_str("\r\n");
    }
    text
}

/// What an answer says of ICE. All sections are bundled, so the first one stands for all.
fn fragment(answer: &str) -> String {
    const SESSION: [&str; 3] = ["a=ice-lite", "a=ice-options:", "a=group:"];
    const SECTION: [&str; 6] = ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"];
    let first = |names: &[&str], line: &&str| names.iter().any(|name| line.starts_with(name));
    let end = answer.match_indices("\nm=").nth(1).map_or(answer.len(), |(at, _)| at + 1);
    let own = answer.get(..end).unwrap_or(answer);
    let session = answer.lines().filter(|line| first(&SESSION, line));
    let mut lines: Vec<&str> = Vec::new();
    for line in session.chain(own.lines().filter(|line| first(&SECTION, line))) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.into_iter().map(|line| format!("{line}\r\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fragment: &str, want: Option<(&str, &str)>) {
        let found = Credentials::of_fragment(fragment);
        let found = found.as_ref().map(|found| (found.ufrag.as_str(), found.password.as_str()));
        assert_eq!(found, want, "{fragment}");
    }

    #[test]
    fn credentials_are_read_from_a_fragment_or_refused() {
        let password = "abcdefghijklmnopqrstuv";
        check(&format!("a=ice-ufrag:new+\r\na=ice-pwd:{password}\r\n"), Some(("new+", password)));
        check("a=ice-ufrag:new+\r\n", None);
        check("a=ice-ufrag:new+\r\na=ice-pwd:short\r\n", None);
        check(&format!("a=ice-ufrag:a b c\r\na=ice-pwd:{password}\r\n"), None);
        check("", None);
    }

    #[test]
    fn a_fragment_tells_the_ice_side_of_the_first_section() {
        let answer = "v=0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\nm=video 9 X 1\r\na=mid:0\r\na=rtpmap:1 x\r\n\
            a=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1\r\nm=audio 9 X 2\r\na=mid:1\r\na=candidate:1\r\n";
        let want = "a=group:BUNDLE 0 1\r\na=ice-lite\r\nm=video 9 X 1\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
            a=candidate:1\r\n";
        assert_eq!(fragment(answer), want);
    }
}
