//! Who is let in, as the keys `auth*` say: parsed here, decided where requests arrive.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::Secret;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::overlay::{Keys, refused};
use crate::Error;

/// The most users of the configuration.
const USERS_MAX: usize = 1_000;
/// The most permissions of one user, and the most exclusions.
const PERMISSIONS_MAX: usize = 1_000;
/// The most memory a compiled path expression may take.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;
/// The most memory that checking one password may take, in KiB.
const ARGON2_KIB_MAX: u32 = 256 << 10;
/// The most passes over that memory.
const ARGON2_PASSES_MAX: u32 = 16;
/// The user that stands for everyone.
const ANYONE: &str = "any";

/// How callers are recognised and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who decides.
    pub method: Method,
    /// The users of the method `internal`.
    pub users: Vec<User>,
    /// The server that is asked by the method `http`; empty when none is named.
    pub http_address: Secret,
    /// The SHA-256 of that server's certificate, which is then trusted alone.
    pub http_fingerprint: Option<[u8; 32]>,
    /// What needs no question to it.
    pub http_exclude: Vec<Permission>,
    /// Where the keys of the method `jwt` are; empty when no place is named.
    pub jwks_address: Secret,
    /// The SHA-256 of that server's certificate, which is then trusted alone.
    pub jwks_fingerprint: Option<[u8; 32]>,
    /// The claim that holds the permissions.
    pub jwt_claim_key: String,
    /// What needs no token.
    pub jwt_exclude: Vec<Permission>,
    /// The issuer that a token must name; empty = any.
    pub jwt_issuer: String,
    /// The audience that a token must name; empty = any.
    pub jwt_audience: String,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The users of the configuration.
    Internal,
    /// An HTTP server.
    Http,
    /// Tokens signed by a known key.
    Jwt,
}

/// A user of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name; `None` stands for everyone, with or without credentials.
    pub name: Option<String>,
    /// The password.
    pub password: Password,
    /// Where the user may come from; empty = anywhere.
    pub networks: Vec<Network>,
    /// What the user may do.
    pub permissions: Vec<Permission>,
}

/// A password as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// Any password is right.
    Any,
    /// In clear.
    Plain(Secret),
    /// The SHA-256 of it.
    Sha256([u8; 32]),
    /// An Argon2 hash in the PHC form.
    Argon2(Secret),
}

/// Something that somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What.
    pub action: Action,
    /// On which paths; without meaning for actions that concern no path.
    pub path: PathPattern,
}

/// What can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Feed a path.
    Publish,
    /// Watch a path.
    Read,
    /// Watch what was recorded of a path.
    Playback,
    /// Use the control API.
    Api,
    /// Read metrics.
    Metrics,
    /// Read profiles of the program.
    Pprof,
}

impl Action {
    /// Its name in the configuration and in questions to other servers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Playback => "playback",
            Self::Api => "api",
            Self::Metrics => "metrics",
            Self::Pprof => "pprof",
        }
    }

    fn concerns_a_path(self) -> bool {
        match self {
            Self::Publish | Self::Read | Self::Playback => true,
            Self::Api | Self::Metrics | Self::Pprof => false,
        }
    }
}

impl Permission {
    /// Whether this allows the action on the path.
    #[must_use]
    pub fn covers(&self, action: Action, path: &str) -> bool {
        self.action == action && (!action.concerns_a_path() || self.path.covers(path))
    }

    /// Reads a list of permissions as they stand in a configuration or a token: `[{"action":…,"path":…}]`.
    ///
    /// # Errors
    /// What is wrong with which entry.
    pub fn list(value: &Value) -> Result<Vec<Self>, String> {
        let given: Vec<GivenPermission> = typed(value)?;
        if given.len() > PERMISSIONS_MAX {
            return Err(format!("more than {PERMISSIONS_MAX} permissions"));
        }
        given.iter().map(GivenPermission::read).collect()
    }
}

