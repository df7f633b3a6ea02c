use std::sync::Arc;

use domain::{PathName, SessionId, WallTime};
use media_proto::Track;

use crate::stream::State;

/// A path as it is now, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct PathSnapshot {
    /// Its name.
    pub name: PathName,
    /// The configuration entry it comes from: its own name, a `~pattern` or `all_others`.
    pub entry: String,
    /// What feeds it, if anything does.
    pub source: Option<SourceSnapshot>,
    /// What the source is doing.
    pub state: State,
    /// Since when it can be read without a break.
    pub online_since: Option<WallTime>,
    /// Its tracks.
    pub tracks: Arc<[Track]>,
    /// Payload bytes received.
    pub inbound_bytes: u64,
    /// Payload bytes sent to readers.
    pub outbound_bytes: u64,
    /// Units that could not be used.
    pub inbound_units_in_error: u64,
    /// Bytes of access units its ring holds.
    pub held_bytes: u64,
    /// Units that readers lost because they were slow.
    pub skipped_units: u64,
    /// Times a GOP was too large to keep.
    pub gops_truncated: u64,
    /// Who reads.
    pub readers: Vec<(ReaderKind, SessionId)>,
}

impl PathSnapshot {
    /// Whether it can be read now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state.is_up() && !self.tracks.is_empty()
    }
}

/// What feeds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceSnapshot {
    /// A camera that is pulled by RTSP.
    RtspSource,
    /// A camera behind a video management system.
    VmsSource,
    /// Somebody publishes.
    Publisher(PublisherKind, SessionId),
}

/// The protocol of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublisherKind {
    /// RTSP ANNOUNCE and RECORD.
    RtspSession,
    /// WHIP.
    WebRtcSession,
}

/// The protocol of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReaderKind {
    /// RTSP PLAY.
    RtspSession,
    /// WHEP or a slot of a wall session.
    WebRtcSession,
    /// The LL-HLS packager of the path.
    HlsMuxer,
    /// A reader inside the program: recorder, detector.
    Hidden,
}
