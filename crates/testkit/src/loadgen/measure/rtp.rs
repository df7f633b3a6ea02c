//! From RTP packets of H.264 (RFC 6184) to the access units that [`Frames`] judges. Only what the judgement needs is read:
//! sequence numbers, the stamp, the size of the slices.

use serde_json::{Value, json};

use super::{Frame, Frames};
use crate::loadgen::stamp::Stamp;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const IDR_SLICE: u8 = 5;
const SEI: u8 = 6;
const HEADER_BYTES: u64 = 12;

/// The packets of one stream, as one reader gets them.
#[derive(Clone, Debug)]
pub struct RtpFrames {
    /// The judgement of its access units.
    pub frames: Frames,
    last_sequence: Option<u16>,
    open: Option<Open>,
    traffic: Traffic,
}

/// How much came, of one reader or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came after a later one, or twice.
    pub late: u64,
}

/// One packet, its header taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its sequence number.
    pub sequence: u16,
    /// Its timestamp.
    pub timestamp: u32,
    /// It ends its access unit.
    pub marker: bool,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet (RFC 3550 section 5.1) without copying it; `None` when it is none.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (&[first, second, s0, s1, t0, t1, t2, t3, _, _, _, _], rest) = datagram.split_first_chunk()?;
        let mut payload = rest.get(4 * usize::from(first & 0x0f)..)?;
        if first & 0x10 != 0 {
            let &[_, _, high, low] = payload.first_chunk()?;
            payload = payload.get(4 + 4 * usize::from(u16::from_be_bytes([high, low]))..)?;
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*payload.last()?) };
        let payload = payload.get(..payload.len().checked_sub(padding)?)?;
        let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
        (first >> 6 == 2).then_some(Self {
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp,
            marker: second & 0x80 != 0,
            payload,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    timestamp: u32,
    after_gap: bool,
    frame: Frame,
}

impl RtpFrames {
    /// Packets for this judgement.
    #[must_use]
    pub fn new(frames: Frames) -> Self {
        Self { frames, last_sequence: None, open: None, traffic: Traffic::default() }
    }

    /// The measured window begins.
    pub fn begin(&mut self) {
        self.traffic = Traffic::default();
        self.frames.begin();
    }

    /// How much came since then.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Takes a packet that came at `now_ns`.
    pub fn take(&mut self, now_ns: u64, packet: &Packet<'_>) {
        self.traffic.packets += 1;
        self.traffic.bytes += HEADER_BYTES + packet.payload.len() as u64;
        let skipped = self.last_sequence.map_or(0, |last| packet.sequence.wrapping_sub(last).wrapping_sub(1));
        if skipped >= 0x8000 {
            self.traffic.late += 1;
            return;
        }
        self.last_sequence = Some(packet.sequence);
        self.traffic.lost += u64::from(skipped);
        if self.open.is_some_and(|open| open.timestamp != packet.timestamp) {
            self.close();
        }
        let open = self.open.get_or_insert_with(|| Open::new(packet.timestamp, skipped > 0));
        open.frame.broken |= skipped > 0 && !open.after_gap;
        open.frame.complete_ns = now_ns;
        open.add(packet.payload);
        if packet.marker {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(Open { after_gap, mut frame, .. }) = self.open.take() {
            frame.broken |= after_gap && frame.stamp.is_none();
            self.frames.take(&frame);
        }
    }
}

impl Open {
    fn new(timestamp: u32, after_gap: bool) -> Self {
        let frame = Frame { stamp: None, keyframe: false, slice_bytes: 0, broken: false, complete_ns: 0 };
        Self { timestamp, after_gap, frame }
    }

    fn add(&mut self, payload: &[u8]) {
        match payload {
            [first, rest @ ..] if first & 0x1f == STAP_A => self.add_aggregated(rest),
            [first, header, rest @ ..] if first & 0x1f == FU_A => {
                let own_header = u64::from(header >> 7);
                self.frame.add_slice(header & 0x1f, own_header + rest.len() as u64);
            }
            nal => self.frame.add_nal(nal),
        }
    }

    fn add_aggregated(&mut self, mut rest: &[u8]) {
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let Some((nal, behind)) = behind.split_at_checked(u16::from_be_bytes(*length).into()) else { return };
            self.frame.add_nal(nal);
            rest = behind;
        }
    }
}

impl Frame {
    /// Adds a whole NAL unit.
    pub fn add_nal(&mut self, nal: &[u8]) {
        let kind = nal.first().map_or(0, |first| first & 0x1f);
        if kind == SEI {
            self.stamp = Stamp::of_nal(nal).or(self.stamp);
        }
        self.add_slice(kind, nal.len() as u64);
    }

    fn add_slice(&mut self, kind: u8, bytes: u64) {
        if matches!(kind, 1..=IDR_SLICE) {
            self.slice_bytes += bytes;
            self.keyframe |= kind == IDR_SLICE;
        }
    }
}

impl Traffic {
    /// Adds what another reader got.
    pub fn merge(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.late += other.late;
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(self) -> Value {
        json!({"packets": self.packets, "bytes": self.bytes, "lost_packets": self.lost, "late_packets": self.late})
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media_proto::{Codec, packetizer};

    use super::*;

    /// Sends a keyframe and two other pictures through the packetizer without the packets numbered in `dropped`, and tells
    /// packets lost, frames, frames lost, frames torn, keyframes.
    fn check(dropped: &[u16], expected: [u64; 5]) {
        let codec = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
        let mut reader = RtpFrames::new(Frames::new(Some(1), 25.0, 0));
        let (mut sequence, mut timestamp) = (u16::MAX - 2, 0);
        for (counter, slice) in (0..).zip([[0x65_u8; 4000].as_slice(), &[0x41; 300], &[0x41; 3000]]) {
            let stamp = Stamp { stream: 1, counter, sent_ns: 0, slice_bytes: u32::try_from(slice.len()).unwrap() };
            let nals = [Bytes::from_static(b"\x67SPS"), stamp.to_nal(), Bytes::from(slice.to_vec())];
            for packet in packetizer::packets(&codec, &nals, 1_000) {
                if !dropped.contains(&sequence.wrapping_sub(u16::MAX - 2)) {
                    let whole = Packet { sequence, timestamp, marker: packet.marker, payload: &packet.payload };
                    reader.take(1, &whole);
                }
                sequence = sequence.wrapping_add(1);
            }
            timestamp += 3_600;
        }
        let (traffic, totals) = (reader.traffic(), reader.frames.totals());
        let got = [traffic.lost, totals.frames, totals.lost, totals.torn, totals.first_picture.count()];
        assert_eq!(got, expected, "without {dropped:?}: packets lost, frames, lost, torn, first pictures");
    }

    // Packets 0–5 are the keyframe (0 its stamp), 6 the second picture, 7–11 the third.
    #[test]
    fn whole_pictures_come_through_every_form_of_packet() {
        check(&[], [0, 3, 0, 0, 1]);
    }

    #[test]
    fn a_lost_packet_tears_its_picture_and_no_other() {
        check(&[2], [1, 2, 0, 1, 0]);
        check(&[5], [1, 2, 0, 1, 0]);
        check(&[7], [1, 2, 0, 1, 1]);
        check(&[9], [1, 2, 0, 1, 1]);
    }

    #[test]
    fn a_picture_lost_whole_is_no_torn_one() {
        check(&[6], [1, 2, 1, 0, 1]);
        check(&[5, 6], [2, 1, 0, 1, 0]);
    }

    #[test]
    fn a_packet_is_read_without_its_contributors_extension_and_padding() {
        let datagram = b"\xb1\xe0\0\x07\0\0\0\x09SSRCCSRC\xbe\xde\0\x01extedata\0\0\x03";
        let packet = Packet::parse(datagram).unwrap();
        assert_eq!(
            (packet.sequence, packet.timestamp, packet.marker, packet.payload),
            (7, 9, true, b"data".as_slice())
        );
        for length in 0..24 {
            assert!(Packet::parse(&datagram[..length]).is_none(), "{length}");
        }
        assert!(Packet::parse(b"\x40\x60\0\x07\0\0\0\x09SSRC").is_none());
    }

    #[test]
    fn a_packet_that_comes_again_is_late_and_changes_nothing() {
        let mut reader = RtpFrames::new(Frames::new(None, 25.0, 0));
        let stamp = Stamp { stream: 0, counter: 0, sent_ns: 0, slice_bytes: 0 }.to_nal();
        let packet = Packet { sequence: 7, timestamp: 0, marker: true, payload: &stamp };
        reader.take(1, &packet);
        reader.take(2, &packet);
        assert_eq!((reader.traffic().late, reader.frames.totals().frames), (1, 1));
    }
}
