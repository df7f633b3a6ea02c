//! From the RTP and RTCP packets of a source to access units on the stream's own clock. Used for pulled and published
//! streams alike.
//!
//! A unit is whole or it does not appear: one with a lost packet is dropped and counted, and the next unit of its track
//! is marked as following a discontinuity. A keyframe always carries its parameter sets.

mod assembler;
mod clock;
mod reception;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::WallTime;

use crate::{
    AccessUnit, Codec, Error, MediaTime, Payload, RtpPacket, Track, TrackId, TrackKind, depacketizer, packetizer,
    rtcp::{self, Rtcp},
    rtp::Packet,
    unit::Head,
};

use assembler::{Assembler, Group};
use clock::{Clock, Offset};
use reception::Reception;

/// A payload above this is cut into smaller packets, so that every reader's datagrams fit a common MTU.
pub const PAYLOAD_MAX: usize = 1440;
/// How often a receiver report goes out.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
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
            reception: Reception::new(track.id.0, track.clock_rate),
            assembler: Assembler::default(),
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

    /// Takes one RTP packet.
    ///
    /// # Errors
    /// The packet cannot be understood; it is counted and the connection may go on.
    pub fn rtp(&mut self, now: Instant, wall: WallTime, track: TrackId, datagram: Bytes) -> Result<(), Error> {
        let packet = Packet::parse(datagram).inspect_err(|_| self.stats.in_error += 1)?;
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.id == track) else { return Ok(()) };
        if packet.payload_type != lane.track.payload_type {
            self.stats.in_error += 1;
            return Err(Error::malformed("RTP packet", "its payload type is not that of the track"));
        }
        self.stats.packets += 1;
        self.stats.bytes += packet.payload.len() as u64;
        lane.next_report.get_or_insert(now + REPORT_INTERVAL);
        let Some(missing) = lane.reception.note(now, &packet) else { return Ok(()) };
        for group in lane.assembler.push(packet, missing, &lane.track.codec) {
            let made = lane.finish(group, now, wall, &mut self.offset);
            match made {
                Some((unit, changed)) => {
                    self.changed |= changed;
                    self.units.push_back(unit);
                }
                None => self.stats.units_dropped += 1,
            }
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
                lane.clock.note_sender_report(&report);
                self.offset.note(WallTime::from_ntp(report.ntp), wall);
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
        Stats { lost: self.lanes.iter().map(|lane| lane.reception.lost()).sum(), jitter, ..self.stats }
    }
}

impl Lane {
    /// Makes the unit of a group, and says whether it brought new parameter sets. `None` when the group is not whole.
    fn finish(
        &mut self,
        group: Group,
        now: Instant,
        wall: WallTime,
        offset: &mut Offset,
    ) -> Option<(AccessUnit, bool)> {
        if !group.whole {
            self.discontinuity = true;
            return None;
        }
        let placed = self.clock.place(group.timestamp, now, wall, offset);
        let mut packets = group.packets;
        let changed = group.has_parameter_sets && self.learn(&packets);
        if group.keyframe && !group.has_all_parameter_sets {
            let sets = packetizer::packets(&self.track.codec, &self.track.codec.parameter_sets(), PAYLOAD_MAX);
            packets.splice(0..0, sets.into_iter().map(|packet| RtpPacket { marker: false, ..packet }));
        }
        if packets.iter().any(|packet| packet.payload.len() > PAYLOAD_MAX) {
            packets =
                packetizer::packets(&self.track.codec, &depacketizer::frames(&self.track.codec, &packets), PAYLOAD_MAX);
        }
        if packets.is_empty() {
            return None;
        }
        let head = Head {
            track: self.track.id,
            pts: MediaTime::new(placed.ticks, self.track.clock_rate),
            wall: placed.wall,
            arrived: now,
            keyframe: group.keyframe,
            discontinuity: std::mem::take(&mut self.discontinuity) || placed.jumped,
        };
        Some((AccessUnit::new(head, Payload::Rtp(Arc::from(packets))), changed))
    }

    /// Takes parameter sets from a unit into the track; true when they are new.
    fn learn(&mut self, packets: &[RtpPacket]) -> bool {
        let nals = depacketizer::frames(&self.track.codec, packets);
        let mut changed = false;
        for nal in nals {
            let slot = match &mut self.track.codec {
                Codec::H264 { sps, pps } => match crate::h264::nal_type(&nal) {
                    crate::h264::SPS => Some(sps),
                    crate::h264::PPS => Some(pps),
                    _ => None,
                },
                Codec::H265 { vps, sps, pps } => match crate::h265::nal_type(&nal) {
                    crate::h265::VPS => Some(vps),
                    crate::h265::SPS => Some(sps),
                    crate::h265::PPS => Some(pps),
                    _ => None,
                },
                Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => None,
            };
            if let Some(slot) = slot.filter(|slot| **slot != nal) {
                *slot = nal;
                changed = true;
            }
        }
        changed
    }
}
