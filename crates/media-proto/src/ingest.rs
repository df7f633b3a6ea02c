//! From the RTP and RTCP packets of a source to access units on the stream's own clock. Used for pulled and published
//! streams alike.
//!
//! A unit is whole or it does not appear: one with a lost packet is dropped and counted, and the next unit of its track
//! is marked as following a discontinuity. A keyframe always carries its parameter sets. The packets of a track that
//! travels by UDP are put in order first.

mod assembler;
mod clock;
mod reception;
mod reorder;
#[cfg(test)]
mod tests;
mod wall;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::WallTime;

use crate::{
    AccessUnit, Codec, Error, MediaTime, Payload, RtpPacket, Track, TrackId, TrackKind, depacketizer, h264, h265,
    packetizer,
    rtcp::{self, Rtcp},
    rtp::Packet,
    unit::Head,
};

use assembler::{Assembler, Group};
use clock::Clock;
use reception::Reception;
use reorder::Reorder;
use wall::Offset;

/// A payload above this is cut into smaller packets, so that every reader's datagrams fit a common MTU.
pub const PAYLOAD_MAX: usize = 1440;
/// How often a receiver report goes out.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Samples of an AAC frame, which are ticks of its clock (RFC 3640 section 3.3.6, ISO/IEC 14496-3 section 4.5.1.1).
const AAC_FRAME_TICKS: i64 = 1024;
/// After so many packets of another payload type than the described one, and none of that, the other is believed.
const STRANGERS_MAX: u8 = 20;
/// The name in receiver reports.
const NAME: &str = "cctv";

/// What was received, added up over the tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of RTP payload.
    pub bytes: u64,
    /// RTP packets missing by their sequence numbers.
    pub lost: u64,
    /// RTP packets that came out of order and were put back.
    pub reordered: u64,
    /// RTP packets that came twice.
    pub duplicates: u64,
    /// RTP packets that came too late to be put back.
    pub late: u64,
    /// Packets that could not be understood.
    pub in_error: u64,
    /// Access units dropped because a packet of them was missing or they were too large.
    pub units_dropped: u64,
    /// RTCP packets.
    pub rtcp_packets: u64,
    /// Interarrival jitter of the video (else of the first track) in ticks.
    pub jitter: f64,
}

/// The receiving end of one connection to a source.
#[derive(Debug)]
pub struct Ingest {
    lanes: Vec<Lane>,
    offset: Offset,
    units: VecDeque<AccessUnit>,
    changed: bool,
    stats: Stats,
}

/// One track.
#[derive(Debug)]
struct Lane {
    track: Track,
    /// For a track whose packets may come out of order.
    reorder: Option<Reorder>,
    payload_types: PayloadTypes,
    reception: Reception,
    assembler: Assembler,
    clock: Clock,
    next_report: Option<Instant>,
    discontinuity: bool,
}

impl Ingest {
    /// A fresh connection for `tracks` into a stream whose media time is zero at `origin`.
    #[must_use]
    pub fn new(tracks: &[Track], origin: Instant) -> Self {
        let lane = |track: &Track| Lane {
            track: track.clone(),
            reorder: None,
            payload_types: PayloadTypes { taken: track.payload_type, believed: false, stranger: (0, 0) },
            reception: Reception::new(track.id.0, track.clock_rate),
            assembler: Assembler::new(&track.codec),
            clock: Clock::new(origin, track.clock_rate),
            next_report: None,
            discontinuity: false,
        };
        Self {
            lanes: tracks.iter().map(lane).collect(),
            offset: Offset::default(),
            units: VecDeque::new(),
            changed: false,
            stats: Stats::default(),
        }
    }

