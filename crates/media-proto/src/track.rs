//! What a stream is made of: its tracks and their codecs.

mod video;

use std::num::NonZeroU32;

use bytes::Bytes;

pub use video::Video;

/// A track's place in its stream, counted from 0 in the order of the session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u8);

/// The sort of media in a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Anything else that is timed, such as ONVIF metadata.
    Metadata,
}

/// One track of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its place.
    pub id: TrackId,
    /// Its codec with everything a decoder needs before the first unit.
    pub codec: Codec,
    /// Ticks per second of its RTP timestamps and of its media time.
    pub clock_rate: NonZeroU32,
    /// The RTP payload type it arrives with (0–127).
    pub payload_type: u8,
}

impl Track {
    /// The sort of media.
    #[must_use]
    pub fn kind(&self) -> TrackKind {
        self.codec.kind()
    }
}

/// A codec and its out-of-band parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, RTP form RFC 6184. Parameter sets are NAL units without start code, empty while unknown.
    H264 {
        /// Sequence parameter set.
        sps: Bytes,
        /// Picture parameter set.
        pps: Bytes,
    },
    /// ITU-T H.265, RTP form RFC 7798. Parameter sets are NAL units without start code, empty while unknown.
    H265 {
        /// Video parameter set.
        vps: Bytes,
        /// Sequence parameter set.
        sps: Bytes,
        /// Picture parameter set.
        pps: Bytes,
    },
    /// MPEG-4 AAC in `AAC-hbr` mode, RFC 3640.
    Aac {
        /// `AudioSpecificConfig`, ISO/IEC 14496-3 section 1.6.2.1.
        config: Bytes,
        /// Samples per second.
        sample_rate: u32,
        /// Channels, 1 to 8.
        channels: u8,
        /// Bits of the size field of an AU header (`sizeLength`).
        size_length: u8,
        /// Bits of the index field of an AU header (`indexLength`).
        index_length: u8,
        /// Bits of the index delta field of an AU header (`indexDeltaLength`).
        index_delta_length: u8,
    },
    /// Opus, RFC 7587.
    Opus {
        /// Channels, 1 or 2.
        channels: u8,
    },
    /// G.711, RFC 3551 section 4.5.14.
    G711 {
        /// µ-law when true, A-law when false.
        mu_law: bool,
        /// Channels.
        channels: u8,
    },
    /// A track that passes through untouched, such as `application/vnd.onvif.metadata` or KLV.
    Generic {
        /// The media word of the SDP: `video`, `audio` or `application`.
        media: String,
        /// The encoding name of its `rtpmap`, as the source spells it; empty when it has none.
        encoding: String,
        /// Channels of its `rtpmap`, where given.
        channels: Option<u8>,
        /// Its `fmtp` parameters without the payload type, where given.
        fmtp: Option<String>,
    },
}

impl Codec {
    /// The sort of media.
    #[must_use]
    pub fn kind(&self) -> TrackKind {
        match self {
            Self::H264 { .. } | Self::H265 { .. } => TrackKind::Video,
            Self::Aac { .. } | Self::Opus { .. } | Self::G711 { .. } => TrackKind::Audio,
            Self::Generic { media, .. } => match media.as_str() {
                "video" => TrackKind::Video,
                "audio" => TrackKind::Audio,
                _ => TrackKind::Metadata,
            },
        }
    }

    /// The parameter sets a decoder needs before a keyframe, in the order they are sent; empty for codecs without.
    #[must_use]
    pub fn parameter_sets(&self) -> Vec<Bytes> {
        let sets = match self {
            Self::H264 { sps, pps } => vec![sps, pps],
            Self::H265 { vps, sps, pps } => vec![vps, sps, pps],
            Self::Aac { .. } | Self::Opus { .. } | Self::G711 { .. } | Self::Generic { .. } => {
                vec![]
            }
        };
        sets.into_iter().filter(|set| !set.is_empty()).cloned().collect()
    }
}

impl Track {
    /// Whether a unit of `other` can follow one of this track: everything is alike but the parameter sets.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        let codecs_alike = match (&self.codec, &other.codec) {
            (Codec::H264 { .. }, Codec::H264 { .. }) | (Codec::H265 { .. }, Codec::H265 { .. }) => true,
            (own, other) => own == other,
        };
        codecs_alike
            && self.id == other.id
            && self.clock_rate == other.clock_rate
            && self.payload_type == other.payload_type
    }
}
