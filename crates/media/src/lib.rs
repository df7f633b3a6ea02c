//! The media engine: cameras and publishers push access units into one ring per stream; outputs pull with a cursor each.
//!
//! The crate owns streams, the hub that holds them under their path names, sources and outputs. It knows no SQL, no HTTP
//! route, no quota and no identity: whether a caller may watch is asked of [`admission::Admission`], and desired state
//! comes as [`config::Paths`], to which the hub reconciles itself.

pub mod admission;
pub mod catalogue;
pub mod config;
mod datagrams;
mod doze;
mod error;
pub mod hls;
pub mod hub;
pub mod measures;
pub mod rtsp;
pub mod source;
pub mod stream;
pub mod webrtc;

pub use error::Error;
pub use hub::Hub;
pub use stream::{Pulled, Stream, Subscription};
