//! The packets of one publisher.

use std::{
    io::{ErrorKind, IoSlice, Write as _},
    os::fd::AsRawFd as _,
    time::SystemTime,
};

use bytes::Bytes;
use media_proto::{
    rtcp::{SenderReport, sender_report},
    rtp,
    rtsp::framing::write_interleaved_header,
};
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, sendmmsg};
use rand::{Rng, RngExt as _};

use super::session::Session;
use crate::loadgen::{
    clip::{Clip, Unit},
    measure::clock::now_ns,
    stamp::Stamp,
};

/// A server that leaves so much unread gets no more until it reads.
const PENDING_MAX: usize = 4 << 20;
/// Access units from one look at what the server said to the next.
const DRAIN_EVERY: u32 = 25;
/// Access units from one sender report to the next.
const REPORT_EVERY: u32 = 125;
/// Access units from one sign of life to the next.
const KEEP_ALIVE_EVERY: u32 = 375;
const INTERLEAVED_BYTES: usize = 4;
const HEAD_BYTES: usize = INTERLEAVED_BYTES + rtp::HEADER_BYTES;
const RTP_CHANNEL: u8 = 0;
const RTCP_CHANNEL: u8 = 1;

/// Sends one stream.
#[derive(Debug)]
pub(super) struct Sender {
    session: Session,
    stream: u32,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    counter: u32,
    withhold: Option<u32>,
    /// What the connection has not taken yet.
    pending: Vec<u8>,
    /// The first packet's payload with the stamp of this stream.
    first: Vec<u8>,
    heads: Vec<[u8; HEAD_BYTES]>,
    closed: bool,
    sent: Sent,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) units: u64,
    pub(super) packets: u64,
    /// Bytes of RTP.
    pub(super) bytes: u64,
    /// Counted and kept back on purpose.
    pub(super) withheld: u64,
    /// Taken by the connection only in part at first.
    pub(super) queued: u64,
    /// Not sent because too much was pending, or a datagram was refused.
    pub(super) dropped: u64,
    /// Streams the server closed.
    pub(super) closed: u64,
}

impl Sender {
    pub(super) fn new(session: Session, stream: u32, random: &mut impl Rng, withhold: Option<u32>) -> Self {
        Self {
            session,
            stream,
            ssrc: random.random(),
            sequence: random.random(),
            timestamp: random.random(),
            counter: 0,
            withhold,
            pending: Vec::new(),
            first: Vec::new(),
            heads: Vec::new(),
            closed: false,
            sent: Sent::default(),
        }
    }

    pub(super) fn sent(&self) -> Sent {
        self.sent
    }

    pub(super) fn end(self) {
        self.session.end();
    }

    /// Sends the next access unit of the clip.
    pub(super) fn send(&mut self, clip: &Clip) {
        let at = self.counter as usize;
        let Some(unit) = clip.units.get(at % clip.units.len().max(1)) else { return };
        let tick = u32::try_from(at - at % clip.units.len()).unwrap_or(0).wrapping_add(unit.shown);
        let timestamp = self.timestamp.wrapping_add(tick.wrapping_mul(clip.track.clock_rate.get() / clip.fps));
        if self.closed {
            return;
        }
        if self.withhold.is_some_and(|every| self.counter % every == every - 1) {
            self.sent.withheld += 1;
        } else {
            self.send_unit(unit, timestamp, clip.track.payload_type);
        }
        self.counter = self.counter.wrapping_add(1);
        self.see_to_session(timestamp);
    }

    fn send_unit(&mut self, unit: &Unit, timestamp: u32, payload_type: u8) {
        self.flush();
        if self.pending.len() > PENDING_MAX {
            self.sent.dropped += 1;
            return;
        }
        self.write_heads(unit, timestamp, payload_type);
        self.write_first(unit);
        self.sent.units += 1;
        self.sent.packets += unit.payloads.len() as u64;
        if self.session.datagrams.is_some() { self.send_datagrams(unit) } else { self.send_interleaved(unit) }
    }

    fn write_heads(&mut self, unit: &Unit, timestamp: u32, payload_type: u8) {
        self.heads.clear();
        for (at, payload) in unit.payloads.iter().enumerate() {
            let length = rtp::HEADER_BYTES + payload.len();
            let marker = at + 1 == unit.payloads.len();
            let header = rtp::header(payload_type, marker, self.sequence, timestamp, self.ssrc);
            let mut head = [0; HEAD_BYTES];
            let (interleaved, own) = head.split_at_mut(INTERLEAVED_BYTES);
            interleaved
                .copy_from_slice(&write_interleaved_header(RTP_CHANNEL, u16::try_from(length).unwrap_or(u16::MAX)));
            own.copy_from_slice(&header);
            self.heads.push(head);
            self.sequence = self.sequence.wrapping_add(1);
            self.sent.bytes += length as u64;
        }
    }

