//! What viewers meet, counted in fixed buckets: how long the first picture takes, how long the server holds a picture, how
//! long a part of HLS takes to whoever waits for it.
//!
//! Counting takes no lock and no memory: a reading of the clock and two additions per access unit and viewer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use media_proto::AccessUnit;

use crate::hub::ReaderKind;

/// The limits of the buckets for waiting, in microseconds.
const WAITS_US: &[u64] =
    &[25_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000];
/// The limits of the buckets for passing through, in microseconds.
const PASSING_US: &[u64] = &[250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// Durations, counted by their length.
#[derive(Debug)]
pub struct Histogram {
    limits_us: &'static [u64],
    /// One for each limit, and one for what is longer.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// A histogram as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// For each limit in seconds, how many durations were no longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were in all.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_s: f64,
}

impl Histogram {
    fn new(limits_us: &'static [u64]) -> Self {
        let counts = (0..=limits_us.len()).map(|_| AtomicU64::new(0)).collect();
        Self { limits_us, counts, sum_us: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn add(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.limits_us.partition_point(|limit| *limit < us);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What has been counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut total = 0;
        let mut cumulative = self.counts.iter().map(|count| {
            total += count.load(Ordering::Relaxed);
            total
        });
        let buckets = self.limits_us.iter().zip(&mut cumulative).map(|(limit, count)| (*limit as f64 / 1e6, count));
        let buckets: Vec<_> = buckets.collect();
        let count = cumulative.last().unwrap_or_default();
        Counts { buckets, count, sum_s: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

/// What the viewers of one protocol meet.
#[derive(Debug)]
pub struct Viewers {
    /// From being let in to the first picture that is handed over; for HLS, to the first playlist of the path.
    pub first_picture: Histogram,
    /// From the arrival of an access unit to its being taken for a viewer that keeps up.
    pub added_latency: Histogram,
}

impl Default for Viewers {
    fn default() -> Self {
        Self { first_picture: Histogram::new(WAITS_US), added_latency: Histogram::new(PASSING_US) }
    }
}

/// All that is measured, by protocol.
#[derive(Debug)]
pub struct Measures {
    /// RTSP.
    pub rtsp: Arc<Viewers>,
    /// WHEP and walls.
    pub webrtc: Arc<Viewers>,
    /// LL-HLS.
    pub hls: Arc<Viewers>,
    /// From the moment a playlist or part is there to the answer to who waited for it.
    pub hls_delivery: Histogram,
}

impl Default for Measures {
    fn default() -> Self {
        let viewers = || Arc::new(Viewers::default());
        Self { rtsp: viewers(), webrtc: viewers(), hls: viewers(), hls_delivery: Histogram::new(PASSING_US) }
    }
}

impl Measures {
    /// What counts a reader that hands pictures over itself.
    pub(crate) fn meter(&self, kind: ReaderKind, began: Instant) -> Option<Meter> {
        let viewers = match kind {
            ReaderKind::RtspSession => &self.rtsp,
            ReaderKind::WebRtcSession => &self.webrtc,
            ReaderKind::HlsMuxer | ReaderKind::Hidden => return None,
        };
        Some(Meter { viewers: Arc::clone(viewers), awaits_since: Some(began), keeps_up: false })
    }
}

/// Measures one reader.
#[derive(Debug)]
pub(crate) struct Meter {
    viewers: Arc<Viewers>,
    /// Set until the first picture.
    awaits_since: Option<Instant>,
    /// It has read all there was; what it reads now is live.
    keeps_up: bool,
}

impl Meter {
    /// The reader takes a unit.
    pub(crate) fn took(&mut self, unit: &AccessUnit) {
        if self.keeps_up {
            self.viewers.added_latency.add(unit.head().arrived.elapsed());
        }
        if unit.head().keyframe
            && let Some(began) = self.awaits_since.take()
        {
            self.viewers.first_picture.add(began.elapsed());
        }
    }

    /// The reader has taken all there is.
    pub(crate) fn took_all(&mut self) {
        self.keeps_up = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_each_limit_and_beyond() {
        let histogram = Histogram::new(&[1_000, 5_000]);
        for us in [0, 1_000, 1_001, 5_000, 9_000] {
            histogram.add(Duration::from_micros(us));
        }
        let want = Counts { buckets: vec![(0.001, 2), (0.005, 4)], count: 5, sum_s: 0.016_001 };
        assert_eq!(histogram.counts(), want);
    }
}
