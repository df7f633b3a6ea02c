//! End to end: the real `cctv` program with real cameras and real clients, on free loopback ports.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalogue;
mod churn;
mod configuration;
mod extremes;
mod faults;
mod hls;
mod lines;
mod load;
mod metrics;
mod players;
mod scripts;
mod site;
mod wall;
