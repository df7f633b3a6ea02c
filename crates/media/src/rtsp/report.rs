//! The RTCP of one reader (RFC 3550 section 6): what it is told of the clocks, and what it tells of its reception.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_proto::{
    Error, MediaTime,
    rtcp::{self, ReportBlock, Rtcp, SenderReport},
};

use super::outgoing::{Clock, Outgoing};

/// Reports whose answer is still awaited.
const REPORTS_KEPT: usize = 32;
/// A round trip beyond this is a mistake.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(60);
/// The canonical name of all tracks: they share one clock.
const NAME: &str = "cctv";

/// The sender reports of a session and when they went out.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The middle of each report's NTP time, which its answer repeats.
    sent: VecDeque<(u32, Instant)>,
}

/// What a packet of the client says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// How long packets take to the client and back.
    pub(super) round_trip: Option<Duration>,
    /// It has lost its picture.
    pub(super) keyframe_wanted: bool,
}

impl Reports {
    /// A sender report with its description.
    pub(super) fn write(&mut self, outgoing: &Outgoing, clock: &Clock, now: Instant) -> Bytes {
        let (media_us, wall) = clock.at(now);
        let ntp = wall.to_ntp();
        if self.sent.len() == REPORTS_KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((rtcp::compact_ntp(wall), now));
        let (packets, bytes) = outgoing.sent();
        let rtp = outgoing.timestamp(MediaTime::from_us(media_us, outgoing.track().clock_rate));
        rtcp::sender_report(&SenderReport { ssrc: outgoing.ssrc(), ntp, rtp, packets, bytes }, NAME)
    }

    /// Takes a compound packet of the client.
    pub(super) fn read(&self, data: &[u8], outgoing: &mut [Outgoing], now: Instant) -> Result<Said, Error> {
        let mut said = Said::default();
        for packet in rtcp::parse(data)? {
            match packet {
                Rtcp::ReceiverReport { blocks, .. } => {
                    for block in &blocks {
                        if let Some(outgoing) = outgoing.iter_mut().find(|outgoing| outgoing.ssrc() == block.ssrc) {
                            outgoing.note_report(block.lost, block.jitter);
                            said.round_trip = self.round_trip(block, now).or(said.round_trip);
                        }
                    }
                }
                Rtcp::KeyframeWanted { .. } => said.keyframe_wanted = true,
                Rtcp::SenderReport(_) | Rtcp::Bye { .. } | Rtcp::Nack { .. } | Rtcp::Arrivals(_) => {}
            }
        }
        Ok(said)
    }

    fn round_trip(&self, block: &ReportBlock, now: Instant) -> Option<Duration> {
        let (_, sent) = self.sent.iter().rev().find(|(middle, _)| *middle == block.last_report)?;
        let held = Duration::from_secs_f64(f64::from(block.since_last_report) / 65_536.0);
        let round_trip = now.saturating_duration_since(*sent).saturating_sub(held);
        (round_trip <= ROUND_TRIP_MAX).then_some(round_trip)
    }
}
