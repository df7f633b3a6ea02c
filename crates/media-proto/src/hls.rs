//! The text of HLS playlists (draft-pantos-hls-rfc8216bis) and the delivery directives of a request.

mod date;
mod directives;
mod multivariant;
mod playlist;

use std::fmt::Write as _;

pub use directives::Directives;
pub use multivariant::{Variant, multivariant};
pub use playlist::{LowLatency, MediaPlaylist, Opening, Part, RenditionReport, Segment};

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}
