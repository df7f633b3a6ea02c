//! One outgoing track of a peer connection: what waits to be sent on it, and its clock.

use std::{collections::VecDeque, sync::atomic::Ordering, time::Instant};

use media_proto::{AccessUnit, Codec, Track};
use str0m::{
    Rtc,
    media::{Mid, Pt},
    rtp::RtpWrite,
};

use super::{
    offer::AudioTypes,
    payload,
    timeline::{Anchor, Timeline},
};
use crate::Stream;

/// Units that wait beyond this are thrown away and the viewer begins anew: its network does not take the stream.
const WAITING_UNITS: usize = 4096;

/// A frame that was sent: what it costs and how it was stamped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) bytes: usize,
    pub(super) packets: usize,
}

/// One outgoing track.
#[derive(Debug)]
pub(super) struct Outlet {
    mid: Mid,
    pt: Option<Pt>,
    timeline: Timeline,
    codec: Option<Codec>,
    /// Where what waits comes from, to count what is sent of it.
    source: Option<Stream>,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    unit: AccessUnit,
    ticks: i64,
    shown: Instant,
}

impl Outlet {
    /// A video track of H.264.
    pub(super) fn video(mid: Mid, pt: Pt, epoch: Instant) -> Self {
        Self::new(mid, Some(pt), 90_000, epoch)
    }

    /// An audio track; its codec comes with [`Outlet::set_audio`].
    pub(super) fn audio(mid: Mid, epoch: Instant) -> Self {
        Self::new(mid, None, 48_000, epoch)
    }

    fn new(mid: Mid, pt: Option<Pt>, rate: u32, epoch: Instant) -> Self {
        let timeline = Timeline::new(rate, epoch, rand::random(), rand::random());
        Self { mid, pt, timeline, codec: None, source: None, waiting: VecDeque::new() }
    }

    pub(super) fn mid(&self) -> Mid {
        self.mid
    }

    pub(super) fn set_video(&mut self, source: &Stream, track: &Track) {
        self.come_from(source);
        self.codec = Some(track.codec.clone());
    }

    /// Chooses the payload type for an audio track. False when the peer offered none for its codec.
    pub(super) fn set_audio(&mut self, source: &Stream, track: &Track, types: AudioTypes) -> bool {
        self.come_from(source);
        self.pt = match track.codec {
            Codec::Opus { .. } => types.opus,
            Codec::G711 { mu_law: true, channels: 1 } if track.clock_rate.get() == 8_000 => types.mu_law,
            Codec::G711 { mu_law: false, channels: 1 } if track.clock_rate.get() == 8_000 => types.a_law,
            Codec::H264 { .. }
            | Codec::H265 { .. }
            | Codec::Aac { .. }
            | Codec::G711 { .. }
            | Codec::Generic { .. } => None,
        };
        self.codec = Some(track.codec.clone());
        self.timeline.set_rate(track.clock_rate.get());
        self.pt.is_some()
    }

    /// Puts units up so that the last is shown now; what waited is dropped. The timestamp of the first of them.
    pub(super) fn burst(&mut self, now: Instant, units: Vec<AccessUnit>) -> Option<u32> {
        self.waiting.clear();
        let stamps = self.timeline.burst(now, units.len());
        let first = stamps.first().map(|ticks| self.timeline.wire(*ticks));
        let stamped = units.into_iter().zip(stamps).map(|(unit, ticks)| Waiting { unit, ticks, shown: now });
        self.waiting.extend(stamped);
        first
    }

    /// Puts a unit up that is shown when `anchor` says. False when too much waits already.
    pub(super) fn follow(&mut self, anchor: &Anchor, unit: AccessUnit) -> bool {
        if self.waiting.len() >= WAITING_UNITS {
            self.waiting.clear();
            return false;
        }
        let shown = anchor.instant_of(unit.head().pts);
        self.waiting.push_back(Waiting { ticks: self.timeline.follow(shown), unit, shown });
        true
    }

    /// Drops what waits: its picture must not be shown any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.source = None;
    }

    fn come_from(&mut self, source: &Stream) {
        if self.source.as_ref().is_none_or(|known| known.key() != source.key()) {
            self.source = Some(source.clone());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The newest timestamp given out with the wall time of the unit that has it.
    pub(super) fn newest(&self) -> Option<(u32, &AccessUnit)> {
        self.waiting.back().map(|waiting| (self.timeline.wire(waiting.ticks), &waiting.unit))
    }

    /// Hands the next unit to the peer connection.
    pub(super) fn write_next(&mut self, rtc: &mut Rtc) -> Option<Sent> {
        let Waiting { unit, ticks, shown } = self.waiting.pop_front()?;
        let (Some(codec), Some(pt)) = (&self.codec, self.pt) else {
            return None;
        };
        let packets = payload::packets(&unit, codec);
        let mut api = rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid, None)?;
        let video = matches!(codec, Codec::H264 { .. });
        let mut sent = Sent { bytes: 0, packets: 0 };
        for packet in packets {
            let sequence = self.timeline.next_sequence().into();
            let time = self.timeline.wire(ticks);
            let write = RtpWrite::new(pt, sequence, time, shown, packet.payload.clone());
            stream.write_rtp(write.marker(packet.marker).nackable(video));
            sent.bytes += packet.payload.len();
            sent.packets += 1;
        }
        if let Some(source) = &self.source {
            source.counters().outbound_bytes.fetch_add(sent.bytes as u64, Ordering::Relaxed);
        }
        Some(sent)
    }
}
