//! The wire of video management systems: today Milestone XProtect.
//!
//! Both ends use it: the connector of crate `vms` writes requests and reads answers, the simulated system of crate
//! `simulator` reads requests and writes answers. Everything is a pure function or a pure machine: bytes go in, messages
//! come out. No socket, clock, thread or async code is here.
//!
//! What it promises: any bytes a peer sends are read or refused with an [`Error`] that names what was wrong, without a
//! panic and within the limit that stands beside each parser; passwords and tokens are [`domain::Secret`]s, so no
//! message shows one when it is printed. What it does not do: it neither retries nor caches, and it decides nothing.

mod error;
mod form;
pub mod milestone;
mod timestamp;
mod xml;

pub use error::Error;
