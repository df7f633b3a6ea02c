//! The HTTP faces of the program: one router for each port, each route a thin call into the crates below.
//!
//! Wire types live beside their routes; errors leave through [`problem`] alone.

pub mod access;
pub mod caller;
mod camera;
pub mod control;
pub mod health;
pub mod hls;
pub mod metrics;
mod openapi;
mod page;
pub mod platform;
pub mod problem;
pub mod request_id;
pub mod wall;
pub mod whep;

pub use camera::Ports;
