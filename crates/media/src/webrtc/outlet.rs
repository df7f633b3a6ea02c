//! One outgoing track of a peer connection: what waits to be sent on it, and its clock.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use media_proto::{AccessUnit, Codec, SmallPacket, Track};
use str0m::media::{Mid, Pt};

use super::{
    offer::{AudioTypes, VideoTypes},
    outbound::{Lane, Look, Outbound, Packet},
    payload,
    timeline::{Anchor, Timeline},
};
use crate::Stream;

/// Units that wait beyond this are thrown away and the viewer begins anew: its network does not take the stream.
const WAITING_UNITS: usize = 4096;

/// What was handed to the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) bytes: usize,
    pub(super) packets: usize,
    /// Sender reports.
    pub(super) reports: u64,
}

/// One outgoing track.
#[derive(Debug)]
pub(super) struct Outlet {
    lane: Lane,
    video: VideoTypes,
    pt: Option<Pt>,
    timeline: Timeline,
    codec: Option<Arc<Codec>>,
    /// Where what waits comes from, to count what is sent of it.
    source: Option<Stream>,
    waiting: VecDeque<Waiting>,
    /// How many packets of the first that waits have left already.
    begun: usize,
}

#[derive(Debug)]
struct Waiting {
    unit: AccessUnit,
    codec: Arc<Codec>,
    pt: Pt,
    ticks: i64,
    shown: Instant,
}

impl Outlet {
    /// A video track on which the peer takes these codecs; which it is comes with [`Outlet::set_video`].
    pub(super) fn video(look: Look, types: VideoTypes, epoch: Instant) -> Self {
        Self::new(look, types, 90_000, epoch)
    }

    /// An audio track; its codec comes with [`Outlet::set_audio`].
    pub(super) fn audio(look: Look, epoch: Instant) -> Self {
        Self::new(look, VideoTypes::default(), 48_000, epoch)
    }

    fn new(look: Look, video: VideoTypes, rate: u32, epoch: Instant) -> Self {
        let (timeline, lane) = (Timeline::new(rate, epoch, rand::random()), Lane::new(look, rand::random()));
        Self { lane, video, pt: None, timeline, codec: None, source: None, waiting: VecDeque::new(), begun: 0 }
    }

    pub(super) fn mid(&self) -> Mid {
        self.lane.mid()
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.lane.ssrc()
    }

    /// What the peer takes of video.
    pub(super) fn video_types(&self) -> VideoTypes {
        self.video
    }

    pub(super) fn set_video(&mut self, source: &Stream, track: &Track) {
        self.come_from(source);
        self.pt = self.video.of(&track.codec);
        self.set_codec(&track.codec);
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
        self.set_codec(&track.codec);
        self.timeline.set_rate(track.clock_rate.get());
        self.pt.is_some()
    }

    fn set_codec(&mut self, codec: &Codec) {
        if self.codec.as_deref() != Some(codec) {
            self.codec = Some(Arc::new(codec.clone()));
        }
    }

    /// Puts units up so that the last is shown now; what waited is dropped, but for a frame that has left in part. The
    /// timestamp of the first of them.
    pub(super) fn burst(&mut self, now: Instant, units: Vec<AccessUnit>) -> Option<u32> {
        self.waiting.truncate(usize::from(self.begun > 0));
        let (Some(codec), Some(pt)) = (self.codec.clone(), self.pt) else {
            return None;
        };
        let stamps = self.timeline.burst(now, units.len());
        let first = stamps.first().map(|ticks| self.timeline.wire(*ticks));
        let stamped = units.into_iter().zip(stamps);
        self.waiting.extend(stamped.map(|(unit, ticks)| Waiting {
            unit,
            codec: Arc::clone(&codec),
            pt,
            ticks,
            shown: now,
        }));
        first
    }

    /// Puts a unit up that is shown when `anchor` says. False when too much waits already.
    pub(super) fn follow(&mut self, anchor: &Anchor, unit: AccessUnit) -> bool {
        if self.waiting.len() >= WAITING_UNITS {
            self.waiting.truncate(usize::from(self.begun > 0));
            return false;
        }
        if let (Some(codec), Some(pt)) = (self.codec.clone(), self.pt) {
            let shown = anchor.instant_of(unit.head().pts);
            self.waiting.push_back(Waiting { ticks: self.timeline.follow(shown), unit, codec, pt, shown });
        }
        true
    }

    /// Drops what waits: its picture must not be shown any more.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.begun = 0;
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

    /// The first that waits has left in part.
    pub(super) fn is_in_part(&self) -> bool {
        self.begun > 0
    }

    /// The newest timestamp given out with the wall time of the unit that has it.
    pub(super) fn newest(&self) -> Option<(u32, &AccessUnit)> {
        self.waiting.back().map(|waiting| (self.timeline.wire(waiting.ticks), &waiting.unit))
    }

    /// Writes the next unit, or as much of it as fits `room`, but at least a packet.
    pub(super) fn write(&mut self, out: &mut Outbound, room: usize, now: Instant) -> Sent {
        let mut sent = Sent::default();
        let Some(Waiting { unit, codec, pt, ticks, shown }) = self.waiting.front() else {
            return sent;
        };
        let packets = payload::packets(unit, codec);
        let time = self.timeline.wire(*ticks);
        for SmallPacket { marker, payload } in packets.iter().skip(self.begun) {
            if (sent.packets > 0 && sent.bytes + payload.len() > room) || out.is_full() {
                break;
            }
            let packet = Packet { pt: *pt, marker: *marker, time, payload: Arc::clone(payload) };
            out.packet(&mut self.lane, packet, *shown, now);
            sent.bytes += payload.len();
            sent.packets += 1;
        }
        self.begun += sent.packets;
        if self.begun >= packets.len() {
            self.waiting.pop_front();
            self.begun = 0;
        }
        sent.reports = out.report(&mut self.lane, self.timeline.rate(), now);
        if let Some(source) = &self.source {
            source.counters().outbound_bytes.fetch_add(sent.bytes as u64, Ordering::Relaxed);
        }
        sent
    }

    /// Sends a packet again that the peer has not got.
    pub(super) fn again(&mut self, out: &mut Outbound, sequence: u16, now: Instant) {
        out.again(&mut self.lane, sequence, now);
    }

    /// Takes what the peer reports of loss; the part that was lost, once a second.
    pub(super) fn loss(&mut self, lost: u8, highest: u32, now: Instant) -> Option<f32> {
        self.lane.loss(lost, highest, now)
    }
}
