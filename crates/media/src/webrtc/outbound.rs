//! Media on its way out of one connection: packets are written, protected and sent by ourselves, many with one system call.
//!
//! str0m makes the connection (ICE, DTLS) and reads what comes in, but a packet that goes out through it is copied and
//! allocated some ten times and turns the clock of the whole connection. Here it is written once, where it is sent from. The
//! keys are those of the same connection ([`Keys`]): str0m itself must send no packet of an SSRC that is sent here, or a
//! nonce would be used twice.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use media_proto::rtcp::{self, Rtcp, SenderReport};
use str0m::{
    media::{Mid, Pt},
    net::Protocol,
};

use super::{
    bandwidth::Bandwidth,
    keys::Keys,
    loss::{Budget, Loss},
    peer::{LEAVING, Ways},
};
use crate::stream::wall_now;

/// Bytes of a packet besides its payload, at most: header, extensions, number of what is sent again, tag.
const AROUND: usize = 64;
/// How long a packet is kept to be sent again: what a peer asks for later is late for its picture.
const KEEP_FOR: Duration = Duration::from_secs(1);
/// Sender reports of a track are so far apart.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The first packets of a track name their section, until the peer surely knows the SSRC.
const NAMED_PACKETS: u32 = 64;
/// Where the numbers of our RTCP packets begin: str0m counts its own, of other SSRCs, from 0.
const RTCP_INDEX: u32 = 1 << 30;
/// One-byte header extensions, RFC 8285 section 4.2, and the largest number they can have.
const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
const EXTENSION_MAX: u8 = 14;
/// The name of the sender in reports.
const NAME: &str = "cctv";

/// How the packets of one track look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) mid: Mid,
    pub(super) ssrc: u32,
    /// The SSRC of what is sent again.
    pub(super) again: Option<u32>,
    /// Payload types and those with which they are sent again.
    pub(super) again_types: Vec<(Pt, Pt)>,
    /// The number of the extension with the transport-wide sequence number.
    pub(super) numbers: Option<u8>,
    /// The number of the extension with the name of the section.
    pub(super) names: Option<u8>,
    /// Packets that are kept at most.
    pub(super) keeps: usize,
}

/// What is known of one track on its way.
#[derive(Debug)]
pub(super) struct Lane {
    look: Look,
    /// The sequence number of the newest packet, with its rollover count.
    sequence: u64,
    again_sequence: u64,
    kept: VecDeque<Kept>,
    packets: u32,
    octets: u32,
    newest: Option<(u32, Instant)>,
    reported: Option<Instant>,
    budget: Budget,
    loss: Loss,
}

/// A packet that may be asked for again.
#[derive(Debug)]
struct Kept {
    sequence: u64,
    at: Instant,
    asked_for: bool,
    packet: Packet,
}

/// A packet of a track.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) pt: Pt,
    pub(super) marker: bool,
    pub(super) time: u32,
    pub(super) payload: Arc<[u8]>,
}

impl Lane {
    /// `sequence` comes before the first packet; it stays in the lower half, so that both ends begin with rollover count 0.
    pub(super) fn new(look: Look, sequence: u16) -> Self {
        Self {
            look,
            sequence: u64::from(sequence & 0x7fff),
            again_sequence: 0,
            kept: VecDeque::new(),
            packets: 0,
            octets: 0,
            newest: None,
            reported: None,
            budget: Budget::default(),
            loss: Loss::default(),
        }
    }

    pub(super) fn mid(&self) -> Mid {
        self.look.mid
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.look.ssrc
    }

    /// The peer reports how many 256ths of the packets up to `highest` were lost. The part that was lost, once a second.
    pub(super) fn loss(&mut self, lost: u8, highest: u32, now: Instant) -> Option<f32> {
        self.loss.note(lost, highest, now)
    }

    fn keep(&mut self, now: Instant, packet: Packet) {
        if self.look.again.is_none() || self.look.keeps == 0 {
            return;
        }
        while self.kept.len() >= self.look.keeps
            || self.kept.front().is_some_and(|kept| now.saturating_duration_since(kept.at) > KEEP_FOR)
        {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { sequence: self.sequence, at: now, asked_for: false, packet });
    }

