//! Every configuration key: its name, its default and what setting it does.
//!
//! The names and defaults are those of MediaMTX v3, so that existing clients find what they expect. A key is never
//! accepted and ignored: what has no effect here is taken only at its default.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value};

use Effect::{Alias, DefaultOnly, Live, Retired, Running};
use Rewrite::{InList, Not, Same};

/// What setting a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It takes effect at once.
    Live,
    /// It shows how the server runs; the server's file sets it.
    Running,
    /// Only the default is accepted.
    DefaultOnly,
    /// An old name of another key.
    Alias(&'static str, Rewrite),
    /// An old key without a successor here: accepted when empty, never returned.
    Retired,
}

/// A key, for those who describe the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is at first; `None` for an old name.
    pub default: Option<Value>,
    /// What setting it does, in words.
    pub effect: String,
}

/// The keys of the global configuration, in the order in which they are documented.
pub fn global_keys() -> impl Iterator<Item = Key> {
    GLOBAL_KEYS.iter().map(Key::of_row)
}

/// The keys of path defaults and paths.
pub fn path_keys() -> impl Iterator<Item = Key> {
    PATH_KEYS.iter().map(Key::of_row)
}

impl Key {
    fn of_row(&(name, default, effect): &(&'static str, &'static str, Effect)) -> Self {
        let words = match effect {
            Live => "takes effect at once".to_owned(),
            Running => "shows how the server runs; set in the server's file".to_owned(),
            DefaultOnly => "only the default is accepted".to_owned(),
            Alias(target, Same) => format!("old name of `{target}`"),
            Alias(target, Not) => format!("old key; the opposite of `{target}`"),
            Alias(target, InList) => format!("old key; the one entry of `{target}`"),
            Retired => "old key; accepted when empty, never returned".to_owned(),
        };
        Self { name, default: serde_json::from_str(default).ok(), effect: words }
    }
}

/// How the value of an old key becomes that of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rewrite {
    Same,
    Not,
    InList,
}

/// The keys of one kind of object.
#[derive(Debug)]
pub(super) struct Table {
    effects: BTreeMap<&'static str, Effect>,
    defaults: Map<String, Value>,
}

impl Table {
    fn new(rows: &[(&'static str, &'static str, Effect)]) -> Self {
        let mut table = Self { effects: BTreeMap::new(), defaults: Map::new() };
        for &(name, default, effect) in rows {
            table.effects.insert(name, effect);
            match effect {
                Live | Running | DefaultOnly => {
                    let default = serde_json::from_str(default).expect("the defaults in the tables are JSON");
                    table.defaults.insert(name.to_owned(), default);
                }
                Alias(..) | Retired => {}
            }
        }
        table
    }

    pub(super) fn effect(&self, name: &str) -> Option<Effect> {
        self.effects.get(name).copied()
    }

    /// All keys that are returned, at their defaults.
    pub(super) fn defaults(&self) -> &Map<String, Value> {
        &self.defaults
    }
}

/// The keys of `/v3/config/global`.
pub(super) static GLOBAL: LazyLock<Table> = LazyLock::new(|| Table::new(GLOBAL_KEYS));
/// The keys of path defaults and paths, without `name`.
pub(super) static PATH: LazyLock<Table> = LazyLock::new(|| Table::new(PATH_KEYS));

