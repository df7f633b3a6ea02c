//! The measuring parts: pure but for [`process`] and [`clock`], and the same for every protocol.

pub mod clock;
pub mod frames;
pub mod histogram;
pub mod process;
pub mod rtp;
pub mod verdict;

pub use frames::{Frame, Frames, Totals};
pub use histogram::Histogram;
pub use rtp::RtpFrames;