    /// Says that a track travels by UDP: its packets may come out of order, or twice. Say it before the first packet.
    pub fn reorder(&mut self, track: TrackId) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.id == track) {
            lane.reorder.get_or_insert_default();
        }
    }

    /// Takes one RTP packet.
    ///
    /// # Errors
    /// The packet cannot be understood; it is counted and the connection may go on.
    pub fn rtp(&mut self, now: Instant, wall: WallTime, track: TrackId, datagram: Bytes) -> Result<(), Error> {
        let mut packet = Packet::parse(datagram).inspect_err(|_| self.stats.in_error += 1)?;
        let Some(at) = self.lanes.iter().position(|lane| lane.track.id == track) else { return Ok(()) };
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(()) };
        self.stats.packets += 1;
        self.stats.bytes += packet.payload.len() as u64;
        lane.next_report.get_or_insert(now + REPORT_INTERVAL);
        let strange = !lane.payload_types.takes(packet.payload_type);
        let mut result = Ok(());
        if strange {
            self.stats.in_error += 1;
            result = Err(Error::malformed("RTP packet", "its payload type is not that of the track"));
            if lane.reception.source_ssrc().is_some_and(|ssrc| ssrc != packet.ssrc) {
                return result;
            }
            // Only its sequence number counts.
            packet.payload = Bytes::new();
        }
        let Some(reorder) = &mut lane.reorder else {
            return result.and(self.in_order(at, packet, now, Arrival { now, wall }));
        };
        reorder.push(now, packet);
        result.and(self.release(at, Arrival { now, wall }))
    }

    /// When [`Self::expire`] has something to do, unless packets come before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|lane| lane.reorder.as_ref()?.wake_at()).min()
    }

    /// Gives up missing packets that have been waited for long enough.
    pub fn expire(&mut self, now: Instant, wall: WallTime) {
        for at in 0..self.lanes.len() {
            if let Some(reorder) = self.lanes.get_mut(at).and_then(|lane| lane.reorder.as_mut()) {
                reorder.expire(now);
            }
            // A packet that cannot be understood is counted.
            let _ = self.release(at, Arrival { now, wall });
        }
    }

    /// Takes the packets of a track that are in order. Of several errors the first is told.
    fn release(&mut self, at: usize, arrival: Arrival) -> Result<(), Error> {
        let mut result = Ok(());
        while let Some((came, packet)) =
            self.lanes.get_mut(at).and_then(|lane| lane.reorder.as_mut()).and_then(Reorder::pop)
        {
            result = result.and(self.in_order(at, packet, came, arrival));
        }
        result
    }

    /// Takes the next packet of a track, which came at `came` and could be used from `arrival` on.
    fn in_order(&mut self, at: usize, packet: Packet, came: Instant, arrival: Arrival) -> Result<(), Error> {
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(()) };
        let Some(missing) = lane.reception.note(came, &packet) else { return Ok(()) };
        if missing > 0 {
            lane.assembler.tear();
            lane.discontinuity = true;
        }
        if packet.payload.is_empty() {
            return Ok(());
        }
        if let Err(error) = depacketizer::check(&lane.track.codec, &packet.payload) {
            lane.assembler.tear();
            self.stats.in_error += 1;
            return Err(error);
        }
        for group in lane.assembler.push(packet, &lane.track.codec) {
            let finished = lane.finish(group, arrival, &self.offset);
            self.changed |= finished.changed;
            self.stats.units_dropped += u64::from(finished.torn);
            self.units.extend(finished.units);
        }
        Ok(())
    }

    /// Takes one RTCP packet.
    ///
    /// # Errors
    /// The packet cannot be understood; it is counted and the connection may go on.
    pub fn rtcp(&mut self, now: Instant, wall: WallTime, track: TrackId, datagram: &[u8]) -> Result<(), Error> {
        self.stats.rtcp_packets += 1;
        let packets = rtcp::parse(datagram).inspect_err(|_| self.stats.in_error += 1)?;
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.id == track) else { return Ok(()) };
        for packet in packets {
            if let Rtcp::SenderReport(report) = packet {
                lane.reception.note_sender_report(now, &report);
                if report.ntp != 0 {
                    let at = self.offset.note(WallTime::from_ntp(report.ntp), wall);
                    lane.clock.note_sender_report(&report, at);
                }
            }
        }
        Ok(())
    }

    /// Says at which RTP timestamp a track begins (`RTP-Info`), so that tracks begin together.
    pub fn start_at(&mut self, track: TrackId, timestamp: u32) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.id == track) {
            lane.clock.start_at(timestamp);
        }
    }

    /// The next whole unit.
    pub fn poll_unit(&mut self) -> Option<AccessUnit> {
        self.units.pop_front()
    }

    /// All tracks, when parameter sets were learnt or have changed since the last call.
    pub fn poll_tracks(&mut self) -> Option<Vec<Track>> {
        std::mem::take(&mut self.changed).then(|| self.lanes.iter().map(|lane| lane.track.clone()).collect())
    }

    /// A receiver report that is due.
    pub fn poll_report(&mut self, now: Instant) -> Option<(TrackId, Bytes)> {
        let lane = self.lanes.iter_mut().find(|lane| lane.next_report.is_some_and(|due| due <= now))?;
        lane.next_report = Some(now + REPORT_INTERVAL);
        let report = lane.reception.report(now)?;
        Some((lane.track.id, rtcp::receiver_report(lane.reception.own_ssrc(), &report, NAME)))
    }

    /// The packet that asks the source of a track for a keyframe, once the source's SSRC is known.
    #[must_use]
    pub fn request_keyframe(&self, track: TrackId) -> Option<Bytes> {
        let lane = self.lanes.iter().find(|lane| lane.track.id == track)?;
        Some(rtcp::picture_loss(lane.reception.own_ssrc(), lane.reception.source_ssrc()?))
    }

    /// What was received so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let video = self.lanes.iter().find(|lane| lane.track.kind() == TrackKind::Video);
        let jitter = video.or(self.lanes.first()).map_or(0.0, |lane| lane.reception.jitter());
        let mut stats = Stats { jitter, ..self.stats };
        for lane in &self.lanes {
            let counts = lane.reorder.as_ref().map(Reorder::counts).unwrap_or_default();
            stats.lost += lane.reception.lost();
            stats.reordered += counts.reordered;
            stats.duplicates += counts.duplicates;
            stats.late += counts.late;
        }
        stats
    }
}

