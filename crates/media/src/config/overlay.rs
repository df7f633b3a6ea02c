//! What a user has set: only those keys, checked one by one, laid over the defaults and read into typed values.

use std::{ops::RangeInclusive, sync::Arc};

use domain::{CameraId, Secret};
use serde_json::{Map, Value};

use super::{
    Global, Path, RtspSource, RtspTransport, Source, access,
    keys::{Effect, GLOBAL, PATH, Rewrite, Table},
    secrets, units,
};
use crate::Error;

/// What a secret reads as. Written back, it keeps the stored one.
pub const REDACTED: &str = "<redacted>";
/// HLS allows no fewer segments than this; more than [`SEGMENTS_MAX`] would hold too much memory.
const SEGMENTS_MIN: u64 = 3;
const SEGMENTS_MAX: u64 = 100;

/// Keys and their values, as a user gives them.
pub type Keys = Map<String, Value>;

/// Takes the keys that have an effect; refuses by name what is unknown or would have none.
pub(super) fn checked(table: &Table, running: &Keys, given: Keys) -> Result<Keys, Error> {
    let mut kept = Keys::new();
    for (name, value) in given {
        let (name, value) = renamed(table, name, value)?;
        match table.effect(&name) {
            Some(Effect::Live) => {
                kept.insert(name, value);
            }
            Some(Effect::Running) => {
                let now = running.get(&name).or_else(|| table.defaults().get(&name));
                if !now.is_some_and(|now| same(now, &value)) {
                    return Err(refused(&name, "it is set in the server's configuration file"));
                }
            }
            Some(Effect::DefaultOnly) => {
                if !table.defaults().get(&name).is_some_and(|default| same(default, &value)) {
                    return Err(refused(&name, "it has no effect here, so only its default is accepted"));
                }
            }
            Some(Effect::Retired) => {
                if !is_empty(&value) {
                    return Err(refused(&name, "this old key has no effect here"));
                }
            }
            Some(Effect::Alias(..)) | None => return Err(refused(&name, "unknown key")),
        }
    }
    Ok(kept)
}

/// The value under its present name.
fn renamed(table: &Table, name: String, value: Value) -> Result<(String, Value), Error> {
    let Some(Effect::Alias(target, rewrite)) = table.effect(&name) else {
        return Ok((name, value));
    };
    let value = match rewrite {
        Rewrite::Same => value,
        Rewrite::Not => Value::Bool(!value.as_bool().ok_or_else(|| refused(&name, "must be true or false"))?),
        Rewrite::InList => Value::Array(vec![value]),
    };
    Ok((target.to_owned(), value))
}

fn same(a: &Value, b: &Value) -> bool {
    let alike = |a: &str, b: &str| units::duration(a).is_some() && units::duration(a) == units::duration(b);
    a == b || a.as_str().zip(b.as_str()).is_some_and(|(a, b)| alike(a, b))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// All keys of the global configuration as a client reads them.
pub(super) fn shown_global(running: &Keys, own: &Keys) -> Keys {
    let mut shown = merged(GLOBAL.defaults(), [running, own]);
    secrets::hide(&mut shown);
    shown
}

/// All keys of path defaults, or of a path over them, as a client reads them: without secrets.
pub(super) fn shown_path<'a>(layers: impl IntoIterator<Item = &'a Keys>) -> Keys {
    let mut shown = merged(PATH.defaults(), layers);
    if let Some(Value::String(source)) = shown.get_mut("source") {
        *source = redacted(source);
    }
    shown
}

