//! Authentication of RTSP: Basic (RFC 7617), Digest with MD5 and SHA-256 (RFC 2617, RFC 7616) and Bearer (RFC 6750).
//!
//! The client side answers the strongest challenge it knows. The server side writes challenges and reads what a client
//! shows; it compares in constant time. Nonces come from the caller: nothing here is random. Not there on purpose:
//! `auth-int`, and Digest with user names that are hashed.

mod challenge;
mod shown;
#[cfg(test)]
mod tests;

pub use challenge::{Challenge, strongest};
pub use shown::{DigestResponse, Shown, parse_authorization};

use md5::{Digest as _, Md5};
use sha2::Sha256;

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: domain::Secret,
}

/// The challenges of a server, one for each `WWW-Authenticate` line, in an order that old clients survive: those that
/// know only MD5 take the last Digest line they find, those that know neither take Basic.
#[must_use]
pub fn challenge(realm: &str, nonce: &str) -> Vec<String> {
    let realm = quoted(realm);
    let nonce = quoted(nonce);
    vec![
        format!("Digest realm={realm}, nonce={nonce}, algorithm=SHA-256"),
        format!("Digest realm={realm}, nonce={nonce}, algorithm=MD5"),
        format!("Basic realm={realm}"),
    ]
}

/// The hash of a Digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

/// The `algorithm` of a Digest, RFC 7616 section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Algorithm {
    hash: Hash,
    /// The password's hash covers the nonces (`-sess`).
    session: bool,
}

impl Algorithm {
    /// `None` for one that is not known. A Digest without one is MD5.
    fn parse(name: Option<&str>) -> Option<Self> {
        let name = name.unwrap_or("MD5").to_ascii_uppercase();
        let (hash, session) = name.strip_suffix("-SESS").map_or((name.as_str(), false), |hash| (hash, true));
        let hash = match hash {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            _ => return None,
        };
        Some(Self { hash, session })
    }

    fn hex(self, text: &str) -> String {
        match self.hash {
            Hash::Md5 => hex(&Md5::digest(text)),
            Hash::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// What goes into a Digest besides the password.
struct Parts<'a> {
    algorithm: Algorithm,
    realm: &'a str,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    /// Nonce count and client nonce, where `qop=auth` is used.
    counted: Option<(&'a str, &'a str)>,
}

impl Parts<'_> {
    /// The `response` of RFC 7616 section 3.4.1.
    fn response(&self, user: &str, password: &str) -> String {
        let Self { algorithm, realm, nonce, method, uri, counted } = self;
        let mut secret = algorithm.hex(&format!("{user}:{realm}:{password}"));
        if let (true, Some((_, cnonce))) = (algorithm.session, counted) {
            secret = algorithm.hex(&format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = algorithm.hex(&format!("{method}:{uri}"));
        algorithm.hex(&match counted {
            Some((count, cnonce)) => format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"),
            None => format!("{secret}:{nonce}:{request}"),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

/// A quoted string, RFC 9110 section 5.6.4. Control characters are left out: they would end the line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// One scheme of an authentication header with its parameters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scheme<'a> {
    name: &'a str,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

impl Scheme<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `Scheme a="b", c=d, Scheme2 …`, the form of challenges and of Digest credentials.
fn schemes(header: &str) -> Vec<Scheme<'_>> {
    let mut schemes: Vec<Scheme<'_>> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(['=', ' ', '\t', ',']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            return schemes;
        }
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = parameter_value(value.trim_start());
            if let Some(scheme) = schemes.last_mut() {
                scheme.parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = after;
        } else {
            schemes.push(Scheme { name: word, parameters: Vec::new() });
            rest = after;
        }
    }
}

/// A token or a quoted string, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, inside.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}
