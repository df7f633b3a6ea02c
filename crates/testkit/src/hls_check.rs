//! Our checker of LL-HLS (draft-pantos-hls-rfc8216bis): rules over playlists, and a run against a live server.
//!
//! Each rule has the number of its line in the checklist of docs/ref/conformance.md. The rules are pure: a test proves each
//! one red with a playlist that breaks it. [`run`] follows a live stream as a player does and applies them to what it gets.

mod delivery;
mod playlist;
mod rules;
mod watch;

pub use playlist::{Media, Part, Segment};
pub use rules::{delta, over_time, renditions, standing, successive};
pub use watch::{Report, run};

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the checklist.
    pub rule: u8,
    /// What was found.
    pub found: String,
}

fn fault(rule: u8, found: impl Into<String>) -> Fault {
    Fault { rule, found: found.into() }
}