pub(super) fn merged<'a>(defaults: &Keys, layers: impl IntoIterator<Item = &'a Keys>) -> Keys {
    let mut all = defaults.clone();
    for layer in layers {
        all.extend(layer.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    all
}

/// The typed global configuration.
pub(super) fn global(running: &Keys, own: &Keys) -> Result<Global, Error> {
    let all = Reader(merged(GLOBAL.defaults(), [running, own]));
    let global = Global {
        hls_segment_count: all.number("hlsSegmentCount")?,
        hls_segment_duration: all.duration("hlsSegmentDuration")?,
        hls_part_duration: all.duration("hlsPartDuration")?,
        hls_segment_max_bytes: all.size("hlsSegmentMaxSize")?,
        hls_muxer_close_after: all.duration("hlsMuxerCloseAfter")?,
        hls_cdn_secret: Secret::new(all.text("hlsCDNSecret")?.to_owned()),
        webrtc_handshake_timeout: all.duration("webrtcHandshakeTimeout")?,
        access: Arc::new(access::read(&all.0)?),
    };
    if !(SEGMENTS_MIN..=SEGMENTS_MAX).contains(&u64::from(global.hls_segment_count)) {
        return Err(refused("hlsSegmentCount", &format!("must be {SEGMENTS_MIN} to {SEGMENTS_MAX}")));
    }
    if global.hls_segment_duration.is_zero() {
        return Err(refused("hlsSegmentDuration", "must be longer than zero"));
    }
    if global.hls_part_duration.is_zero() || global.hls_part_duration > global.hls_segment_duration {
        return Err(refused("hlsPartDuration", "must be longer than zero and no longer than hlsSegmentDuration"));
    }
    if global.hls_segment_max_bytes == 0 {
        return Err(refused("hlsSegmentMaxSize", "must be larger than zero"));
    }
    if global.webrtc_handshake_timeout.is_zero() {
        return Err(refused("webrtcHandshakeTimeout", "must be longer than zero"));
    }
    Ok(global)
}

/// The typed configuration of a path with its own keys over the path defaults. `fixed_name`: not a pattern.
pub(super) fn path(defaults: &Keys, own: &Keys, fixed_name: bool, camera: Option<CameraId>) -> Result<Path, Error> {
    let all = Reader(merged(PATH.defaults(), [defaults, own]));
    let path = Path {
        source: source(all.text("source")?, &all)?,
        on_demand: all.flag("sourceOnDemand")?,
        on_demand_start_timeout: all.duration("sourceOnDemandStartTimeout")?,
        on_demand_close_after: all.duration("sourceOnDemandCloseAfter")?,
        max_readers: all.number("maxReaders")?,
        override_publisher: all.flag("overridePublisher")?,
        camera,
    };
    let pulled = path.source != Source::Publisher;
    if !pulled && own.get("sourceOnDemand") == Some(&Value::Bool(true)) {
        return Err(refused("sourceOnDemand", "it has no effect when the source is a publisher"));
    }
    if pulled && !fixed_name && !path.on_demand {
        return Err(refused("sourceOnDemand", "must be true for a pattern with a source of its own"));
    }
    Ok(path)
}

struct Reader(Keys);

impl Reader {
    fn text(&self, key: &str) -> Result<&str, Error> {
        self.0.get(key).and_then(Value::as_str).ok_or_else(|| refused(key, "must be a text"))
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        self.0.get(key).and_then(Value::as_bool).ok_or_else(|| refused(key, "must be true or false"))
    }

    fn rtsp_transport(&self) -> Result<RtspTransport, Error> {
        match self.text("rtspTransport")? {
            "automatic" => Ok(RtspTransport::Automatic),
            "udp" => Ok(RtspTransport::Udp),
            "tcp" => Ok(RtspTransport::Tcp),
            "multicast" => Err(refused("rtspTransport", "multicast is not available here")),
            _ => Err(refused("rtspTransport", "must be automatic, udp or tcp")),
        }
    }

    /// Two ports with at least one even port and its successor between them.
    fn port_range(&self, key: &str) -> Result<RangeInclusive<u16>, Error> {
        let ports = self.0.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let range = match ports {
            [first, last] => port(first).zip(port(last)),
            _ => None,
        };
        range
            .filter(|(first, last)| first.checked_next_multiple_of(2).is_some_and(|even| even < *last))
            .map(|(first, last)| first..=last)
            .ok_or_else(|| refused(key, "must be two port numbers, [first, last], with room for a pair of ports"))
    }

    fn number(&self, key: &str) -> Result<u32, Error> {
        let number = self.0.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| refused(key, "must be a whole number from 0 to 4294967295"))
    }

    fn duration(&self, key: &str) -> Result<std::time::Duration, Error> {
        let text = self.0.get(key).and_then(Value::as_str);
        text.and_then(units::duration).ok_or_else(|| refused(key, "must be a duration such as \"10s\""))
    }

    fn size(&self, key: &str) -> Result<u64, Error> {
        let text = self.0.get(key).and_then(Value::as_str);
        text.and_then(units::size).ok_or_else(|| refused(key, "must be a size such as \"50M\""))
    }
}

fn source(text: &str, all: &Reader) -> Result<Source, Error> {
    // Read in any case: what cannot be is refused for publishers, too.
    let transport = all.rtsp_transport()?;
    let udp_ports = all.port_range("rtspUDPSourcePortRange")?;
    let any_port = all.flag("rtspAnyPort")?;
    if text == "publisher" {
        return Ok(Source::Publisher);
    }
    if let Ok(camera) = text.parse() {
        return Ok(Source::Vms(camera));
    }
    let Some(url) = Url::parse(text) else {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let what = if scheme.is_empty() { "this".to_owned() } else { format!("{scheme}://") };
        return Err(refused(
            "source",
            &format!(
                "must be publisher, an rtsp:// URL or vms://{{camera}}/{{main|sub}}; {what} is not available here"
            ),
        ));
    };
    if text.contains('$') {
        return Err(refused("source", "variables are not available here"));
    }
    let credentials = url.userinfo.map(|userinfo| {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        (unescaped(user), Secret::new(unescaped(password)))
    });
    let url = format!("rtsp://{}{}", url.host, url.rest);
    // The rest of a password with such a character would be shown as a part of the address.
    if media_proto::rtsp::url::parse(&url).is_err() {
        return Err(refused(
            "source",
            "the address cannot be read; in a password, / is written %2F and ? is written %3F",
        ));
    }
    Ok(Source::Rtsp(RtspSource { url, credentials, transport, any_port, udp_ports }))
}

/// The parts of `rtsp://[user[:password]@]host[:port][/…]`.
struct Url<'a> {
    userinfo: Option<&'a str>,
    host: &'a str,
    rest: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix("rtsp://")?;
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let clean = !host.is_empty() && !text.chars().any(|c| c.is_control() || c == ' ');
        clean.then_some(Self { userinfo, host, rest })
    }
}

