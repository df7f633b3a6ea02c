//! Puts the units of a track on the stream's clock: continuous, close to arrival, in step with the other tracks.

use std::{num::NonZeroU32, time::Instant};

use domain::WallTime;

use crate::{MediaTime, rtcp::SenderReport};

/// A unit further than this from where its arrival says it belongs means that the sender's clock jumped.
const JUMP_US: i64 = 5_000_000;
/// A sender's wall clock is believed when it is within this of ours.
const BELIEVED_US: i64 = 10_000_000;

/// The distance between the sender's wall clock and ours, the same for all tracks, from the first report on.
#[derive(Debug, Default)]
pub(super) struct Offset(Option<i64>);

impl Offset {
    pub(super) fn note(&mut self, sender: WallTime, here: WallTime) {
        self.0.get_or_insert(sender.us_since(here));
    }
}

/// Where a unit belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) ticks: i64,
    pub(super) wall: WallTime,
    pub(super) jumped: bool,
}

#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    rate: NonZeroU32,
    /// The last RTP timestamp and the ticks it was given.
    last: Option<(u32, i64)>,
    start: Option<u32>,
    report: Option<(WallTime, u32)>,
}

impl Clock {
    pub(super) fn new(origin: Instant, rate: NonZeroU32) -> Self {
        Self { origin, rate, last: None, start: None, report: None }
    }

    pub(super) fn start_at(&mut self, timestamp: u32) {
        self.start = Some(timestamp);
    }

    pub(super) fn note_sender_report(&mut self, report: &SenderReport) {
        self.report = Some((WallTime::from_ntp(report.ntp), report.rtp));
    }

    /// Places a unit that arrived at `now`, which is `wall` by our own clock.
    pub(super) fn place(&mut self, timestamp: u32, now: Instant, wall: WallTime, offset: &Offset) -> Placed {
        let arrival = self.ticks_at(now);
        let sent = self.sent(timestamp);
        let (ticks, jumped) = match self.last {
            None => (self.first(timestamp, arrival, wall, sent, offset), false),
            Some((last, ticks)) => {
                let next = ticks + i64::from(timestamp.wrapping_sub(last) as i32);
                let off_us = MediaTime::new(next - arrival, self.rate).to_us();
                if off_us.abs() > JUMP_US { (arrival.max(ticks + 1), true) } else { (next, false) }
            }
        };
        self.last = Some((timestamp, ticks));
        let believed = sent.filter(|sent| sent.us_since(wall).abs() <= BELIEVED_US);
        Placed { ticks, wall: believed.unwrap_or(wall), jumped }
    }

    /// The first unit of a connection lies where it arrived, or where the sender's clock sets it beside the other tracks.
    fn first(&self, timestamp: u32, arrival: i64, wall: WallTime, sent: Option<WallTime>, offset: &Offset) -> i64 {
        if let (Some(sent), Some(offset)) = (sent, offset.0) {
            let late_us = wall.us_since(sent).saturating_add(offset);
            if late_us.abs() < JUMP_US {
                return arrival - MediaTime::from_us(late_us, self.rate).ticks;
            }
        }
        let ahead = self.start.map_or(0, |start| i64::from(timestamp.wrapping_sub(start) as i32));
        let ahead_us = MediaTime::new(ahead, self.rate).to_us();
        // Servers exist whose RTP-Info means nothing.
        if (0..1_000_000).contains(&ahead_us) { arrival + ahead } else { arrival }
    }

    /// When the sender says a timestamp was taken.
    fn sent(&self, timestamp: u32) -> Option<WallTime> {
        let (at, reported) = self.report?;
        let ticks = i64::from(timestamp.wrapping_sub(reported) as i32);
        Some(at.plus_us(MediaTime::new(ticks, self.rate).to_us()))
    }

    fn ticks_at(&self, now: Instant) -> i64 {
        let us = now.saturating_duration_since(self.origin).as_micros();
        MediaTime::from_us(i64::try_from(us).unwrap_or(i64::MAX), self.rate).ticks
    }
}
