//! What a receiver knows of a source by its sequence numbers and arrival times, RFC 3550 sections 6.4.1, A.1, A.3, A.8.

use std::{num::NonZeroU32, time::Instant};

use crate::{
    rtcp::{ReportBlock, SenderReport},
    rtp::Packet,
};

/// A step back of up to this many packets is a late or doubled packet; a longer one is a new beginning.
pub(super) const MISORDER_MAX: u16 = 100;
/// A step forward of more than this is a new beginning, not loss.
pub(super) const DROPOUT_MAX: u16 = 3000;

#[derive(Debug)]
pub(super) struct Reception {
    rate: NonZeroU32,
    own_ssrc: u32,
    source: Option<Source>,
    jitter: f64,
    lost_before: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    first: u32,
    /// With its wraps above it.
    highest: u32,
    received: u64,
    reported: (u64, u64),
    last: (Instant, u32),
    sender_report: Option<(u64, Instant)>,
}

impl Source {
    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

impl Reception {
    pub(super) fn new(track: u8, rate: NonZeroU32) -> Self {
        // Any value will do that differs between our tracks; a receiver's SSRC only labels its reports.
        Self { rate, own_ssrc: 0x6363_7400 | u32::from(track), source: None, jitter: 0.0, lost_before: 0 }
    }

    pub(super) fn own_ssrc(&self) -> u32 {
        self.own_ssrc
    }

    pub(super) fn source_ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    pub(super) fn jitter(&self) -> f64 {
        self.jitter
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// Takes note of a packet. How many are missing before it, or `None` when it is late or doubled and of no use.
    pub(super) fn note(&mut self, now: Instant, packet: &Packet) -> Option<u64> {
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == packet.ssrc) else {
            let renewed = self.source.is_some();
            self.begin(now, packet);
            return Some(u64::from(renewed));
        };
        let step = packet.sequence.wrapping_sub(source.highest as u16);
        if step == 0 || step > u16::MAX - MISORDER_MAX {
            source.received += u64::from(step != 0);
            return None;
        }
        if step > DROPOUT_MAX {
            self.begin(now, packet);
            return Some(1);
        }
        source.highest = source.highest.wrapping_add(u32::from(step));
        source.received += 1;
        let (at, timestamp) = std::mem::replace(&mut source.last, (now, packet.timestamp));
        let arrived = now.saturating_duration_since(at).as_secs_f64() * f64::from(self.rate.get());
        let sent = f64::from(packet.timestamp.wrapping_sub(timestamp) as i32);
        if packet.timestamp != timestamp {
            self.jitter += ((arrived - sent).abs() - self.jitter) / 16.0;
        }
        Some(u64::from(step) - 1)
    }

    fn begin(&mut self, now: Instant, packet: &Packet) {
        self.lost_before = self.lost();
        self.source = Some(Source {
            ssrc: packet.ssrc,
            first: u32::from(packet.sequence),
            highest: u32::from(packet.sequence),
            received: 1,
            reported: (0, 0),
            last: (now, packet.timestamp),
            sender_report: None,
        });
    }

    pub(super) fn note_sender_report(&mut self, now: Instant, report: &SenderReport) {
        if let Some(source) = &mut self.source {
            source.sender_report = Some((report.ntp, now));
        }
    }

    /// The report block of now.
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let (expected_before, received_before) = source.reported;
        source.reported = (source.expected(), source.received);
        let expected = source.expected().saturating_sub(expected_before);
        let lost = expected.saturating_sub(source.received.saturating_sub(received_before));
        let (last_report, since_last_report) = source.sender_report.map_or((0, 0), |(ntp, at)| {
            let since = now.saturating_duration_since(at).as_secs_f64() * 65_536.0;
            ((ntp >> 16) as u32, since as u32)
        });
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).map_or(0, |part| part.min(255) as u8),
            lost: i32::try_from(source.lost()).unwrap_or(i32::MAX),
            highest_sequence: source.highest,
            jitter: self.jitter as u32,
            last_report,
            since_last_report,
        })
    }
}
