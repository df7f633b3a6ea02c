//! What the way to a peer takes, measured on the feedback about every packet (transport-wide congestion control,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! A packet that waits in a queue on its way arrives later than the quickest ones did. A queue that drains now and then is
//! a burst on its way; one that does not drain for a while means that more is sent than the way takes, and what arrives
//! meanwhile is what it takes. Nothing has to be lost for that, and nothing is sent only to measure.
//!
//! str0m has an estimator of its own, but only together with its pacer. That turns the clock of the whole connection for
//! each single packet, so packets no longer leave in rows; it holds pictures back to the rate of the estimate, fills pauses
//! with padding and probes, and wakes each connection every 25 ms. An operator's picture must not wait for that, so the
//! feedback alone is used here, as str0m hands it out (`enable_raw_packets`), and packets go out by `outbound`.
//!
//! What is not known: how much more the way would take than what is sent. Whoever wants to send more has to try.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A queue is looked at for so long, in the peer's time.
const WINDOW: Duration = Duration::from_millis(500);
/// A window with fewer packets says nothing yet and goes on.
const WINDOW_PACKETS: u32 = 8;
/// A queue whose shortest wait within a window is above this does not drain.
const STANDING: Duration = Duration::from_millis(100);
/// So many windows in a row must end with a standing queue: a burst that leaves a slow way is no congestion.
const STANDING_WINDOWS: u32 = 3;
/// The quickest packets of so long a time, and of the same before, are the measure of those that wait. Clocks that run
/// apart by 100 ppm make a difference of 12 ms meanwhile.
const QUICKEST_OF: Duration = Duration::from_secs(60);
/// A new measurement counts this much of the estimate.
const WEIGHT: f64 = 0.5;
/// Packets whose feedback is awaited; more are not measured.
const IN_FLIGHT: usize = 2048;
/// The peer's time does not leap further than this within one connection; if it does, measuring begins anew.
const LEAP: Duration = Duration::from_secs(30);

/// The measurement of one connection.
#[derive(Debug)]
pub(super) struct Bandwidth {
    /// Where the peer's time, whose origin is unknown, is thought to begin.
    zero: Instant,
    /// What was sent, the oldest first, without what is known to have arrived.
    in_flight: VecDeque<Option<Sent>>,
    /// The number of the packet after the newest.
    next: u64,
    quickest: Quickest,
    window: Option<Window>,
    standing_windows: u32,
    estimate: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    bytes: u32,
}

/// What arrived since the last window was closed.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    newest: Instant,
    bytes: u64,
    packets: u32,
    shortest_us: i64,
}

