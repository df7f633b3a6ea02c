//! Cameras that are not there: RTSP servers that play looped clips, for the demonstration, tests and load.
//!
//! A [`Simulator`] runs a fleet of them, each on a port of its own like a device on the network, with a main and a sub
//! stream. Every picture carries its own number and its camera's in plain boxes ([`picture`]), so that a test can tell
//! from pixels alone whether what it sees is live and whose it is, and a [`Stamp`] for what reads no pixels. Cameras can be stopped, frozen and swapped.
//!
//! The crate knows cameras only. A video management system in front of them takes the same [`CameraPlan`]s.

mod camera;
mod clip;
pub mod clips;
mod error;
pub mod fleet;
pub mod picture;
mod scene;
mod simulator;
mod stamp;

pub use clip::Clip;
pub use error::Error;
pub use fleet::CameraPlan;
pub use simulator::Simulator;
pub use stamp::Stamp;
