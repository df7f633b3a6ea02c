//! End to end: the real `cctv` program with real cameras and real clients, on free loopback ports.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod configuration;
mod scripts;
mod site;
mod wall;
