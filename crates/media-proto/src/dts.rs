//! Decoding times of a stream whose pictures carry only presentation times, as RTP and fMP4 need of B-frames.

use std::{cmp::Reverse, collections::BinaryHeap};

/// More reordered pictures than any level allows (H.264 table A-1: 16).
const DEPTH_MAX: usize = 16;

/// Gives each picture, in decoding order, a time that never falls and is never after its presentation time.
#[derive(Clone, Debug)]
pub struct Estimator {
    depth: usize,
    waiting: BinaryHeap<Reverse<i64>>,
    last: Option<i64>,
    interval: i64,
}

impl Estimator {
    /// An estimator that starts from the depth the SPS states (`max_num_reorder_frames`), 0 where it states none; it
    /// learns a greater one when pictures prove it. `interval` is a picture's duration in ticks.
    #[must_use]
    pub fn new(depth: u32, interval: i64) -> Self {
        let depth = usize::try_from(depth).unwrap_or(DEPTH_MAX).min(DEPTH_MAX);
        Self { depth, waiting: BinaryHeap::new(), last: None, interval }
    }

    /// The decoding time of the next picture in decoding order.
    pub fn next(&mut self, pts: i64) -> i64 {
        self.waiting.push(Reverse(pts));
        if self.last.is_some_and(|last| pts <= last) {
            // Shown before something that was given a later decoding time: pictures are reordered deeper than known.
            self.depth = (self.depth + 1).min(DEPTH_MAX);
        }
        let missing = (self.depth + 1).saturating_sub(self.waiting.len());
        let earliest = self.waiting.peek().map_or(pts, |Reverse(earliest)| *earliest);
        let dts = if missing > 0 {
            earliest.min(pts) - self.interval * i64::try_from(missing).unwrap_or(0)
        } else {
            self.waiting.pop();
            earliest
        };
        let dts =
            self.last.map_or(dts, |last| dts.max(last + 1)).min(pts.max(self.last.map_or(i64::MIN, |last| last + 1)));
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: u32, pts: &[i64]) {
        let mut estimator = Estimator::new(depth, 10);
        let dts: Vec<i64> = pts.iter().map(|pts| estimator.next(*pts)).collect();
        assert!(dts.windows(2).all(|two| two[0] < two[1]), "{dts:?}");
        assert!(dts.iter().zip(pts).all(|(dts, pts)| dts <= pts), "{dts:?} of {pts:?}");
    }

    #[test]
    fn times_never_fall_and_are_never_after_presentation() {
        check(0, &[0, 10, 20, 30]);
        check(1, &[0, 20, 10, 40, 30, 60, 50]);
        check(2, &[0, 40, 20, 10, 30, 80, 60, 50, 70]);
    }

    #[test]
    fn without_reordering_decoding_is_presentation() {
        let mut estimator = Estimator::new(0, 10);
        assert_eq!([0, 10, 20].map(|pts| estimator.next(pts)), [0, 10, 20]);
    }
}
