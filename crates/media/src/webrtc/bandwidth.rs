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
//! feedback alone is used here, and packets go out by `outbound`.
//!
//! What is not known: how much more the way would take than what is sent. Whoever wants to send more has to try.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use media_proto::rtcp::Arrivals;

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
    /// What was sent, the oldest first, without what is known to have arrived.
    in_flight: VecDeque<Option<Sent>>,
    /// The number of the packet after the newest.
    next: u16,
    quickest: Quickest,
    window: Option<Window>,
    standing_windows: u32,
    estimate: Option<f64>,
    /// When this began.
    zero: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    bytes: u32,
}

/// What arrived since the last window was closed.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// By the peer's time in microseconds, whose origin is unknown.
    begun_us: i64,
    newest_us: i64,
    bytes: u64,
    packets: u32,
    shortest_us: i64,
}

impl Bandwidth {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_flight: VecDeque::new(),
            next: 0,
            quickest: Quickest::default(),
            window: None,
            standing_windows: 0,
            estimate: None,
            zero: now,
        }
    }

    /// The transport-wide number of the packet that is sent next.
    pub(super) fn next_number(&self) -> u16 {
        self.next
    }

    /// Notes that the packet with the next number leaves now.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        if self.in_flight.len() >= IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Some(Sent { at: now, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }));
        // Modulo 2^16, as the number in the packet is.
        self.next = self.next.wrapping_add(1);
    }

    /// Takes feedback. True when something new is known of the way.
    pub(super) fn reported(&mut self, arrivals: &Arrivals) -> bool {
        let mut learnt = false;
        for (number, arrived_us) in &arrivals.arrived {
            if let Some(sent) = self.take(*number) {
                learnt |= self.arrived(sent, *arrived_us);
            }
        }
        // What did not arrive is not waited for.
        for at in 0..arrivals.count {
            self.take(arrivals.first.wrapping_add(at));
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

    fn take(&mut self, number: u16) -> Option<Sent> {
        let behind = usize::from(self.next.wrapping_sub(number));
        self.in_flight.get_mut(self.in_flight.len().checked_sub(behind)?)?.take()
    }

    fn arrived(&mut self, sent: Sent, arrived_us: i64) -> bool {
        let sent_us = i64::try_from(sent.at.saturating_duration_since(self.zero).as_micros()).unwrap_or(i64::MAX);
        let delay_us = arrived_us.saturating_sub(sent_us);
        let Some(window) = self.window.as_mut().filter(|window| (arrived_us - window.newest_us).abs() < LEAP_US) else {
            self.quickest = Quickest::default();
            self.quickest.note(arrived_us, delay_us);
            self.standing_windows = 0;
            self.window = Some(Window::after(arrived_us));
            return false;
        };
        self.quickest.note(arrived_us, delay_us);
        window.note(arrived_us, sent.bytes, delay_us - self.quickest.us());
        let Some((bps, standing)) = window.measured() else {
            return false;
        };
        *window = Window::after(window.newest_us);
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
const QUICKEST_OF_US: i64 = QUICKEST_OF.as_micros() as i64;

impl Window {
    fn after(arrived_us: i64) -> Self {
        Self { begun_us: arrived_us, newest_us: arrived_us, bytes: 0, packets: 0, shortest_us: i64::MAX }
    }

    fn note(&mut self, arrived_us: i64, bytes: u32, waited_us: i64) {
        self.newest_us = self.newest_us.max(arrived_us);
        self.bytes += u64::from(bytes);
        self.packets += 1;
        self.shortest_us = self.shortest_us.min(waited_us);
    }

    /// The rate at which packets arrived and whether a queue stood all the time, once there is enough to tell.
    fn measured(&self) -> Option<(f64, bool)> {
        let span = Duration::from_micros((self.newest_us - self.begun_us).unsigned_abs());
        let standing = self.shortest_us > STANDING.as_micros() as i64;
        let enough = span >= WINDOW && self.packets >= WINDOW_PACKETS;
        enough.then(|| (self.bytes as f64 * 8.0 / span.as_secs_f64(), standing))
    }
}

/// The least delay of the recent past. Both clocks have unknown origins, so only differences to it mean something.
#[derive(Debug, Default)]
struct Quickest {
    since_us: Option<i64>,
    now_us: Option<i64>,
    before_us: Option<i64>,
}

impl Quickest {
    fn note(&mut self, arrived_us: i64, delay_us: i64) {
        let since_us = *self.since_us.get_or_insert(arrived_us);
        if arrived_us - since_us >= QUICKEST_OF_US {
            self.since_us = Some(arrived_us);
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
