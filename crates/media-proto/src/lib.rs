//! The wire of the media engine: NAL units, access units, RTP and RTCP, SDP, RTSP, fragmented MP4, HLS playlists.
//!
//! Everything is a pure function or a pure state machine: bytes and `now` go in, bytes and access units come out. No
//! socket, clock, thread or async code is here, so every machine is tested by replaying bytes and fuzzed in one line.

pub mod depacketizer;
pub mod dts;
mod error;
pub mod fmp4;
pub mod h264;
pub mod h265;
pub mod hls;
pub mod ingest;
pub mod packetizer;
pub mod rfc4571;
pub mod rtcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod srtp;
pub mod track;
pub mod unit;

pub use error::Error;
pub use track::{Codec, Track, TrackId, TrackKind};
pub use unit::{AccessUnit, MediaTime, Payload, RtpPacket, SmallPacket};