    fn find(&mut self, sequence: u16) -> Option<&mut Kept> {
        // Modulo 2^16, as the number in the request is.
        let behind = (self.sequence as u16).wrapping_sub(sequence);
        let wanted = self.sequence.checked_sub(behind.into())?;
        let first = self.kept.front()?.sequence;
        self.kept.get_mut(usize::try_from(wanted.checked_sub(first)?).ok()?)
    }
}

/// Packets that leave together.
#[derive(Debug, Default)]
pub(super) struct Row {
    buffer: Vec<u8>,
    /// Where in the buffer each of them ends.
    ends: Vec<usize>,
}

/// The way out of one connection.
#[derive(Debug)]
pub(super) struct Outbound {
    keys: Keys,
    pub(super) bandwidth: Bandwidth,
    way: Option<(Protocol, SocketAddr)>,
    rtcp_index: u32,
    row: Row,
    /// Where the protection is taken off what comes.
    scratch: Vec<u8>,
}

impl Outbound {
    pub(super) fn new(keys: Keys, now: Instant) -> Self {
        Self {
            keys,
            bandwidth: Bandwidth::new(now),
            way: None,
            rtcp_index: RTCP_INDEX,
            row: Row::default(),
            scratch: Vec::new(),
        }
    }

    /// Whether media can be sent.
    pub(super) fn is_ready(&self) -> bool {
        self.way.is_some() && self.has_keys()
    }