    fn write_first(&mut self, unit: &Unit) {
        self.first.clear();
        self.first.extend_from_slice(unit.payloads.first().map_or(&[], Bytes::as_ref));
        let Self { stream, counter, .. } = *self;
        let fields = Stamp { stream, counter, sent_ns: now_ns(), slice_bytes: unit.slice_bytes }.fields();
        if let Some(place) = self.first.get_mut(unit.stamp_at..unit.stamp_at + fields.len()) {
            place.copy_from_slice(&fields);
        }
    }

    /// The payloads, the first one with the stamp of this stream.
    fn payloads<'a>(first: &'a [u8], unit: &'a Unit) -> impl Iterator<Item = &'a [u8]> {
        std::iter::once(first).chain(unit.payloads.iter().skip(1).map(Bytes::as_ref))
    }

    fn send_interleaved(&mut self, unit: &Unit) {
        let heads = self.heads.iter().map(<[u8; HEAD_BYTES]>::as_slice);
        let parts = heads.zip(Self::payloads(&self.first, unit)).flat_map(|(head, payload)| [head, payload]);
        let slices: Vec<IoSlice<'_>> = parts.map(IoSlice::new).collect();
        let mut taken = 0;
        if self.pending.is_empty() {
            match self.session.tcp().write_vectored(&slices) {
                Ok(length) => taken = length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
        }
        let before = self.pending.len();
        for slice in &slices {
            let skipped = taken.min(slice.len());
            taken -= skipped;
            self.pending.extend_from_slice(slice.get(skipped..).unwrap_or_default());
        }
        self.sent.queued += u64::from(self.pending.len() > before);
        self.sent.closed += u64::from(self.closed);
    }

    /// Sends all packets of an access unit with one system call, as an encoder's burst.
    fn send_datagrams(&mut self, unit: &Unit) {
        let Some((rtp, _)) = &self.session.datagrams else { return };
        let heads = self.heads.iter().map(|head| head.get(INTERLEAVED_BYTES..).unwrap_or_default());
        let datagrams: Vec<[IoSlice<'_>; 2]> = heads
            .zip(Self::payloads(&self.first, unit))
            .map(|(head, payload)| [IoSlice::new(head), IoSlice::new(payload)])
            .collect();
        let connected: Vec<Option<()>> = vec![None; datagrams.len()];
        let mut headers = MultiHeaders::preallocate(datagrams.len(), None);
        let no_control: [ControlMessage<'_>; 0] = [];
        let sent = sendmmsg(rtp.as_raw_fd(), &mut headers, &datagrams, connected, no_control, MsgFlags::empty());
        let all = sent.is_ok_and(|sent| sent.count() == datagrams.len());
        self.sent.dropped += u64::from(!all);
    }

    /// Tries once more to send what is pending.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if let Ok(length) = self.session.tcp().write(&self.pending) {
            self.pending.drain(..length.min(self.pending.len()));
        }
    }

    fn see_to_session(&mut self, timestamp: u32) {
        if self.counter % REPORT_EVERY == 1 {
            self.report(timestamp);
        }
        if self.counter.is_multiple_of(DRAIN_EVERY) && !self.closed && !self.session.drain() {
            self.closed = true;
            self.sent.closed += 1;
        }
        if self.counter.is_multiple_of(KEEP_ALIVE_EVERY) {
            let request = self.session.keep_alive();
            self.queue(&request);
        }
    }

    fn report(&mut self, timestamp: u32) {
        let report = SenderReport {
            ssrc: self.ssrc,
            ntp: ntp_now(),
            rtp: timestamp,
            packets: self.sent.packets as u32,
            bytes: self.sent.bytes as u32,
        };
        let packet = sender_report(&report, "loadgen");
        match &self.session.datagrams {
            // A report that is lost is followed by another.
            Some((_, rtcp)) => drop(rtcp.send(&packet)),
            None => {
                let head = write_interleaved_header(RTCP_CHANNEL, u16::try_from(packet.len()).unwrap_or(u16::MAX));
                self.queue(&[&head, packet.as_ref()].concat());
            }
        }
    }

    /// Sends a few bytes behind all that is pending.
    fn queue(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.flush();
    }
}

impl Sent {
    pub(super) fn merge(&mut self, other: Self) {
        self.units += other.units;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.withheld += other.withheld;
        self.queued += other.queued;
        self.dropped += other.dropped;
        self.closed += other.closed;
    }
}

/// Now as an NTP timestamp, RFC 3550 section 4.
fn ntp_now() -> u64 {
    const FROM_1900_TO_1970_S: u64 = 2_208_988_800;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + FROM_1900_TO_1970_S) << 32 | fraction
}
