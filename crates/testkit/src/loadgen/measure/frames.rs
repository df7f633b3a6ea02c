//! What one reader saw of one stream, access unit by access unit: loss, tears, delay, freezes, the first picture.

use serde_json::{Value, json};

use super::Histogram;
use crate::loadgen::stamp::Stamp;

/// A pause of so many frame times is a freeze.
const FREEZE_FRAMES: u64 = 3;

/// An access unit that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its stamp; `None` when it was lost, or never there.
    pub stamp: Option<Stamp>,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Bytes of slices that came.
    pub slice_bytes: u64,
    /// A packet of it was missing.
    pub broken: bool,
    /// When its last byte came.
    pub complete_ns: u64,
}

/// The eye on one stream.
#[derive(Clone, Debug)]
pub struct Frames {
    stream: Option<u32>,
    freeze_ns: u64,
    opened_ns: u64,
    next: Option<u32>,
    last_ns: Option<u64>,
    pictured: bool,
    totals: Totals,
}

/// What was counted; of one reader or of many.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Whole access units.
    pub frames: u64,
    /// Counters that never came, or came torn.
    pub lost: u64,
    /// Access units of which a part is missing.
    pub torn: u64,
    /// Access units without a stamp.
    pub unstamped: u64,
    /// Access units of another stream.
    pub foreign: u64,
    /// Pauses of more than three frame times.
    pub freezes: u64,
    /// Counters that came twice or went back.
    pub repeated: u64,
    /// From sending to the last byte.
    pub latency: Histogram,
    /// From one access unit to the next.
    pub pause: Histogram,
    /// From opening the connection to the end of the first keyframe.
    pub first_picture: Histogram,
}

impl Frames {
    /// An eye on stream `stream`, or on any where it is `None`, of so many frames per second; its reader connects at `opened_ns`.
    #[must_use]
    pub fn new(stream: Option<u32>, fps: f64, opened_ns: u64) -> Self {
        let freeze_ns = FREEZE_FRAMES * (1e9 / fps) as u64;
        Self { stream, freeze_ns, opened_ns, next: None, last_ns: None, pictured: false, totals: Totals::default() }
    }

    /// Takes only a pause above so many nanoseconds for a freeze, where access units come in groups.
    #[must_use]
    pub fn freezing_after(self, freeze_ns: u64) -> Self {
        Self { freeze_ns, ..self }
    }

    /// Forgets what was counted, but for the first picture: the measured window begins.
    pub fn begin(&mut self) {
        let first_picture = std::mem::take(&mut self.totals.first_picture);
        self.totals = Totals { first_picture, ..Totals::default() };
    }

    /// The window is over: a pause that still lasts is a freeze too.
    pub fn end(&mut self, now_ns: u64) {
        self.pause(now_ns);
    }

    /// Takes an access unit.
    pub fn take(&mut self, frame: &Frame) {
        let Some(stamp) = frame.stamp else {
            self.totals.unstamped += u64::from(!frame.broken);
            self.totals.torn += u64::from(frame.broken);
            return;
        };
        if self.stream.is_some_and(|own| own != stamp.stream) {
            self.totals.foreign += 1;
            return;
        }
        if frame.broken || frame.slice_bytes != u64::from(stamp.slice_bytes) {
            self.totals.torn += 1;
            return;
        }
        self.whole(stamp, frame);
    }

    /// What was counted so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    fn whole(&mut self, stamp: Stamp, frame: &Frame) {
        let expected = self.next.unwrap_or(stamp.counter);
        // A publisher that begins again begins at 0; all else that goes back is a repetition.
        if stamp.counter < expected && stamp.counter != 0 {
            self.totals.repeated += 1;
            return;
        }
        self.totals.lost += u64::from(stamp.counter.saturating_sub(expected));
        self.next = Some(stamp.counter.wrapping_add(1));
        self.totals.frames += 1;
        self.totals.latency.add_ns(frame.complete_ns.saturating_sub(stamp.sent_ns));
        self.pause(frame.complete_ns);
        self.last_ns = Some(frame.complete_ns);
        if frame.keyframe && !self.pictured {
            self.pictured = true;
            self.totals.first_picture.add_ns(frame.complete_ns.saturating_sub(self.opened_ns));
        }
    }

    fn pause(&mut self, now_ns: u64) {
        let Some(last_ns) = self.last_ns else { return };
        let pause = now_ns.saturating_sub(last_ns);
        self.totals.pause.add_ns(pause);
        self.totals.freezes += u64::from(pause > self.freeze_ns);
    }
}

impl Totals {
    /// Adds what another reader counted.
    pub fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.lost += other.lost;
        self.torn += other.torn;
        self.unstamped += other.unstamped;
        self.foreign += other.foreign;
        self.freezes += other.freezes;
        self.repeated += other.repeated;
        self.latency.merge(&other.latency);
        self.pause.merge(&other.pause);
        self.first_picture.merge(&other.first_picture);
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "frames": self.frames,
            "lost_frames": self.lost,
            "torn_frames": self.torn,
            "unstamped_frames": self.unstamped,
            "foreign_frames": self.foreign,
            "repeated_frames": self.repeated,
            "freezes": self.freezes,
            "latency_ms": self.latency.to_json(),
            "pause_ms": self.pause.to_json(),
            "first_picture_ms": self.first_picture.to_json(),
        })
    }
}

#[cfg(test)]
mod tests;