/// The source without its password.
pub(super) fn redacted(source: &str) -> String {
    let Some(url) = Url::parse(source) else {
        return source.to_owned();
    };
    match url.userinfo.map(|userinfo| userinfo.split_once(':').map_or(userinfo, |(user, _)| user)) {
        Some(user) => format!("rtsp://{user}:{REDACTED}@{}{}", url.host, url.rest),
        None => source.to_owned(),
    }
}

/// Puts the stored password where the user wrote [`REDACTED`]. It stays with its host: a new host needs it anew.
pub(super) fn restore_password(given: &mut Keys, stored: Option<&str>) -> Result<(), Error> {
    let Some(Value::String(source)) = given.get_mut("source") else {
        return Ok(());
    };
    let Some(url) = Url::parse(source) else {
        return Ok(());
    };
    let Some((user, REDACTED)) = url.userinfo.and_then(|userinfo| userinfo.split_once(':')) else {
        return Ok(());
    };
    let kept = stored.and_then(Url::parse).filter(|known| known.host == url.host).and_then(|known| known.userinfo);
    let kept = kept.filter(|userinfo| userinfo.split_once(':').map_or(*userinfo, |(known, _)| known) == user);
    let userinfo = kept.ok_or_else(|| refused("source", "give the password: none is stored for this user and host"))?;
    *source = format!("rtsp://{userinfo}@{}{}", url.host, url.rest);
    Ok(())
}

/// The text with its `%XX` read; broken escapes stay as they are.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = tail.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn refused(key: &str, reason: &str) -> Error {
    Error::Config { key: key.to_owned(), reason: reason.to_owned() }
}
