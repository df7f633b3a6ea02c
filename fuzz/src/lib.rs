//! What must hold for any bytes a peer sends. Each function is one target: `fuzz_targets/` gives it to libFuzzer, and
//! `media`'s test `corpus` runs it over the committed corpus and over mutations of it, without a nightly compiler.

mod control;
mod records;
mod rtp;
mod rtsp;
mod sets;
mod webrtc;

pub use control::{control_json, ctl, hls_directives, ice_fragment};
pub use rtp::{
    depacketize_aac, depacketize_g711, depacketize_h264, depacketize_h265, depacketize_opus, ingest, rfc4571, rtcp,
    rtp, srtcp,
};
pub use rtsp::{rtsp_auth, rtsp_client, rtsp_framing, rtsp_server, rtsp_url, sdp};
pub use sets::{h264, h265};
pub use webrtc::{first_packets, ice_restart, whep_offer, whip_offer};

/// A target.
pub type Target = fn(&[u8]);

/// Every target with the name of its directory in `corpus/`.
pub const TARGETS: [(&str, Target); 26] = [
    ("control_json", control_json),
    ("ctl", ctl),
    ("depacketize_aac", depacketize_aac),
    ("depacketize_g711", depacketize_g711),
    ("depacketize_h264", depacketize_h264),
    ("depacketize_h265", depacketize_h265),
    ("depacketize_opus", depacketize_opus),
    ("first_packets", first_packets),
    ("h264", h264),
    ("h265", h265),
    ("hls_directives", hls_directives),
    ("ice_fragment", ice_fragment),
    ("ice_restart", ice_restart),
    ("ingest", ingest),
    ("rfc4571", rfc4571),
    ("rtcp", rtcp),
    ("rtp", rtp),
    ("rtsp_auth", rtsp_auth),
    ("rtsp_client", rtsp_client),
    ("rtsp_framing", rtsp_framing),
    ("rtsp_server", rtsp_server),
    ("rtsp_url", rtsp_url),
    ("sdp", sdp),
    ("srtcp", srtcp),
    ("whep_offer", whep_offer),
    ("whip_offer", whip_offer),
];
