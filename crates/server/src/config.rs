//! The one configuration file: every key with its default, so that an empty file runs everything.
//!
//! Order: default, file, environment (`CCTV_LISTEN__RTSP=…`, sections joined by two underscores), flag. An unknown key or
//! a value of the wrong form is an error that names the key, the file and the line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use domain::{AgencyId, CameraId, Secret};
use serde::{Deserialize, Deserializer};

/// The prefix of environment variables that set a key.
const ENVIRONMENT_PREFIX: &str = "CCTV_";

/// The whole configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Which services run in this process.
    pub(crate) services: Services,
    /// Where state is kept.
    pub(crate) data: DataDirectory,
    /// Who is let in.
    pub(crate) access: Access,
    /// What is written to the log.
    pub(crate) log: Log,
    /// Where each face listens.
    pub(crate) listen: Listen,
    /// The media engine.
    pub(crate) media: Media,
    /// Where the catalogue of cameras and settings is kept.
    pub(crate) database: Database,
    /// The key that passwords are sealed with in the catalogue; made at the first start, in the data directory, when absent.
    pub(crate) key_file: Option<PathBuf>,
    /// Cameras that are put into the catalogue; one that goes from here goes from there.
    pub(crate) cameras: Vec<CameraEntry>,
}

/// `services = ["all"]`, or a list of names.
#[derive(Debug)]
pub(crate) struct Services(BTreeSet<Service>);

/// A part of the process that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// Everything there is.
    All,
    /// The media engine: RTSP, HLS, WebRTC, control API, metrics.
    Media,
    /// The dashboard and the application API.
    Api,
}

impl Services {
    pub(crate) fn runs(&self, service: Service) -> bool {
        self.0.contains(&Service::All) || self.0.contains(&service)
    }
}

impl Default for Services {
    fn default() -> Self {
        Self(BTreeSet::from([Service::All]))
    }
}

impl<'de> Deserialize<'de> for Services {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let listed = BTreeSet::<Service>::deserialize(deserializer)?;
        if listed.is_empty() {
            return Err(serde::de::Error::custom("no service is named; write \"all\" for all of them"));
        }
        if listed.contains(&Service::Api) && !listed.contains(&Service::Media) && !listed.contains(&Service::All) {
            return Err(serde::de::Error::custom("the service api needs media in the same process"));
        }
        Ok(Self(listed))
    }
}

/// A directory, `data` beside the working directory by default.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct DataDirectory(pub(crate) PathBuf);

impl Default for DataDirectory {
    fn default() -> Self {
        Self(PathBuf::from("data"))
    }
}

/// `sqlite:FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; a file in the data directory by default.
#[derive(Debug, Default)]
pub(crate) enum Database {
    /// SQLite in a file in the data directory.
    #[default]
    Embedded,
    /// SQLite in this file.
    Sqlite(PathBuf),
    /// PostgreSQL at this address.
    Postgres(Secret),
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            Some(("sqlite", file)) if !file.is_empty() => Ok(Self::Sqlite(PathBuf::from(file))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Secret::new(text))),
            // What was given may hold a password.
            Some(_) | None => Err(serde::de::Error::custom("the database is written sqlite:FILE or postgres://…")),
        }
    }
}

/// Who is let in.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// The operator's token; made at the first start and kept in the data directory when absent.
    pub(crate) token: Option<SecretText>,
    /// A direct loopback peer is the operator without a token.
    pub(crate) trust_loopback: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self { token: None, trust_loopback: true }
    }
}

/// A secret of at least 16 characters.
#[derive(Debug)]
pub(crate) struct SecretText(pub(crate) Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() < 16 {
            return Err(serde::de::Error::custom("a token has at least 16 characters"));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// What is written to the log.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,media=debug`.
    pub(crate) level: String,
    /// `text` for people, `json` for machines.
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Where each face listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// Dashboard and application API.
    pub(crate) web: SocketAddr,
    /// RTSP over TCP.
    pub(crate) rtsp: SocketAddr,
    /// RTP of RTSP over UDP; an even port.
    pub(crate) rtp: SocketAddr,
    /// RTCP of RTSP over UDP; the port after that of RTP.
    pub(crate) rtcp: SocketAddr,
    /// HLS.
    pub(crate) hls: SocketAddr,
    /// WHEP.
    pub(crate) webrtc: SocketAddr,
    /// WebRTC media.
    pub(crate) webrtc_udp: SocketAddr,
    /// WebRTC media of viewers whose network lets no UDP pass.
    pub(crate) webrtc_tcp: SocketAddr,
    /// Control API of the media engine.
    pub(crate) control: SocketAddr,
    /// Metrics of the media engine.
    pub(crate) metrics: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            web: any(8000),
            rtsp: any(8554),
            rtp: any(8000),
            rtcp: any(8001),
            hls: any(8888),
            webrtc: any(8889),
            webrtc_udp: any(8189),
            webrtc_tcp: any(8189),
            control: loopback(9997),
            metrics: loopback(9998),
        }
    }
}

