//! What WebRTC peers send before there is a connection: offers, new ICE credentials, first packets.

use media::webrtc::{Credentials, Role, Trial};

use super::records;

/// An offer of Chromium to view.
const OFFER: &str = include_str!("../corpus/whep_offer/chromium");

/// An offer to view is answered section by section, or refused.
pub fn whep_offer(bytes: &[u8]) {
    answered(bytes, Role::Read);
}

/// An offer to publish is answered section by section, or refused; the server never offers to send.
pub fn whip_offer(bytes: &[u8]) {
    if let Some(answer) = answered(bytes, Role::Publish) {
        assert!(!answer.contains("a=sendrecv"), "{answer}");
    }
}

fn answered(bytes: &[u8], role: Role) -> Option<String> {
    let offer = std::str::from_utf8(bytes).ok()?;
    let trial = Trial::new(offer, role).ok()?;
    let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
    let answer = trial.answer();
    assert_eq!(sections(answer), sections(offer), "{answer}");
    assert!(answer.starts_with("v=0\r\n") && answer.contains("a=fingerprint:sha-256 "), "{answer}");
    assert!(answer.split("\r\n").all(|line| !line.contains(['\r', '\n'])), "{answer:?}");
    Some(answer.to_owned())
}

/// A fragment with new ICE credentials restarts a session under a new name, or leaves it as it is, again and again.
pub fn ice_restart(bytes: &[u8]) {
    let mut trial = Trial::new(OFFER, Role::Read).expect("the offer can be answered");
    let mut names = Vec::new();
    for fragment in records::all(bytes).iter().take(4).filter_map(|fragment| std::str::from_utf8(fragment).ok()) {
        let Some(client) = Credentials::of_fragment(fragment) else { continue };
        let Ok((name, answer)) = trial.restart(&client) else { continue };
        assert!(answer.contains(&format!("a=ice-ufrag:{name}\r\n")) && !names.contains(&name), "{answer}");
        assert!(!answer.contains("a=fingerprint"), "{answer}");
        names.push(name);
    }
}

/// Datagrams from anywhere do no harm to a session that has no connection yet, and none that has not its name is taken.
pub fn first_packets(bytes: &[u8]) {
    let mut trial = Trial::new(OFFER, Role::Read).expect("the offer can be answered");
    let own = trial.answer().lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default().to_owned();
    for datagram in records::all(bytes) {
        let (name, taken) = trial.receive(datagram);
        assert!(!taken || name == Some(&own), "taken: {datagram:?}");
        assert!(name.is_none_or(|name| name.len() <= datagram.len() && !name.contains(':')));
    }
}