/// Which paths are meant.
#[derive(Clone)]
pub enum PathPattern {
    /// All of them.
    All,
    /// One.
    Exact(String),
    /// Those that an expression finds.
    Expression(Regex),
}

impl PathPattern {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(expression) = text.strip_prefix('~') else {
            return Ok(if text.is_empty() { Self::All } else { Self::Exact(text.to_owned()) });
        };
        let compiled = RegexBuilder::new(expression).size_limit(EXPRESSION_BYTES_MAX).build();
        compiled.map(Self::Expression).map_err(|_| format!("invalid regular expression: {expression}"))
    }

    fn covers(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Exact(name) => name == path,
            Self::Expression(expression) => expression.is_match(path),
        }
    }

    fn text(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("", ""),
            Self::Exact(name) => ("", name),
            Self::Expression(expression) => ("~", expression.as_str()),
        }
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, text) = self.text();
        write!(f, "{mark}{text}")
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for PathPattern {}

/// Addresses that begin alike: `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse::<u32>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let (width, offset) = if matches!(address, IpAddr::V4(_)) { (32, 96) } else { (128, 0) };
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then(|| Self { address: bits(address), prefix: prefix + offset })
    }

    /// Whether the address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
        bits(address) & mask == self.address & mask
    }
}

/// All addresses as IPv6; an IPv4 address and its mapped form are the same.
fn bits(address: IpAddr) -> u128 {
    let mapped = |v4: Ipv4Addr| v4.to_ipv6_mapped();
    let v6: Ipv6Addr = match address {
        IpAddr::V4(v4) => mapped(v4),
        IpAddr::V6(v6) => v6,
    };
    v6.to_bits()
}

/// A user as the configuration writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenUser {
    user: String,
    #[serde(default)]
    pass: String,
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default)]
    permissions: Vec<GivenPermission>,
}

/// A permission as the configuration or a token writes it.
#[derive(Deserialize)]
struct GivenPermission {
    action: Action,
    #[serde(default)]
    path: String,
}

impl GivenPermission {
    fn read(&self) -> Result<Permission, String> {
        Ok(Permission { action: self.action, path: PathPattern::parse(&self.path)? })
    }
}

impl GivenUser {
    fn read(self) -> Result<User, String> {
        let name = Some(self.user.clone()).filter(|name| name != ANYONE);
        if self.user.is_empty() {
            return Err("a user has a name; \"any\" stands for everyone".into());
        }
        if name.is_none() && !self.pass.is_empty() {
            return Err("the user \"any\" has no password".into());
        }
        let network = |text: &String| Network::parse(text).ok_or_else(|| format!("{text} is no address or network"));
        if self.permissions.len() > PERMISSIONS_MAX {
            return Err(format!("more than {PERMISSIONS_MAX} permissions"));
        }
        Ok(User {
            name,
            password: password(&self.pass)?,
            networks: self.ips.iter().map(network).collect::<Result<_, _>>()?,
            permissions: self.permissions.iter().map(GivenPermission::read).collect::<Result<_, _>>()?,
        })
    }
}

fn password(text: &str) -> Result<Password, String> {
    if text.is_empty() {
        return Ok(Password::Any);
    }
    if let Some(hash) = text.strip_prefix("sha256:") {
        let bytes = BASE64_STANDARD.decode(hash).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        return bytes.map(Password::Sha256).ok_or_else(|| "a sha256: password is the base64 of a SHA-256".into());
    }
    if let Some(hash) = text.strip_prefix("argon2:") {
        let kept = is_argon2(hash).then(|| Password::Argon2(Secret::new(hash.to_owned())));
        return kept.ok_or_else(|| {
            format!(
                "an argon2: password is $argon2id$v=19$m=…,t=…,p=…$salt$hash, with at most {ARGON2_KIB_MAX} KiB and \
                 {ARGON2_PASSES_MAX} passes"
            )
        });
    }
    Ok(Password::Plain(Secret::new(text.to_owned())))
}