/// Which payload type the packets of a track have.
///
/// It is the one of the description, unless none of that has come and [`STRANGERS_MAX`] packets in a row agree on another:
/// cameras exist whose description is wrong.
#[derive(Debug)]
struct PayloadTypes {
    taken: u8,
    /// A packet of it has come.
    believed: bool,
    /// Another one, and how many packets in a row had it.
    stranger: (u8, u8),
}

impl PayloadTypes {
    fn takes(&mut self, payload_type: u8) -> bool {
        if payload_type == self.taken {
            self.believed = true;
            return true;
        }
        let (stranger, count) = self.stranger;
        self.stranger = (payload_type, if payload_type == stranger { count.saturating_add(1) } else { 1 });
        if !self.believed && self.stranger.1 > STRANGERS_MAX {
            self.taken = payload_type;
            self.believed = true;
            return true;
        }
        false
    }
}

/// When the last packet of a unit came.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    now: Instant,
    wall: WallTime,
}

/// What became of a group of packets.
#[derive(Debug, Default)]
struct Finished {
    units: Vec<AccessUnit>,
    /// It brought new parameter sets.
    changed: bool,
    /// It was not whole.
    torn: bool,
}

impl Lane {
    fn finish(&mut self, group: Group, arrival: Arrival, offset: &Offset) -> Finished {
        if !group.whole {
            self.discontinuity = true;
            return Finished { torn: true, ..Finished::default() };
        }
        let changed = self.learn(&group);
        if !group.has_content(&self.track.codec) {
            return Finished { changed, ..Finished::default() };
        }
        let placed = self.clock.place(group.timestamp, arrival.now, arrival.wall, offset);
        let head = Head {
            track: self.track.id,
            pts: MediaTime::new(placed.ticks, self.track.clock_rate),
            wall: placed.wall,
            arrived: arrival.now,
            keyframe: group.is_keyframe(&self.track.codec) && self.has_parameter_sets(),
            discontinuity: std::mem::take(&mut self.discontinuity) || placed.jumped,
        };
        Finished { units: self.units(head, group), changed, torn: false }
    }

    /// Whether the parameter sets of the track are known, or it needs none.
    fn has_parameter_sets(&self) -> bool {
        self.track.codec.parameter_sets().len() == parameter_set_types(&self.track.codec).len()
    }

