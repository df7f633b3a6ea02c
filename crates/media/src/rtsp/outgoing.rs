//! The RTP and RTCP of one reader: its own synchronisation sources, sequence numbers and timestamps.
//!
//! Timestamps are the media time of the stream plus a random start, so they go on when a source reconnects. Packets that
//! the reader will not get leave a hole of one in the sequence numbers.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use domain::WallTime;
use media_proto::{
    AccessUnit, MediaTime, RtpPacket, Track, depacketizer, packetizer, rtp,
    rtsp::{
        framing::write_interleaved_header,
        server::{Lane, Start},
    },
};
use rand::RngExt as _;
use smallvec::SmallVec;

use super::registry::wall_now;

/// Payloads beyond this are packetised anew for UDP, so that they fit a common MTU.
const PAYLOAD_MAX: usize = 1440;
/// The payloads then made; the same as for WebRTC, with which they are shared.
const SMALL_PAYLOAD: usize = 1150;
/// How far the clock of the sender reports is moved at a time, towards the wall clock of the source.
const SLEW_US: i64 = 2_000;
/// The wall clock of the source has jumped when it is this far off.
const JUMP_US: i64 = 1_000_000;
/// Headers of a unit that need no memory of their own: more than most pictures have.
const HEADERS_AT_HAND: usize = 16;
const RTP_HEADER: usize = 12;
const INTERLEAVED_HEADER: usize = 4;

/// One track on its way to one client.
#[derive(Debug)]
pub(super) struct Outgoing {
    track: Track,
    lane: Lane,
    addresses: Option<Addresses>,
    ssrc: u32,
    /// The number of the next packet.
    sequence: u16,
    /// What is added to media time.
    base: u32,
    /// Something was left out before the next packet.
    lossy: bool,
    packets: u32,
    octets: u32,
    reported_lost: u64,
    reported_jitter_s: f64,
}

/// Where datagrams of RTP and RTCP go.
pub(super) type Addresses = (SocketAddr, SocketAddr);

/// The header of one packet: the interleaved one, then that of RTP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header([u8; INTERLEAVED_HEADER + RTP_HEADER]);

impl Header {
    /// As it travels in the connection.
    pub(super) fn interleaved(&self) -> &[u8] {
        &self.0
    }

    /// As it travels in a datagram.
    pub(super) fn rtp(&self) -> &[u8] {
        let [_, _, _, _, rtp @ ..] = &self.0;
        rtp
    }
}

/// The packets of one unit with their headers.
#[derive(Debug)]
pub(super) struct Stamped<'a> {
    pub(super) headers: SmallVec<[Header; HEADERS_AT_HAND]>,
    pub(super) packets: Cow<'a, [RtpPacket]>,
}

impl Stamped<'_> {
    pub(super) fn payload_bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.payload.len()).sum()
    }
}

impl Outgoing {
    pub(super) fn new(track: Track, lane: Lane, peer: IpAddr) -> Self {
        let mut random = rand::rng();
        let addresses = match lane {
            Lane::Tcp { .. } => None,
            Lane::Udp { rtp, rtcp } => Some((SocketAddr::new(peer, rtp), SocketAddr::new(peer, rtcp))),
        };
        Self {
            track,
            lane,
            addresses,
            ssrc: random.random(),
            // Low enough that clients see no wrap at once.
            sequence: random.random::<u16>() >> 1,
            base: random.random::<u32>() >> 1,
            lossy: false,
            packets: 0,
            octets: 0,
            reported_lost: 0,
            reported_jitter_s: 0.0,
        }
    }

    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    pub(super) fn describe(&mut self, track: Track) {
        self.track = track;
    }

