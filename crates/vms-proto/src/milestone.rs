//! Milestone XProtect: what its servers and their clients say to each other.
//!
//! | module | speaks with | about |
//! |---|---|---|
//! | [`rest`] | API gateway, identity provider | discovery, tokens, configuration, tasks |
//! | [`soap`] | management server, recording server | log-in, recorded sequences, PTZ, stills, manual recording |
//! | [`image_server`] | recording server, on its own TCP protocol | live and recorded pictures |
//! | [`generic_byte_data`] | – | the frame format inside those pictures |
//! | [`release`] | – | which release of the product can do what |
//!
//! Two tokens exist and are not interchangeable. The access token opens the gateway; with it, or with a password,
//! [`soap::server::Login`] gives the VMS token that recording servers ask for, in SOAP and on the image server alike.
//!
//! A time on this wire is UTC: a [`domain::WallTime`], whatever the message writes (milliseconds, ISO 8601).

pub mod generic_byte_data;
pub mod image_server;
pub mod release;
pub mod rest;
pub mod soap;

use domain::WallTime;

/// An unbroken recorded span of a device, or a span with motion, as SOAP, REST and the image server all tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// The time of its first picture.
    pub begin: WallTime,
    /// The time of what began it.
    pub trigger: WallTime,
    /// The time of its last picture.
    pub end: WallTime,
}
