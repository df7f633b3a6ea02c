//! The client's side.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Algorithm, Credentials, Hash, Parts, Scheme, quoted, schemes};

/// What a server wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Basic,
    Digest(Digest),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// The algorithm as the server spells it, where it names one.
    named: Option<String>,
    /// `qop=auth` is offered.
    counted: bool,
    stale: bool,
    /// Requests answered with this nonce.
    uses: u32,
}

/// The strongest challenge of a `WWW-Authenticate` header: Digest with SHA-256, with MD5, Basic. `None` when none of
/// them is offered.
#[must_use]
pub fn strongest(header: &str) -> Option<Challenge> {
    schemes(header).iter().filter_map(read).max_by_key(|kind| kind.strength()).map(Challenge)
}

fn read(scheme: &Scheme<'_>) -> Option<Kind> {
    if scheme.name.eq_ignore_ascii_case("basic") {
        return Some(Kind::Basic);
    }
    if !scheme.name.eq_ignore_ascii_case("digest") {
        return None;
    }
    let named = scheme.get("algorithm");
    let algorithm = Algorithm::parse(named)?;
    let offered = scheme.get("qop").filter(|qop| !qop.trim().is_empty());
    let counted = offered.is_some_and(|qop| qop.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth")));
    // Only `auth-int` is offered, or the password's hash needs a client nonce that nothing carries.
    if (offered.is_some() || algorithm.session) && !counted {
        return None;
    }
    Some(Kind::Digest(Digest {
        realm: scheme.get("realm").unwrap_or_default().to_owned(),
        nonce: scheme.get("nonce")?.to_owned(),
        opaque: scheme.get("opaque").map(str::to_owned),
        algorithm,
        named: named.map(str::to_owned),
        counted,
        stale: scheme.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        uses: 0,
    }))
}

impl Kind {
    fn strength(&self) -> u8 {
        match self {
            Self::Basic => 0,
            Self::Digest(digest) => match digest.algorithm.hash {
                Hash::Md5 => 1,
                Hash::Sha256 => 2,
            },
        }
    }
}

impl Challenge {
    /// The nonce has only grown old: the password may still be right.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match &self.0 {
            Kind::Basic => false,
            Kind::Digest(digest) => digest.stale,
        }
    }

    /// The nonce of a Digest.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        match &self.0 {
            Kind::Basic => None,
            Kind::Digest(digest) => Some(&digest.nonce),
        }
    }

    /// The value of the `Authorization` header of one request. `cnonce` is a text nobody can foresee.
    #[must_use]
    pub fn authorize(&mut self, credentials: &Credentials, method: &str, uri: &str, cnonce: &str) -> String {
        let Credentials { user, password } = credentials;
        match &mut self.0 {
            Kind::Basic => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.expose())))
            }
            Kind::Digest(digest) => digest.authorize(user, password.expose(), (method, uri), cnonce),
        }
    }
}

impl Digest {
    fn authorize(&mut self, user: &str, password: &str, (method, uri): (&str, &str), cnonce: &str) -> String {
        self.uses = self.uses.wrapping_add(1);
        let count = format!("{:08x}", self.uses);
        let counted = self.counted.then_some((count.as_str(), cnonce));
        let Self { algorithm, realm, nonce, .. } = &*self;
        let response = Parts { algorithm: *algorithm, realm, nonce, method, uri, counted }.response(user, password);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
        );
        if let Some(named) = &self.named {
            value += &format!(", algorithm={}", named.replace(|c: char| !c.is_ascii_graphic() || c == ',', ""));
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quoted(opaque));
        }
        if let Some((count, cnonce)) = counted {
            value += &format!(", qop=auth, nc={count}, cnonce={}", quoted(cnonce));
        }
        value
    }
}
