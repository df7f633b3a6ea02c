//! Generic byte data: the frame format inside image responses, as XProtect stores it.
//!
//! A *packet* is a header of 32 bytes, big-endian, and a body: one access unit of H.264 or H.265, or one JPEG picture.
//! The bytes that come are not always one packet: some servers send bare JPEG under this content type, some send packets
//! one after the other or inside a *block*, and one report shows a header of 36 bytes in another order. [`frames`]
//! therefore looks at what it is given; [`Form`] says what it found.
//!
//! Codec and keyframes are told from the body where it shows them, never from the header alone. It decodes nothing and
//! knows nothing of audio and metadata but their header.

mod codec;
mod nal;
mod packet;
mod sniff;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use domain::WallTime;

pub use codec::Codec;
pub use nal::{annex_b, nal_units};
pub use packet::{ALTERNATE_HEADER_BYTES, HEADER_BYTES, Header, Kind, write_alternate, write_block, write_packet};
pub use sniff::frames;

/// The most packets in one image response: a GOP of a minute at 60 frames per second.
pub const PACKETS_MAX: usize = 3600;
/// The most NAL units of an access unit.
pub const NAL_UNITS_MAX: usize = 1024;

/// One frame, without any header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it came in.
    pub form: Form,
    /// What it is.
    pub media: Media,
    /// Its own time, if its header tells one. The `Current` of the image response is the better one.
    pub at: Option<WallTime>,
    /// The time of the keyframe it belongs to, if its header tells one.
    pub keyframe_at: Option<WallTime>,
    /// Counts up by one and wraps, if its header tells it.
    pub sequence: Option<u16>,
    /// The frame: Annex B or length-prefixed NAL units ([`nal_units`] takes either), a JPEG picture, audio, metadata.
    pub body: Bytes,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// A picture.
    Video {
        /// How it is encoded.
        codec: Codec,
        /// Whether decoding can begin here: told from the NAL units where there are some, true for every JPEG picture.
        is_keyframe: bool,
    },
    /// Sound, with the vendor's number of its codec.
    Audio(u16),
    /// Metadata, with the vendor's number of its format.
    Metadata(u16),
}

/// What a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A packet with a header of 32 bytes.
    Packet,
    /// A packet with the other header, of 36 bytes as far as is known.
    Alternate,
    /// Nothing at all.
    Bare,
    /// Bytes that are not understood; the frame was found behind them.
    Unknown,
}
