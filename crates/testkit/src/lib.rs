//! What tests of several crates need: the real server and foreign programs as child processes, clips, ports, and the
//! reader of machine-readable pictures.
//!
//! A missing program fails a test with the name of what is missing; nothing here is mocked.

pub mod clip;
pub mod hls_check;
pub mod line;
pub mod loadgen;
pub mod picture;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod program;
pub mod rtsp;
pub mod server;
pub mod soak;
pub mod workspace;

pub use program::Child;
pub use server::Cctv;