/// The media engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    /// Addresses or names under which browsers reach the WebRTC port, besides those of the interfaces.
    pub(crate) webrtc_additional_hosts: Vec<std::net::IpAddr>,
}

/// One camera.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraEntry {
    /// A UUID, or any text that names the camera for ever; a UUID is then derived from it.
    pub(crate) id: String,
    /// English name.
    pub(crate) name: String,
    /// Arabic name; the English one when absent.
    pub(crate) name_ar: Option<String>,
    /// The agency that owns it.
    pub(crate) source: Agency,
    /// `rtsp://` URL of the main stream.
    pub(crate) main: Option<String>,
    /// `rtsp://` URL of the sub stream.
    pub(crate) sub: Option<String>,
    /// What else clients should know of it.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// An agency by name.
#[derive(Clone, Debug)]
pub(crate) struct Agency(pub(crate) AgencyId);

impl<'de> Deserialize<'de> for Agency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = AgencyId::new(&name);
        known
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{name:?} is not an agency; write it like DUBAI_POLICE")))
    }
}

impl CameraEntry {
    /// The camera's identity.
    pub(crate) fn camera_id(&self) -> CameraId {
        self.id.parse().unwrap_or_else(|_| CameraId::derived("config", &self.id))
    }

    /// What the catalogue takes of it.
    pub(crate) fn listed(&self) -> vms::Listed {
        let id = self.camera_id();
        let names = (self.name.as_str(), self.name_ar.as_deref());
        let mut details =
            vms::rtsp_details(id, self.source.0.clone(), names, self.main.as_deref(), self.sub.as_deref());
        details.metadata = self.metadata.clone();
        vms::Listed { id, details }
    }
}

/// A configuration and where it came from, for errors that name a line.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    file: Option<(PathBuf, String)>,
    environment: BTreeSet<String>,
}

/// Why a configuration cannot be used, with the place.
#[derive(Debug)]
pub(crate) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl Loaded {
    /// Reads the file, if one is named, and the environment over it.
    ///
    /// # Errors
    /// A text that names file, line and key, and what to do.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let file = file.map(|path| read_file(path).map(|text| (path.to_owned(), text))).transpose()?;
        let mut config = match &file {
            Some((path, text)) => toml::from_str::<Config>(text).map_err(|error| Error(place(path, text, &error)))?,
            None => Config::default(),
        };
        let set: Vec<_> = environment.filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
        if !set.is_empty() {
            let text = file.as_ref().map_or("", |(_, text)| text);
            config = overlay(text, &set)?;
        }
        let loaded = Self { config, file, environment: set.iter().filter_map(|(name, _)| key_of(name)).collect() };
        loaded.check()?;
        Ok(loaded)
    }

    /// Where a key got its value: for errors that show only when the value is used.
    pub(crate) fn place_of(&self, key: &str) -> String {
        if self.environment.contains(key) {
            return format!("{key} (set by the environment)");
        }
        match &self.file {
            Some((path, text)) => match line_of_key(text, key) {
                Some(line) => format!("{}:{line}: {key}", path.display()),
                None => format!("{key} (default; not set in {})", path.display()),
            },
            None => format!("{key} (default)"),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for camera in &self.config.cameras {
            if !seen.insert(camera.camera_id()) {
                return Err(self.camera_error(camera, "two cameras have this id; give each its own"));
            }
            if camera.main.is_none() && camera.sub.is_none() {
                return Err(self.camera_error(camera, "neither `main` nor `sub` is given; name at least one stream"));
            }
            for (key, url) in [("main", &camera.main), ("sub", &camera.sub)] {
                if url.as_ref().is_some_and(|url| !url.starts_with("rtsp://")) {
                    return Err(self.camera_error(camera, &format!("`{key}` does not begin with rtsp://")));
                }
            }
        }
        Ok(())
    }

    fn camera_error(&self, camera: &CameraEntry, what: &str) -> Error {
        let line = self.file.as_ref().and_then(|(path, text)| {
            let needle = format!("\"{}\"", camera.id);
            let line = text.lines().position(|line| line.trim_start().starts_with("id") && line.contains(&needle))?;
            Some(format!("{}:{}: ", path.display(), line + 1))
        });
        Error(format!("{}cameras: id {:?}: {what}", line.unwrap_or_default(), camera.id))
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        Error(format!("cannot read the configuration {}: {error}; name another with --config", path.display()))
    })
}

/// The text of a TOML error with file and line in front, as compilers write it.
fn place(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    let source = text.lines().nth(line - 1).unwrap_or_default().trim();
    format!("{}:{line}: {} (in `{source}`)", path.display(), error.message())
}

fn line_at(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1)
}