    /// Whether the keys of the connection are known.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.sender().is_some()
    }

    /// What the peer says by RTCP; none when it is not of the peer or cannot be read.
    pub(super) fn heard(&mut self, datagram: &[u8]) -> Option<Vec<Rtcp>> {
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        rtcp::parse(self.keys.read_rtcp(&mut self.scratch)?).ok()
    }

    /// The connection sends to this address.
    pub(super) fn goes_to(&mut self, protocol: Protocol, address: SocketAddr) {
        self.way = Some((protocol, address));
    }

    /// Sends what was written, and writes into this row from now on.
    pub(super) fn take(&mut self, row: Row, ways: Ways<'_>) {
        self.flush(ways);
        self.row = row;
    }

    /// Sends what was written, and gives the row back: many connections share its memory.
    pub(super) fn give_back(&mut self, ways: Ways<'_>) -> Row {
        self.flush(ways);
        std::mem::take(&mut self.row)
    }

    /// Writes the next packet of a track, shown at `shown`.
    pub(super) fn packet(&mut self, lane: &mut Lane, packet: Packet, shown: Instant, now: Instant) {
        lane.sequence += 1;
        let (ssrc, sequence) = (lane.look.ssrc, lane.sequence);
        self.write(lane, (ssrc, sequence), (packet.pt, packet.marker, packet.time), &[], &packet.payload, now);
        let octets = u32::try_from(packet.payload.len()).unwrap_or(u32::MAX);
        lane.packets = lane.packets.wrapping_add(1);
        lane.octets = lane.octets.wrapping_add(octets);
        lane.newest = Some((packet.time, shown));
        lane.budget.earn(f64::from(octets), now);
        lane.loss.sent();
        lane.keep(now, packet);
    }

    /// Writes a packet again that the peer has not got (RFC 4588). Nothing is sent again without a stream of its own: the
    /// packet would be another under the same nonce.
    pub(super) fn again(&mut self, lane: &mut Lane, sequence: u16, now: Instant) {
        let Some((ssrc, kept)) = lane.look.again.zip(lane.find(sequence)) else {
            return;
        };
        let (packet, at) = (kept.packet.clone(), kept.at);
        if !std::mem::replace(&mut kept.asked_for, true) {
            lane.loss.asked_for();
        }
        let Some((_, pt)) = lane.look.again_types.iter().find(|(pt, _)| *pt == packet.pt).copied() else {
            return;
        };
        let bytes = packet.payload.len() as f64;
        let is_late = now.saturating_duration_since(at) > KEEP_FOR;
        if is_late || !lane.budget.spend(bytes) {
            return;
        }
        lane.again_sequence += 1;
        let original = sequence.to_be_bytes();
        let as_sent = (pt, packet.marker, packet.time);
        self.write(lane, (ssrc, lane.again_sequence), as_sent, &original, &packet.payload, now);
    }

    /// Writes a sender report of a track if one is due; how many were.
    pub(super) fn report(&mut self, lane: &mut Lane, rate: u32, now: Instant) -> u64 {
        let (Some((time, shown)), Some(sender)) = (lane.newest, self.keys.sender()) else {
            return 0;
        };
        if lane.reported.is_some_and(|at| now.saturating_duration_since(at) < REPORT_EVERY) {
            return 0;
        }
        lane.reported = Some(now);
        let report = SenderReport {
            ssrc: lane.look.ssrc,
            ntp: wall_now().to_ntp(),
            rtp: ticks_at(now, time, shown, rate),
            packets: lane.packets,
            bytes: lane.octets,
        };
        let start = self.row.buffer.len();
        self.row.buffer.extend_from_slice(&rtcp::sender_report(&report, NAME));
        self.rtcp_index = self.rtcp_index.wrapping_add(1);
        if sender.protect_rtcp(&mut self.row.buffer, start, self.rtcp_index).is_ok() {
            self.row.ends.push(self.row.buffer.len());
        }
        1
    }

    fn write(
        &mut self,
        lane: &Lane,
        (ssrc, sequence): (u32, u64),
        (pt, marker, time): (Pt, bool, u32),
        before: &[u8],
        payload: &[u8],
        now: Instant,
    ) {
        let Some(sender) = self.keys.sender() else {
            return;
        };
        let start = self.row.buffer.len();
        self.row.buffer.reserve(payload.len() + AROUND);
        let header = media_proto::rtp::header(*pt, marker, sequence as u16, time, ssrc);
        self.row.buffer.extend_from_slice(&header);
        let named = lane.look.names.filter(|_| lane.packets < NAMED_PACKETS);
        let number = lane.look.numbers.map(|id| (id, self.bandwidth.next_number()));
        extend(&mut self.row.buffer, start, number, named.map(|id| (id, lane.look.mid)));
        let header = self.row.buffer.len() - start;
        self.row.buffer.extend_from_slice(before);
        self.row.buffer.extend_from_slice(payload);
        if let Err(error) = sender.protect_rtp(&mut self.row.buffer, start, header, (ssrc, sequence)) {
            tracing::debug!(%error, "a packet cannot be protected");
            self.row.buffer.truncate(start);
            return;
        }
        self.row.ends.push(self.row.buffer.len());
        if number.is_some() {
            self.bandwidth.sent(now, self.row.buffer.len() - start);
        }
    }

    /// Whether a row is full and has to leave.
    pub(super) fn is_full(&self) -> bool {
        self.row.ends.len() >= LEAVING
    }

    /// Sends what was written. The row is empty then.
    pub(super) fn flush(&mut self, ways: Ways<'_>) {
        let starts = std::iter::once(0).chain(self.row.ends.iter().copied());
        let packets = starts.zip(&self.row.ends).filter_map(|(start, end)| self.row.buffer.get(start..*end));
        match self.way.filter(|_| !self.row.ends.is_empty()) {
            Some((Protocol::Udp, to)) => ways.send_row(packets, to),
            Some((_, to)) => packets.for_each(|packet| ways.links.send(to, packet)),
            None => {}
        }
        self.row.buffer.clear();
        self.row.ends.clear();
    }
}

/// The timestamp at `now` of a track that shows `time` at `shown`.
fn ticks_at(now: Instant, time: u32, shown: Instant, rate: u32) -> u32 {
    let ticks = |span: Duration| (span.as_micros() * u128::from(rate) / 1_000_000) as u32;
    match now.checked_duration_since(shown) {
        Some(since) => time.wrapping_add(ticks(since)),
        None => time.wrapping_sub(ticks(shown.saturating_duration_since(now))),
    }
}

