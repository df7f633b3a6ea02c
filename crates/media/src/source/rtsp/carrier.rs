//! Whether UDP does its work, and what is tried instead.

use std::time::{Duration, Instant};

use media_proto::{ingest, rtsp::client::Carrier};

use crate::config::RtspTransport;

/// The longest wait for the first packet by UDP once the camera plays.
pub(super) const FIRST_PACKET_MAX: Duration = Duration::from_secs(3);
/// Loss is measured over this long.
const LOSS_SPAN: Duration = Duration::from_secs(5);
/// More lost packets of a hundred than this, and UDP is of no use.
const LOSS_PERCENT_MAX: u64 = 5;
/// With fewer packets than this in a span, loss says nothing.
const LOSS_PACKETS_MIN: u64 = 50;
/// After it was of no use, UDP is not tried again for this long.
pub(super) const UDP_RETRY_AFTER: Duration = Duration::from_secs(600);

/// What carries a camera's tracks, and what does when the camera refuses that. `udp_failed`: UDP was of no use, a short
/// time ago.
pub(super) fn choose(transport: RtspTransport, udp_failed: bool, any_port: bool) -> (Carrier, Option<Carrier>) {
    let udp = Carrier::Udp { any_port };
    match transport {
        RtspTransport::Automatic => (Carrier::Tcp, Some(udp)),
        RtspTransport::Udp if !udp_failed => (udp, Some(Carrier::Tcp)),
        RtspTransport::Udp | RtspTransport::Tcp => (Carrier::Tcp, None),
    }
}

/// Watches the packets of a connection by UDP.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    heard: bool,
    /// When the span began, with what had come and was lost by then.
    span: (Instant, u64, u64),
}

impl Watch {
    /// From the moment on at which the camera plays.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, heard: false, span: (now, 0, 0) }
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Instant {
        if self.heard { self.span.0 + LOSS_SPAN } else { self.began + FIRST_PACKET_MAX }
    }

    /// Why UDP is of no use, once that is certain.
    pub(super) fn look(&mut self, now: Instant, stats: &ingest::Stats) -> Option<String> {
        self.heard |= stats.packets > 0;
        if !self.heard {
            let late = now.saturating_duration_since(self.began) >= FIRST_PACKET_MAX;
            return late.then(|| format!("no packet came within {} s", FIRST_PACKET_MAX.as_secs()));
        }
        let (since, packets, lost) = self.span;
        if now.saturating_duration_since(since) < LOSS_SPAN {
            return None;
        }
        self.span = (now, stats.packets, stats.lost);
        let (packets, lost) = (stats.packets.saturating_sub(packets), stats.lost.saturating_sub(lost));
        let percent = (lost * 100).checked_div(packets + lost).unwrap_or(0);
        let lossy = packets + lost >= LOSS_PACKETS_MIN && percent > LOSS_PERCENT_MAX;
        lossy.then(|| format!("{percent} % of the packets were lost"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at these packets and losses, so many seconds after playing began.
    fn looks(steps: &[(u64, u64, u64)]) -> Option<String> {
        let began = super::super::now();
        let mut watch = Watch::new(began);
        steps.iter().find_map(|(at, packets, lost)| {
            let stats = ingest::Stats { packets: *packets, lost: *lost, ..ingest::Stats::default() };
            watch.look(began + Duration::from_secs(*at), &stats)
        })
    }

    #[test]
    fn udp_is_given_up_when_nothing_comes_or_much_is_lost() {
        assert_eq!(looks(&[(1, 0, 0), (2, 0, 0)]), None);
        assert_eq!(looks(&[(1, 0, 0), (3, 0, 0)]).as_deref(), Some("no packet came within 3 s"));
        assert_eq!(looks(&[(3, 100, 0), (5, 200, 5), (10, 400, 10)]), None);
        assert_eq!(looks(&[(3, 100, 0), (5, 200, 25)]).as_deref(), Some("11 % of the packets were lost"));
        assert_eq!(looks(&[(5, 200, 5), (10, 400, 35)]).as_deref(), Some("13 % of the packets were lost"));
        assert_eq!(looks(&[(5, 10, 9), (10, 20, 20)]), None, "too few to tell");
    }

    #[test]
    fn each_transport_has_its_order() {
        let udp = Carrier::Udp { any_port: true };
        for (transport, failed, expected) in [
            (RtspTransport::Automatic, false, (Carrier::Tcp, Some(udp))),
            (RtspTransport::Udp, false, (udp, Some(Carrier::Tcp))),
            (RtspTransport::Udp, true, (Carrier::Tcp, None)),
            (RtspTransport::Tcp, false, (Carrier::Tcp, None)),
        ] {
            assert_eq!(choose(transport, failed, true), expected, "{transport:?}");
        }
    }
}
