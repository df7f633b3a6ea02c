//! Puts the packets of one UDP track back into the order of their sequence numbers.
//!
//! A packet in order passes at once; nothing waits while nothing is missing. Behind a gap packets are held until the
//! missing one comes, or [`HOLD_MAX`] has passed, or [`PACKETS_MAX`] or [`BYTES_MAX`] are held; then the gap counts as
//! loss. Doubled packets are dropped. A sender that starts again, by a new SSRC or two packets in a row that lie far
//! away, is followed at once.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::reception::{DROPOUT_MAX, MISORDER_MAX};
use crate::rtp::Packet;

/// How long packets wait for one that is missing before them.
pub(super) const HOLD_MAX: Duration = Duration::from_millis(100);
/// The most packets that wait.
pub(super) const PACKETS_MAX: usize = 512;
/// The most bytes of payload that wait.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// What the buffer has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets that came after one of a higher number, in time to be put back.
    pub(super) reordered: u64,
    /// Packets that came twice.
    pub(super) duplicates: u64,
    /// Packets that came after their gap had been given up.
    pub(super) late: u64,
}

/// The packets of one track on their way into order.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    source: Option<Source>,
    /// By their number with its wraps above it.
    held: BTreeMap<u64, (Instant, Packet)>,
    held_bytes: usize,
    /// When the first packet behind the first gap came.
    gap_since: Option<Instant>,
    ready: VecDeque<(Instant, Packet)>,
    /// A packet far from the others: a stray, or the first of a sender that started again.
    stray: Option<(Instant, Packet)>,
    counts: Counts,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The number that comes next, with its wraps above it. It starts one wrap up, so that numbers before it exist.
    next: u64,
    /// Bit n: the packet `next - 1 - n` has come.
    seen: u128,
}

impl Reorder {
    /// Takes a packet as it came.
    pub(super) fn push(&mut self, now: Instant, packet: Packet) {
        match self.place(&packet) {
            Place::Next => {
                self.counts.reordered += u64::from(!self.held.is_empty());
                self.pass(now, packet);
                self.release_run();
            }
            Place::Ahead(number) => self.hold(now, number, packet),
            Place::Behind(bit) => self.behind(now, bit, packet),
            Place::Elsewhere => self.elsewhere(now, packet),
        }
        while self.held.len() > PACKETS_MAX || self.held_bytes > BYTES_MAX {
            self.skip_gap();
        }
        self.expire(now);
    }

    fn hold(&mut self, now: Instant, number: u64, packet: Packet) {
        if self.held.contains_key(&number) {
            self.counts.duplicates += 1;
            return;
        }
        self.counts.reordered += u64::from(self.held.last_key_value().is_some_and(|(last, _)| *last > number));
        self.held_bytes += packet.payload.len();
        self.held.insert(number, (now, packet));
        self.gap_since.get_or_insert(now);
    }

    /// Gives up the gaps that have been waited for long enough.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.wake_at().is_some_and(|at| at <= now) {
            self.skip_gap();
        }
    }

    /// When [`Self::expire`] has something to do, unless packets come before.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.gap_since.map(|since| since + HOLD_MAX)
    }

    /// The next packet in order, with the time it came.
    pub(super) fn pop(&mut self) -> Option<(Instant, Packet)> {
        self.ready.pop_front()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn place(&mut self, packet: &Packet) -> Place {
        let Some(source) = self.source.as_ref().filter(|source| source.ssrc == packet.ssrc) else {
            self.begin(packet);
            return Place::Next;
        };
        let step = packet.sequence.wrapping_sub(source.next as u16);
        match (step, u16::MAX - step) {
            (0, _) => Place::Next,
            (step, _) if step <= DROPOUT_MAX => Place::Ahead(source.next + u64::from(step)),
            (_, bit) if bit < MISORDER_MAX => Place::Behind(bit),
            _ => Place::Elsewhere,
        }
    }

    /// The sender begins with this packet; what was held of the one before goes first.
    fn begin(&mut self, packet: &Packet) {
        while !self.held.is_empty() {
            self.skip_gap();
        }
        self.stray = None;
        let next = (1 << 16) + u64::from(packet.sequence);
        self.source = Some(Source { ssrc: packet.ssrc, next, seen: 0 });
    }

    fn behind(&mut self, now: Instant, bit: u16, packet: Packet) {
        let Some(source) = &mut self.source else { return };
        let mask = 1_u128.checked_shl(u32::from(bit)).unwrap_or(0);
        if source.seen & mask != 0 {
            self.counts.duplicates += 1;
            return;
        }
        source.seen |= mask;
        self.counts.late += 1;
        // It is of no more use, but it was not lost.
        self.ready.push_back((now, packet));
    }

    fn elsewhere(&mut self, now: Instant, packet: Packet) {
        let follows = |(_, stray): &mut (Instant, Packet)| stray.sequence.wrapping_add(1) == packet.sequence;
        let Some((at, stray)) = self.stray.take_if(follows) else {
            self.stray = Some((now, packet));
            return;
        };
        self.begin(&stray);
        self.pass(at, stray);
        self.pass(now, packet);
    }

    /// The packet that comes next.
    fn pass(&mut self, at: Instant, packet: Packet) {
        if let Some(source) = &mut self.source {
            source.next += 1;
            source.seen = source.seen << 1 | 1;
        }
        self.ready.push_back((at, packet));
    }

    /// What follows without a gap.
    fn release_run(&mut self) {
        while let Some(entry) = self.held.first_entry()
            && self.source.as_ref().is_some_and(|source| source.next == *entry.key())
        {
            let (at, packet) = entry.remove();
            self.held_bytes -= packet.payload.len();
            self.pass(at, packet);
        }
        self.gap_since = self.held.values().map(|(at, _)| *at).min();
    }

    /// Counts what is missing before the first held packet as lost.
    fn skip_gap(&mut self) {
        if let (Some((first, _)), Some(source)) = (self.held.first_key_value(), &mut self.source) {
            let missing = u32::try_from(first.saturating_sub(source.next)).unwrap_or(u32::MAX);
            source.seen = source.seen.checked_shl(missing).unwrap_or(0);
            source.next = *first;
        }
        self.release_run();
    }
}

/// Where a packet belongs.
enum Place {
    /// It is the one that comes next.
    Next,
    /// Others are missing before it.
    Ahead(u64),
    /// So many packets before the last one that passed.
    Behind(u16),
    /// Nowhere near.
    Elsewhere,
}

#[cfg(test)]
mod tests;