/// Adds header extensions to the header that begins at `start`: the transport-wide sequence number and the name of the
/// section, each with the number of its extension.
fn extend(buffer: &mut Vec<u8>, start: usize, number: Option<(u8, u16)>, name: Option<(u8, Mid)>) {
    let number = number.filter(|(id, _)| (1..=EXTENSION_MAX).contains(id));
    let name = name.filter(|(id, _)| (1..=EXTENSION_MAX).contains(id));
    if number.is_none() && name.is_none() {
        return;
    }
    if let Some(first) = buffer.get_mut(start) {
        // The X bit, RFC 3550 section 5.1.
        *first |= 0x10;
    }
    let at = buffer.len();
    buffer.extend_from_slice(&ONE_BYTE);
    buffer.extend_from_slice(&[0, 0]);
    if let Some((id, number)) = number {
        buffer.push(id << 4 | 1);
        buffer.extend_from_slice(&number.to_be_bytes());
    }
    if let Some((id, mid)) = name {
        let bytes = mid.as_bytes();
        if let (1..=16, Ok(length)) = (bytes.len(), u8::try_from(bytes.len())) {
            buffer.push(id << 4 | (length - 1));
            buffer.extend_from_slice(bytes);
        }
    }
    while !(buffer.len() - at).is_multiple_of(4) {
        buffer.push(0);
    }
    let words = u16::try_from((buffer.len() - at) / 4 - 1).unwrap_or(0);
    if let Some(length) = buffer.get_mut(at + 2..at + 4) {
        length.copy_from_slice(&words.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_extensions_are_those_of_rfc_8285() {
        let header = [0x80_u8; 12];
        let check = |number, name, want: &[u8]| {
            let mut buffer = [&b"before"[..], &header].concat();
            extend(&mut buffer, 6, number, name);
            assert_eq!(&buffer[18..], want, "{number:?} {name:?}");
            assert_eq!(buffer[6] & 0x10 != 0, !want.is_empty(), "the X bit");
        };
        check(Some((4, 0x1234)), None, &[0xbe, 0xde, 0, 1, 0x41, 0x12, 0x34, 0]);
        check(Some((4, 1)), Some((9, "12".into())), &[0xbe, 0xde, 0, 2, 0x41, 0, 1, 0x91, b'1', b'2', 0, 0]);
        check(None, Some((9, "0".into())), &[0xbe, 0xde, 0, 1, 0x90, b'0', 0, 0]);
        check(None, None, &[]);
        check(Some((15, 1)), Some((0, "0".into())), &[]);
    }

    fn lane(again: Option<u32>, keeps: usize) -> Lane {
        let (pt, again_types) = (Pt::from(96), vec![(Pt::from(96), Pt::from(97))]);
        let look = Look { mid: "0".into(), ssrc: 1, again, again_types, numbers: None, names: None, keeps };
        let mut lane = Lane::new(look, u16::MAX - 32_768 - 1);
        let now = Instant::now();
        for _ in 0..100 {
            lane.sequence += 1;
            lane.keep(now, Packet { pt, marker: false, time: 0, payload: Arc::from([0]) });
        }
        lane
    }

    #[test]
    fn the_newest_packets_are_kept_and_found_by_the_lower_half_of_their_numbers() {
        let mut lane = lane(Some(2), 50);
        let newest = lane.sequence;
        for (behind, found) in [(0, true), (49, true), (50, false), (99, false)] {
            let kept = lane.find((newest - behind) as u16);
            assert_eq!(kept.map(|kept| kept.sequence), found.then_some(newest - behind), "{behind} behind");
        }
        assert!(lane.find((newest + 1) as u16).is_none(), "nothing that was never sent");
    }

    #[test]
    fn without_a_stream_for_it_nothing_is_kept_to_be_sent_again() {
        assert!(lane(None, 50).kept.is_empty());
    }

    #[test]
    fn packets_are_kept_for_a_second() {
        let mut lane = lane(Some(2), 1000);
        let packet = lane.kept[0].packet.clone();
        lane.sequence += 1;
        lane.keep(Instant::now() + KEEP_FOR + Duration::from_millis(500), packet);
        assert_eq!(lane.kept.len(), 1);
    }

    #[test]
    fn a_report_goes_on_from_the_newest_picture() {
        let shown = Instant::now() + Duration::from_secs(10);
        assert_eq!(ticks_at(shown + Duration::from_millis(20), 100, shown, 90_000), 1900);
        assert_eq!(ticks_at(shown - Duration::from_millis(1), 100, shown, 90_000), 10);
    }
}
