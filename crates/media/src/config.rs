//! Desired state, ready to use: what each path is fed from and how its readers are treated.
//!
//! These are the parsed values. The keys a user writes, their defaults and the refusal of keys without effect are in the
//! modules beside this one.

pub mod access;
mod keys;
mod overlay;
mod secrets;
mod settings;
mod store;
mod units;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr, sync::Arc, time::Duration};

use domain::{CameraId, PathName, Rendition, Secret};
use regex::Regex;

pub use keys::{Key, global_keys, path_keys};
pub use overlay::{Keys, REDACTED};
pub use settings::{Base, BaseEntry, Bulk, Settings};
pub use store::{Change, ConfigStore, MemoryStore, Stored};

/// What of the global configuration has an effect while running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Segments a playlist holds.
    pub hls_segment_count: u32,
    /// The least length of a segment.
    pub hls_segment_duration: Duration,
    /// The length of a part.
    pub hls_part_duration: Duration,
    /// The most bytes of a segment.
    pub hls_segment_max_bytes: u64,
    /// How long a packager lives after its last request.
    pub hls_muxer_close_after: Duration,
    /// What a distribution network shows as its token; empty when there is none.
    pub hls_cdn_secret: Secret,
    /// How long a WebRTC session may take to connect.
    pub webrtc_handshake_timeout: Duration,
    /// Who is let in.
    pub access: Arc<access::Access>,
}

impl Default for Global {
    fn default() -> Self {
        overlay::global(&Keys::new(), &Keys::new()).expect("the defaults of the key tables are right")
    }
}

/// All configured paths. The hub compares two of these and touches only what differs.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Paths with a fixed name.
    pub exact: BTreeMap<PathName, Arc<Path>>,
    /// Paths by pattern (`~regex`), in the order of their names; the first that fits counts.
    pub patterns: Vec<Pattern>,
    /// What every other name gets (`all_others`), if anything.
    pub all_others: Option<Arc<Path>>,
}

/// A pattern entry.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The entry's name as configured, with its `~`.
    pub name: String,
    /// Its expression.
    pub regex: Regex,
    /// What the names that fit get.
    pub path: Arc<Path>,
}

/// The configuration of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// What feeds it.
    pub source: Source,
    /// The source runs only while someone reads.
    pub on_demand: bool,
    /// How long a reader waits for an on-demand source.
    pub on_demand_start_timeout: Duration,
    /// How long an on-demand source runs after its last reader.
    pub on_demand_close_after: Duration,
    /// The most readers at a time; 0 = no limit.
    pub max_readers: u32,
    /// A new publisher replaces the one there is.
    pub override_publisher: bool,
    /// The camera whose stream this is, where it is one's.
    pub camera: Option<CameraId>,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            source: Source::Publisher,
            on_demand: false,
            on_demand_start_timeout: Duration::from_secs(10),
            on_demand_close_after: Duration::from_secs(10),
            max_readers: 0,
            override_publisher: true,
            camera: None,
        }
    }
}

/// What feeds a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Whoever publishes to it.
    Publisher,
    /// An RTSP server that is pulled.
    Rtsp(RtspSource),
    /// A camera behind a video management system.
    Vms(VmsSource),
}

/// One encoding of a camera behind a video management system, as the connector of that system knows it. As a text it is
/// `vms://{camera}/{main|sub}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmsSource {
    /// The camera.
    pub camera: CameraId,
    /// The encoding.
    pub rendition: Rendition,
}

impl fmt::Display for VmsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vms://{}/{}", self.camera, self.rendition.as_str())
    }
}

impl FromStr for VmsSource {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (camera, rendition) = text.strip_prefix("vms://").and_then(|rest| rest.split_once('/')).ok_or(())?;
        Ok(Self { camera: camera.parse().map_err(drop)?, rendition: rendition.parse()? })
    }
}

/// An RTSP server to pull from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtspSource {
    /// `rtsp://host[:port]/…` without user and password.
    pub url: String,
    /// User and password, where the URL had them.
    pub credentials: Option<(String, Secret)>,
    /// What carries the tracks.
    pub transport: RtspTransport,
    /// A server that sends by UDP need not say from which ports.
    pub any_port: bool,
    /// Our own ports for UDP.
    pub udp_ports: RangeInclusive<u16>,
}

impl RtspSource {
    /// A server that is pulled with default options.
    #[must_use]
    pub fn new(url: String, credentials: Option<(String, Secret)>) -> Self {
        Self { url, credentials, transport: RtspTransport::Automatic, any_port: false, udp_ports: 32_768..=60_999 }
    }
}

/// What carries the tracks of a pulled RTSP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtspTransport {
    /// TCP; UDP where the server refuses it.
    Automatic,
    /// UDP; TCP where the server refuses it, or packets do not come or are lost.
    Udp,
    /// TCP alone.
    Tcp,
}

impl Paths {
    /// The configuration a path name gets, with the name of the entry it comes from: exact, then patterns, then all others.
    #[must_use]
    pub fn find(&self, name: &PathName) -> Option<(String, Arc<Path>)> {
        if let Some(path) = self.exact.get(name) {
            return Some((name.as_str().to_owned(), Arc::clone(path)));
        }
        let pattern = self.patterns.iter().find(|pattern| pattern.regex.is_match(name.as_str()));
        pattern
            .map(|pattern| (pattern.name.clone(), Arc::clone(&pattern.path)))
            .or_else(|| self.all_others.as_ref().map(|path| ("all_others".to_owned(), Arc::clone(path))))
    }
}