    pub(super) fn lane(&self) -> Lane {
        self.lane
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn datagram_to(&self) -> Option<Addresses> {
        self.addresses
    }

    /// The packets and payload octets sent so far.
    pub(super) fn sent(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// Keeps what the client reports: packets lost since the start, and jitter in ticks.
    pub(super) fn note_report(&mut self, lost: i32, jitter_ticks: u32) {
        self.reported_lost = u64::try_from(lost).unwrap_or(0);
        self.reported_jitter_s = f64::from(jitter_ticks) / f64::from(self.track.clock_rate.get());
    }

    pub(super) fn reported_lost(&self) -> u64 {
        self.reported_lost
    }

    pub(super) fn reported_jitter_s(&self) -> f64 {
        self.reported_jitter_s
    }

    /// Leaves a hole before the next packet.
    pub(super) fn note_loss(&mut self) {
        self.lossy = self.packets > 0;
    }

    /// Where playback begins when the newest unit is that of `clock`.
    pub(super) fn start(&self, clock: &Clock) -> Start {
        let sequence = self.sequence.wrapping_add(u16::from(self.lossy));
        Start {
            track: self.track.id,
            sequence,
            rtp_time: self.timestamp(MediaTime::from_us(clock.media_us, self.track.clock_rate)),
        }
    }

    /// Gives the packets of a unit their headers.
    pub(super) fn stamp<'a>(&mut self, unit: &'a AccessUnit) -> Stamped<'a> {
        let packets = self.packets_of(unit);
        let head = unit.head();
        if (std::mem::take(&mut self.lossy) || head.discontinuity) && self.packets > 0 {
            self.sequence = self.sequence.wrapping_add(1);
        }
        let timestamp = self.timestamp(head.pts);
        let headers = packets.iter().map(|packet| self.header(packet, timestamp)).collect();
        Stamped { headers, packets }
    }

    fn packets_of<'a>(&self, unit: &'a AccessUnit) -> Cow<'a, [RtpPacket]> {
        let codec = &self.track.codec;
        let packets = unit.packets(|frames| packetizer::packets(codec, frames, PAYLOAD_MAX));
        if self.addresses.is_none() || packets.iter().all(|packet| packet.payload.len() <= PAYLOAD_MAX) {
            return packets.into();
        }
        let frames = |unit: &AccessUnit| unit.frames(|packets| depacketizer::frames(codec, packets)).to_vec();
        unit.small_packets(|unit| packetizer::packets(codec, &frames(unit), SMALL_PAYLOAD)).into()
    }

    fn header(&mut self, packet: &RtpPacket, timestamp: u32) -> Header {
        let channel = match self.lane {
            Lane::Tcp { rtp, .. } => rtp,
            Lane::Udp { .. } => 0,
        };
        let length = u16::try_from(RTP_HEADER + packet.payload.len()).unwrap_or(u16::MAX);
        let mut header = [0; INTERLEAVED_HEADER + RTP_HEADER];
        let (interleaved, own) = header.split_at_mut(INTERLEAVED_HEADER);
        interleaved.copy_from_slice(&write_interleaved_header(channel, length));
        own.copy_from_slice(&rtp::header(self.track.payload_type, packet.marker, self.sequence, timestamp, self.ssrc));
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(packet.payload.len()).unwrap_or(u32::MAX));
        Header(header)
    }

    /// The RTP timestamp of a media time.
    pub(super) fn timestamp(&self, time: MediaTime) -> u32 {
        // RTP timestamps wrap, RFC 3550 section 5.1.
        self.base.wrapping_add(time.ticks_at(self.track.clock_rate) as u32)
    }
}

/// The relation of media time and wall time that a client is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Media time of the newest unit.
    media_us: i64,
    /// When that unit arrived.
    arrived: Instant,
    /// Wall time less media time, as told.
    offset_us: i64,
    /// The same as seen at the newest unit.
    seen_us: i64,
}

impl Clock {
    /// Of a stream that has no unit yet.
    pub(super) fn starting(origin: Instant, now: Instant) -> Self {
        let media_us = i64::try_from(now.saturating_duration_since(origin).as_micros()).unwrap_or(i64::MAX);
        let offset_us = wall_now().unix_us() - media_us;
        Self { media_us, arrived: now, offset_us, seen_us: offset_us }
    }

    pub(super) fn of(unit: &AccessUnit) -> Self {
        let head = unit.head();
        let media_us = head.pts.to_us();
        let offset_us = head.wall.unix_us() - media_us;
        Self { media_us, arrived: head.arrived, offset_us, seen_us: offset_us }
    }

    pub(super) fn note(&mut self, unit: &AccessUnit) {
        *self = Self { offset_us: self.offset_us, ..Self::of(unit) };
    }

    /// Follows the wall clock of the source: slowly, so that no timestamp of the client jumps, but after a jump at once.
    pub(super) fn settle(&mut self) {
        let off = self.seen_us - self.offset_us;
        self.offset_us += if off.abs() > JUMP_US { off } else { off.clamp(-SLEW_US, SLEW_US) };
    }

    /// Media time and wall time at `now`.
    pub(super) fn at(&self, now: Instant) -> (i64, WallTime) {
        let since = i64::try_from(now.saturating_duration_since(self.arrived).as_micros()).unwrap_or(i64::MAX);
        let media_us = self.media_us.saturating_add(since);
        (media_us, WallTime::from_unix_us(media_us.saturating_add(self.offset_us)))
    }
}