    /// One unit; several of sound whose packet is too large.
    fn units(&self, head: Head, group: Group) -> Vec<AccessUnit> {
        let codec = &self.track.codec;
        let make = if group.refers_back(codec) { AccessUnit::referring_back } else { AccessUnit::new };
        let mut packets = group.packets;
        if head.keyframe && !parameter_set_types(codec).iter().all(|kind| group.kinds.has(*kind)) {
            let sets = packetizer::packets(codec, &codec.parameter_sets(), PAYLOAD_MAX);
            packets.splice(0..0, sets.into_iter().map(|packet| RtpPacket { marker: false, ..packet }));
        }
        if packets.iter().all(|packet| packet.payload.len() <= PAYLOAD_MAX) {
            return vec![make(head, Payload::Rtp(Arc::from(packets)))];
        }
        match codec {
            Codec::H264 { .. } | Codec::H265 { .. } => {
                cut(codec, head, &depacketizer::frames(codec, &packets), make).into_iter().collect()
            }
            // Packets of one unit have one timestamp, so each frame becomes a unit of its own.
            Codec::Aac { .. } => {
                let frames = depacketizer::frames(codec, &packets);
                let later = |at: usize| i64::try_from(at).unwrap_or(0) * AAC_FRAME_TICKS;
                let pts = |at: usize| MediaTime::new(head.pts.ticks + later(at), head.pts.rate);
                let unit = |(at, frame): (usize, &Bytes)| {
                    let discontinuity = head.discontinuity && at == 0;
                    cut(codec, Head { pts: pts(at), discontinuity, ..head }, std::slice::from_ref(frame), make)
                };
                frames.iter().enumerate().filter_map(unit).collect()
            }
            // Only their own rules say where they may be cut.
            Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => {
                vec![AccessUnit::new(head, Payload::Rtp(Arc::from(packets)))]
            }
        }
    }

    /// Takes the first parameter set of each type from a unit into the track; true when one is new.
    ///
    /// Others of a type stay in band: a source with several picture parameter sets does not change at each keyframe.
    fn learn(&mut self, group: &Group) -> bool {
        let wanted = parameter_set_types(&self.track.codec);
        let mut changed = false;
        for kind in wanted.iter().filter(|kind| group.kinds.has(**kind)) {
            let mut holders = group
                .packets
                .iter()
                .filter(|packet| depacketizer::nal_types(&self.track.codec, &packet.payload).has(*kind));
            let nals =
                holders.next().map(|packet| depacketizer::frames(&self.track.codec, std::slice::from_ref(packet)));
            let found = nals.and_then(|nals| nals.into_iter().find(|nal| nal_type(&self.track.codec, nal) == *kind));
            if let (Some(nal), Some(slot)) = (found, parameter_set_mut(&mut self.track.codec, *kind))
                && *slot != nal
            {
                *slot = nal;
                changed = true;
            }
        }
        changed
    }
}

/// One unit of packets no larger than [`PAYLOAD_MAX`]; none when there is nothing in it.
fn cut(codec: &Codec, head: Head, frames: &[Bytes], make: fn(Head, Payload) -> AccessUnit) -> Option<AccessUnit> {
    let packets = packetizer::packets(codec, frames, PAYLOAD_MAX);
    (!packets.is_empty()).then(|| make(head, Payload::Rtp(Arc::from(packets))))
}

/// The NAL unit types of the parameter sets of a codec.
const fn parameter_set_types(codec: &Codec) -> &'static [u8] {
    match codec {
        Codec::H264 { .. } => &[h264::SPS, h264::PPS],
        Codec::H265 { .. } => &[h265::VPS, h265::SPS, h265::PPS],
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => &[],
    }
}

fn nal_type(codec: &Codec, nal: &[u8]) -> u8 {
    if matches!(codec, Codec::H265 { .. }) { h265::nal_type(nal) } else { h264::nal_type(nal) }
}

fn parameter_set_mut(codec: &mut Codec, kind: u8) -> Option<&mut Bytes> {
    match (codec, kind) {
        (Codec::H264 { sps, .. }, h264::SPS) | (Codec::H265 { sps, .. }, h265::SPS) => Some(sps),
        (Codec::H264 { pps, .. }, h264::PPS) | (Codec::H265 { pps, .. }, h265::PPS) => Some(pps),
        (Codec::H265 { vps, .. }, h265::VPS) => Some(vps),
        _ => None,
    }
}