const GLOBAL_KEYS: &[(&str, &str, Effect)] = &[
    ("logLevel", r#""info""#, Running),
    ("logDestinations", r#"["stdout"]"#, Running),
    ("logStructured", "false", Running),
    ("logFile", r#""""#, DefaultOnly),
    ("sysLogPrefix", r#""""#, DefaultOnly),
    ("dumpPackets", "false", DefaultOnly),
    ("readTimeout", r#""10s""#, Running),
    ("writeTimeout", r#""10s""#, Running),
    ("writeQueueSize", "512", DefaultOnly),
    ("udpMaxPayloadSize", "1452", DefaultOnly),
    ("udpReadBufferSize", "0", DefaultOnly),
    ("runOnConnect", r#""""#, DefaultOnly),
    ("runOnConnectRestart", "false", DefaultOnly),
    ("runOnDisconnect", r#""""#, DefaultOnly),
    ("authMethod", r#""internal""#, Live),
    ("authInternalUsers", "[]", Live),
    ("authHTTPAddress", r#""""#, Live),
    ("authHTTPFingerprint", r#""""#, Live),
    ("authHTTPExclude", "[]", Live),
    ("authJWTJWKS", r#""""#, Live),
    ("authJWTJWKSFingerprint", r#""""#, Live),
    ("authJWTClaimKey", r#""mediamtx_permissions""#, Live),
    ("authJWTExclude", "[]", Live),
    ("authJWTIssuer", r#""""#, Live),
    ("authJWTAudience", r#""""#, Live),
    ("api", "true", Running),
    ("apiAddress", r#"":9997""#, Running),
    ("apiEncryption", "false", DefaultOnly),
    ("apiServerKey", r#""""#, DefaultOnly),
    ("apiServerCert", r#""""#, DefaultOnly),
    ("apiAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("apiTrustedProxies", "[]", DefaultOnly),
    ("metrics", "true", Running),
    ("metricsAddress", r#"":9998""#, Running),
    ("metricsEncryption", "false", DefaultOnly),
    ("metricsServerKey", r#""""#, DefaultOnly),
    ("metricsServerCert", r#""""#, DefaultOnly),
    ("metricsAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("metricsTrustedProxies", "[]", DefaultOnly),
    ("pprof", "false", DefaultOnly),
    ("pprofAddress", r#"":9999""#, DefaultOnly),
    ("pprofEncryption", "false", DefaultOnly),
    ("pprofServerKey", r#""""#, DefaultOnly),
    ("pprofServerCert", r#""""#, DefaultOnly),
    ("pprofAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("pprofTrustedProxies", "[]", DefaultOnly),
    ("playback", "false", DefaultOnly),
    ("playbackAddress", r#"":9996""#, DefaultOnly),
    ("playbackEncryption", "false", DefaultOnly),
    ("playbackServerKey", r#""""#, DefaultOnly),
    ("playbackServerCert", r#""""#, DefaultOnly),
    ("playbackAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("playbackTrustedProxies", "[]", DefaultOnly),
    ("rtsp", "true", Running),
    ("rtspTransports", r#"["udp","tcp"]"#, Running),
    ("rtspEncryption", r#""no""#, DefaultOnly),
    ("rtspAddress", r#"":8554""#, Running),
    ("rtspsAddress", r#"":8322""#, DefaultOnly),
    ("rtpAddress", r#"":8000""#, Running),
    ("rtcpAddress", r#"":8001""#, Running),
    ("multicastIPRange", r#""224.1.0.0/16""#, DefaultOnly),
    ("multicastRTPPort", "8002", DefaultOnly),
    ("multicastRTCPPort", "8003", DefaultOnly),
    ("srtpAddress", r#"":8004""#, DefaultOnly),
    ("srtcpAddress", r#"":8005""#, DefaultOnly),
    ("multicastSRTPPort", "8006", DefaultOnly),
    ("multicastSRTCPPort", "8007", DefaultOnly),
    ("rtspServerKey", r#""""#, DefaultOnly),
    ("rtspServerCert", r#""""#, DefaultOnly),
    ("rtspAuthMethods", r#"["basic"]"#, Running),
    ("rtspTrustedProxies", "[]", DefaultOnly),
    ("rtmp", "false", DefaultOnly),
    ("rtmpEncryption", r#""no""#, DefaultOnly),
    ("rtmpAddress", r#"":1935""#, DefaultOnly),
    ("rtmpsAddress", r#"":1936""#, DefaultOnly),
    ("rtmpServerKey", r#""""#, DefaultOnly),
    ("rtmpServerCert", r#""""#, DefaultOnly),
    ("rtmpTrustedProxies", "[]", DefaultOnly),
    ("hls", "true", Running),
    ("hlsAddress", r#"":8888""#, Running),
    ("hlsEncryption", "false", DefaultOnly),
    ("hlsServerKey", r#""""#, DefaultOnly),
    ("hlsServerCert", r#""""#, DefaultOnly),
    ("hlsAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("hlsTrustedProxies", "[]", DefaultOnly),
    ("hlsAlwaysRemux", "false", DefaultOnly),
    ("hlsVariant", r#""lowLatency""#, DefaultOnly),
    ("hlsSegmentCount", "7", Live),
    ("hlsSegmentDuration", r#""1s""#, Live),
    ("hlsPartDuration", r#""200ms""#, Live),
    ("hlsSegmentMaxSize", r#""50M""#, Live),
    ("hlsDirectory", r#""""#, DefaultOnly),
    ("hlsMuxerCloseAfter", r#""60s""#, Live),
    ("hlsCDNSecret", r#""""#, Live),
    ("webrtc", "true", Running),
    ("webrtcAddress", r#"":8889""#, Running),
    ("webrtcEncryption", "false", DefaultOnly),
    ("webrtcServerKey", r#""""#, DefaultOnly),
    ("webrtcServerCert", r#""""#, DefaultOnly),
    ("webrtcAllowOrigins", r#"["*"]"#, DefaultOnly),
    ("webrtcTrustedProxies", "[]", DefaultOnly),
    ("webrtcLocalUDPAddress", r#"":8189""#, Running),
    ("webrtcLocalTCPAddress", r#""""#, Running),
    ("webrtcIPsFromInterfaces", "true", DefaultOnly),
    ("webrtcIPsFromInterfacesList", "[]", DefaultOnly),
    ("webrtcAdditionalHosts", "[]", Running),
    ("webrtcICEServers2", "[]", DefaultOnly),
    ("webrtcSTUNGatherTimeout", r#""5s""#, DefaultOnly),
    ("webrtcHandshakeTimeout", r#""10s""#, Running),
    ("webrtcTrackGatherTimeout", r#""2s""#, DefaultOnly),
    ("srt", "false", DefaultOnly),
    ("srtAddress", r#"":8890""#, DefaultOnly),
    ("moq", "false", DefaultOnly),
    ("moqAddress", r#"":8891""#, DefaultOnly),
    ("hlsDisable", "", Alias("hls", Not)),
    ("rtspDisable", "", Alias("rtsp", Not)),
    ("rtmpDisable", "", Alias("rtmp", Not)),
    ("webrtcDisable", "", Alias("webrtc", Not)),
    ("protocols", "", Alias("rtspTransports", Same)),
    ("encryption", "", Alias("rtspEncryption", Same)),
    ("authMethods", "", Alias("rtspAuthMethods", Same)),
    ("apiAllowOrigin", "", Alias("apiAllowOrigins", InList)),
    ("metricsAllowOrigin", "", Alias("metricsAllowOrigins", InList)),
    ("pprofAllowOrigin", "", Alias("pprofAllowOrigins", InList)),
    ("playbackAllowOrigin", "", Alias("playbackAllowOrigins", InList)),
    ("hlsAllowOrigin", "", Alias("hlsAllowOrigins", InList)),
    ("webrtcAllowOrigin", "", Alias("webrtcAllowOrigins", InList)),
    ("externalAuthenticationURL", "", Alias("authHTTPAddress", Same)),
    ("webrtcICEUDPMuxAddress", "", Alias("webrtcLocalUDPAddress", Same)),
    ("webrtcICETCPMuxAddress", "", Alias("webrtcLocalTCPAddress", Same)),
    ("webrtcICEHostNAT1To1IPs", "", Alias("webrtcAdditionalHosts", Same)),
    ("webrtcICEServers", "", Retired),
];

const PATH_KEYS: &[(&str, &str, Effect)] = &[
    ("source", r#""publisher""#, Live),
    ("sourceFingerprint", r#""""#, DefaultOnly),
    ("sourceOnDemand", "false", Live),
    ("sourceOnDemandStartTimeout", r#""10s""#, Live),
    ("sourceOnDemandCloseAfter", r#""10s""#, Live),
    ("maxReaders", "0", Live),
    ("srtReadPassphrase", r#""""#, DefaultOnly),
    ("useAbsoluteTimestamp", "false", DefaultOnly),
    ("alwaysAvailable", "false", DefaultOnly),
    ("alwaysAvailableTracks", "[]", DefaultOnly),
    ("alwaysAvailableFile", r#""""#, DefaultOnly),
    ("forward", "[]", DefaultOnly),
    ("record", "false", DefaultOnly),
    ("recordPath", r#""""#, DefaultOnly),
    ("recordFormat", r#""fmp4""#, DefaultOnly),
    ("recordPartDuration", r#""1s""#, DefaultOnly),
    ("recordMaxPartSize", r#""50M""#, DefaultOnly),
    ("recordSegmentDuration", r#""1h0m0s""#, DefaultOnly),
    ("recordDeleteAfter", r#""1d""#, DefaultOnly),
    ("overridePublisher", "true", Live),
    ("srtPublishPassphrase", r#""""#, DefaultOnly),
    ("rtspDemuxMpegts", "false", DefaultOnly),
    ("rtspTransport", r#""automatic""#, Live),
    ("rtspAnyPort", "false", Live),
    ("rtspRangeType", r#""""#, DefaultOnly),
    ("rtspRangeStart", r#""""#, DefaultOnly),
    ("rtspScale", "null", DefaultOnly),
    ("rtspUDPSourcePortRange", "[32768,60999]", Live),
    ("rtpSDP", r#""""#, DefaultOnly),
    ("moqTransport", r#""""#, DefaultOnly),
    ("whepBearerToken", r#""""#, DefaultOnly),
    ("whepSTUNGatherTimeout", r#""5s""#, DefaultOnly),
    ("whepHandshakeTimeout", r#""10s""#, DefaultOnly),
    ("whepTrackGatherTimeout", r#""2s""#, DefaultOnly),
    ("sourceRedirect", r#""""#, DefaultOnly),
    ("runOnInit", r#""""#, DefaultOnly),
    ("runOnInitRestart", "false", DefaultOnly),
    ("runOnDemand", r#""""#, DefaultOnly),
    ("runOnDemandRestart", "false", DefaultOnly),
    ("runOnDemandStartTimeout", r#""10s""#, DefaultOnly),
    ("runOnDemandCloseAfter", r#""10s""#, DefaultOnly),
    ("runOnUnDemand", r#""""#, DefaultOnly),
    ("runOnAvailable", r#""""#, DefaultOnly),
    ("runOnAvailableRestart", "false", DefaultOnly),
    ("runOnUnavailable", r#""""#, DefaultOnly),
    ("runOnOnline", r#""""#, DefaultOnly),
    ("runOnOnlineRestart", "false", DefaultOnly),
    ("runOnOffline", r#""""#, DefaultOnly),
    ("runOnRead", r#""""#, DefaultOnly),
    ("runOnReadRestart", "false", DefaultOnly),
    ("runOnUnread", r#""""#, DefaultOnly),
    ("runOnRecordSegmentCreate", r#""""#, DefaultOnly),
    ("runOnRecordSegmentComplete", r#""""#, DefaultOnly),
    ("sourceProtocol", "", Alias("rtspTransport", Same)),
    ("sourceAnyPortEnable", "", Alias("rtspAnyPort", Same)),
    ("disablePublisherOverride", "", Alias("overridePublisher", Not)),
    ("runOnReady", "", Alias("runOnAvailable", Same)),
    ("runOnReadyRestart", "", Alias("runOnAvailableRestart", Same)),
    ("runOnNotReady", "", Alias("runOnUnavailable", Same)),
    ("fallback", "", Retired),
    ("publishUser", "", Retired),
    ("publishPass", "", Retired),
    ("publishIPs", "", Retired),
    ("readUser", "", Retired),
    ("readPass", "", Retired),
    ("readIPs", "", Retired),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a table of keys, as the reference page has them.
    fn table(keys: impl Iterator<Item = Key>) -> String {
        let default = |key: &Key| key.default.as_ref().map(|value| format!("`{value}`")).unwrap_or_default();
        keys.map(|key| format!("| `{}` | {} | {} |\n", key.name, default(&key), key.effect)).collect()
    }

    #[test]
    fn the_reference_page_has_every_key_with_its_default() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ref/configuration.md");
        let page = std::fs::read_to_string(file).unwrap();
        for table in [table(global_keys()), table(path_keys())] {
            assert!(page.contains(&table), "docs/ref/configuration.md must contain\n{table}");
        }
    }

    #[test]
    fn every_alias_leads_to_a_key_that_is_returned() {
        for (table, rows) in [(&*GLOBAL, GLOBAL_KEYS), (&*PATH, PATH_KEYS)] {
            assert_eq!(table.effects.len(), rows.len(), "a key stands twice");
            for (name, _, effect) in rows {
                if let Alias(target, _) = effect {
                    assert!(table.defaults().contains_key(*target), "{name} leads to {target}");
                }
            }
        }
    }
}