impl Bandwidth {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            zero: now,
            in_flight: VecDeque::new(),
            next: 0,
            quickest: Quickest::default(),
            window: None,
            standing_windows: 0,
            estimate: None,
        }
    }

    /// Where the peer's time is thought to begin, to read its feedback with.
    pub(super) fn zero(&self) -> Instant {
        self.zero
    }

    /// The number of the packet that is sent next, as the feedback extends its own from.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// Notes a packet that leaves now. Numbers grow by one; what a packet says is their lower half.
    pub(super) fn sent(&mut self, now: Instant, number: u16, bytes: usize) {
        // Modulo 2^16, as the number in the packet is.
        let skipped = number.wrapping_sub(self.next as u16);
        if skipped != 0 {
            self.in_flight.clear();
            self.next += u64::from(skipped);
        }
        if self.in_flight.len() >= IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Some(Sent { at: now, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }));
        self.next += 1;
    }

    /// Takes feedback: the numbers of packets and when they arrived in the peer's time, which counts from
    /// [`Self::zero`]. True when something new is known of the way.
    pub(super) fn reported(&mut self, packets: impl Iterator<Item = (u64, Option<Instant>)>) -> bool {
        let mut learnt = false;
        for (number, arrived) in packets {
            let sent = self.take(number);
            if let (Some(sent), Some(arrived)) = (sent, arrived) {
                learnt |= self.arrived(sent, arrived);
            }
        }
        while self.in_flight.front().is_some_and(Option::is_none) {
            self.in_flight.pop_front();
        }
        learnt
    }

    /// Bits per second that the way takes: measured while it was full, else the most that was seen to arrive.
    pub(super) fn estimate_bps(&self) -> Option<u64> {
        // Negative it cannot be, and a fraction of a bit does not matter.
        self.estimate.map(|bps| bps as u64)
    }

    /// Bits per second that the way takes, while it is given more.
    pub(super) fn limit_bps(&self) -> Option<u64> {
        self.estimate_bps().filter(|_| self.standing_windows >= STANDING_WINDOWS)
    }

    fn take(&mut self, number: u64) -> Option<Sent> {
        let oldest = self.next - self.in_flight.len() as u64;
        let at = usize::try_from(number.checked_sub(oldest)?).ok()?;
        self.in_flight.get_mut(at)?.take()
    }

    fn arrived(&mut self, sent: Sent, arrived: Instant) -> bool {
        let delay_us = us_after(arrived, sent.at);
        let Some(window) = self.window.as_mut().filter(|window| us_after(arrived, window.newest).abs() < LEAP_US)
        else {
            self.quickest = Quickest::default();
            self.quickest.note(arrived, delay_us);
            self.standing_windows = 0;
            self.window = Some(Window::after(arrived));
            return false;
        };
        self.quickest.note(arrived, delay_us);
        window.note(arrived, sent.bytes, delay_us - self.quickest.us());
        let Some((bps, standing)) = window.measured() else {
            return false;
        };
        *window = Window::after(window.newest);
        self.measured(bps, standing);
        true
    }

    fn measured(&mut self, bps: f64, standing: bool) {
        self.standing_windows = if standing { self.standing_windows.saturating_add(1) } else { 0 };
        self.estimate = Some(match self.estimate {
            // What passed before, while the way was not full, says less than the first window in which it is.
            Some(_) if self.standing_windows == 1 => bps,
            Some(before) if standing => before + (bps - before) * WEIGHT,
            Some(before) => before.max(bps),
            None => bps,
        });
    }
}

const LEAP_US: i64 = LEAP.as_micros() as i64;

/// From one instant to another, which may lie before it.
fn us_after(later: Instant, earlier: Instant) -> i64 {
    let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match later.checked_duration_since(earlier) {
        Some(after) => us(after),
        None => -us(earlier.saturating_duration_since(later)),
    }
}

impl Window {
    fn after(arrived: Instant) -> Self {
        Self { begun: arrived, newest: arrived, bytes: 0, packets: 0, shortest_us: i64::MAX }
    }

    fn note(&mut self, arrived: Instant, bytes: u32, waited_us: i64) {
        self.newest = self.newest.max(arrived);
        self.bytes += u64::from(bytes);
        self.packets += 1;
        self.shortest_us = self.shortest_us.min(waited_us);
    }

    /// The rate at which packets arrived and whether a queue stood all the time, once there is enough to tell.
    fn measured(&self) -> Option<(f64, bool)> {
        let span = self.newest.saturating_duration_since(self.begun);
        let standing = self.shortest_us > STANDING.as_micros() as i64;
        let enough = span >= WINDOW && self.packets >= WINDOW_PACKETS;
        enough.then(|| (self.bytes as f64 * 8.0 / span.as_secs_f64(), standing))
    }
}

/// The least delay of the recent past. Both clocks have unknown origins, so only differences to it mean something.
#[derive(Debug, Default)]
struct Quickest {
    since: Option<Instant>,
    now_us: Option<i64>,
    before_us: Option<i64>,
}

impl Quickest {
    fn note(&mut self, arrived: Instant, delay_us: i64) {
        let since = *self.since.get_or_insert(arrived);
        if arrived.saturating_duration_since(since) >= QUICKEST_OF {
            self.since = Some(arrived);
            self.before_us = self.now_us.take();
        }
        self.now_us = Some(self.now_us.map_or(delay_us, |us| us.min(delay_us)));
    }

    fn us(&self) -> i64 {
        let quickest = [self.now_us, self.before_us].into_iter().flatten().min();
        quickest.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