/// Whether the text is a PHC string of Argon2 whose cost can be borne.
fn is_argon2(text: &str) -> bool {
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "argon2id" | "argon2i" | "argon2d", "v=19", cost, salt, hash] = fields[..] else {
        return false;
    };
    let costs: Vec<(&str, &str)> = cost.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let [("m", memory), ("t", passes), ("p", lanes)] = costs[..] else {
        return false;
    };
    let within = |text: &str, max: u32| text.parse::<u32>().is_ok_and(|number| (1..=max).contains(&number));
    let is_base64 =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
    within(memory, ARGON2_KIB_MAX)
        && within(passes, ARGON2_PASSES_MAX)
        && within(lanes, 16)
        && is_base64(salt)
        && is_base64(hash)
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

/// The typed form of the keys `auth*`.
pub(super) fn read(all: &Keys) -> Result<Access, Error> {
    let value = |key: &str| all.get(key).unwrap_or(&Value::Null);
    let text = |key: &str| value(key).as_str().map(str::to_owned).ok_or_else(|| refused(key, "must be a text"));
    let permissions = |key: &str| Permission::list(value(key)).map_err(|reason| refused(key, &reason));
    let address = |key: &str| {
        let url = text(key)?;
        let fits = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
        if fits { Ok(Secret::new(url)) } else { Err(refused(key, "must be an http:// or https:// URL")) }
    };
    let fingerprint = |key: &str, of: &str| {
        let given = text(key)?;
        if given.is_empty() {
            return Ok(None);
        }
        if !text(of)?.starts_with("https://") {
            return Err(refused(key, &format!("it has no effect unless {of} is an https:// URL")));
        }
        let read = read_fingerprint(&given);
        read.map(Some).ok_or_else(|| refused(key, "must be a SHA-256 in 64 hexadecimal digits"))
    };
    let method = Method::deserialize(value("authMethod"));
    let access = Access {
        method: method.map_err(|_| refused("authMethod", "must be internal, http or jwt"))?,
        users: users(value("authInternalUsers"))?,
        http_address: address("authHTTPAddress")?,
        http_fingerprint: fingerprint("authHTTPFingerprint", "authHTTPAddress")?,
        http_exclude: permissions("authHTTPExclude")?,
        jwks_address: address("authJWTJWKS")?,
        jwks_fingerprint: fingerprint("authJWTJWKSFingerprint", "authJWTJWKS")?,
        jwt_claim_key: text("authJWTClaimKey")?,
        jwt_exclude: permissions("authJWTExclude")?,
        jwt_issuer: text("authJWTIssuer")?,
        jwt_audience: text("authJWTAudience")?,
    };
    match access.method {
        Method::Http if access.http_address.expose().is_empty() => {
            Err(refused("authHTTPAddress", "must be set when authMethod is http"))
        }
        Method::Jwt if access.jwks_address.expose().is_empty() => {
            Err(refused("authJWTJWKS", "must be set when authMethod is jwt"))
        }
        Method::Jwt if access.jwt_claim_key.is_empty() => Err(refused("authJWTClaimKey", "must not be empty")),
        Method::Internal | Method::Http | Method::Jwt => Ok(access),
    }
}

/// 32 bytes in hexadecimal, as `openssl x509 -fingerprint -sha256` shows them, with or without colons.
fn read_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

fn users(value: &Value) -> Result<Vec<User>, Error> {
    const KEY: &str = "authInternalUsers";
    let given = value.as_array().ok_or_else(|| refused(KEY, "must be a list"))?;
    if given.len() > USERS_MAX {
        return Err(refused(KEY, &format!("more than {USERS_MAX} users")));
    }
    let read = |(at, value): (usize, &Value)| {
        let user = typed::<GivenUser>(value).and_then(GivenUser::read);
        user.map_err(|reason| refused(KEY, &format!("entry {}: {reason}", at + 1)))
    };
    given.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests;