/// The line on which a dotted key of one section stands.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let mut current = String::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = header.trim().to_owned();
        } else if line.split_once('=').is_some_and(|(left, _)| left.trim() == name && current == section) {
            return Some(index + 1);
        }
    }
    None
}

/// `CCTV_LISTEN__RTSP` → `listen.rtsp`.
fn key_of(variable: &str) -> Option<String> {
    variable.strip_prefix(ENVIRONMENT_PREFIX).map(|key| key.to_lowercase().replace("__", "."))
}

fn overlay(text: &str, variables: &[(String, String)]) -> Result<Config, Error> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| Error(error.message().to_owned()))?;
    for (variable, value) in variables {
        let key = key_of(variable).unwrap_or_default();
        set(&mut table, &key, parse_value(value));
    }
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    table
        .try_into()
        .map_err(|error: toml::de::Error| Error(format!("environment ({}): {}", names.join(", "), error.message())))
}

/// A value of the environment is TOML where it reads as TOML (numbers, booleans, lists), else a plain text.
fn parse_value(text: &str) -> toml::Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

fn set(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| toml::Table::new().into());
            if let toml::Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, String> {
        let directory = std::env::temp_dir().join(format!("cctv-config-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("cctv.toml");
        std::fs::write(&file, text).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let loaded = Loaded::read(Some(&file), environment);
        std::fs::remove_dir_all(&directory).unwrap();
        loaded.map_err(|error| error.to_string().replace(&format!("{}/", directory.display()), ""))
    }

    fn refused(text: &str) -> String {
        load(text, &[]).map(|_| ()).unwrap_err()
    }

    #[test]
    fn an_empty_file_runs_everything_on_the_fixed_ports() {
        let config = load("", &[]).unwrap().config;
        assert!(config.services.runs(Service::Media) && config.services.runs(Service::Api));
        assert_eq!(config.listen.rtsp.port(), 8554);
        assert!(config.listen.control.ip().is_loopback());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let loaded = load("[listen]\nrtsp = \"127.0.0.1:1\"\n", &[("CCTV_LISTEN__RTSP", "127.0.0.1:2")]).unwrap();
        assert_eq!(loaded.config.listen.rtsp.port(), 2);
        assert_eq!(loaded.place_of("listen.rtsp"), "listen.rtsp (set by the environment)");
    }

    #[test]
    fn an_error_names_file_line_and_key() {
        assert!(refused("\n[listen]\nrtps = \"x\"\n").starts_with("cctv.toml:3: unknown field `rtps`"));
        assert!(refused("[listen]\nrtsp = \"nonsense\"\n").starts_with("cctv.toml:2: invalid socket address"));
        assert!(refused("services = [\"media\", \"disco\"]\n").starts_with("cctv.toml:1: unknown variant `disco`"));
        let twice = "[[cameras]]\nid = \"a\"\nname = \"A\"\nsource = \"BUS\"\nmain = \"http://x\"\n";
        assert_eq!(refused(twice), "cctv.toml:2: cameras: id \"a\": `main` does not begin with rtsp://");
    }

    /// Tells the names of the fields that a type reads.
    struct Fields<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.extend(fields);
            Err(serde::de::Error::custom("the names suffice"))
        }

        fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("it has no fields"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn fields<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
        let mut names = Vec::new();
        // It ends with the names.
        let _ = T::deserialize(Fields(&mut names));
        names
    }

    #[test]
    fn the_reference_page_shows_every_key_of_the_file_at_its_default() {
        let page = include_str!("../../../docs/ref/configuration.md");
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let [defaults, camera] = blocks[..] else { panic!("two blocks of TOML") };
        let shown = |block: &str, key: &str| {
            block.lines().any(|line| line.trim_start_matches("# ").split(" = ").next() == Some(key))
        };
        for key in [fields::<Access>(), fields::<Log>(), fields::<Listen>(), fields::<Media>()].concat() {
            assert!(shown(defaults, key), "{key}");
        }
        for key in fields::<Config>() {
            assert!(shown(defaults, key) || page.contains(&format!("[{key}]")), "{key}");
        }
        for key in fields::<CameraEntry>() {
            assert!(shown(camera, key), "{key}");
        }
        let of_page = load(defaults, &[]).unwrap().config;
        assert_eq!(format!("{of_page:?}"), format!("{:?}", Config::default()));
        assert_eq!(load(camera, &[]).unwrap().config.cameras.len(), 1);
    }

    #[test]
    fn a_key_is_found_again_on_its_line() {
        let loaded = load("services = [\"all\"]\n[listen]\nhls = \"127.0.0.1:1\"\n", &[]).unwrap();
        assert!(loaded.place_of("listen.hls").ends_with("cctv.toml:3: listen.hls"));
        assert!(loaded.place_of("listen.web").starts_with("listen.web (default"));
    }
}
