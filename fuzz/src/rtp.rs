//! RTP and RTCP: packets, what they carry, and the way from datagrams to access units.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use domain::WallTime;
use media_proto::{
    AccessUnit, Codec, RtpPacket, Track, TrackId, depacketizer, h264 as avc, h265 as hevc,
    ingest::{Ingest, PAYLOAD_MAX},
    packetizer,
    rfc4571::{self as stream, Deframer},
    rtcp::{self as control, ReportBlock, Rtcp},
    rtp as wire,
    srtp::{Profile, Receiver, Sender},
};

use super::records;

/// Packets are read without harm, and a header that is written can be read back.
pub fn rtp(bytes: &[u8]) {
    let Ok(packet) = wire::Packet::parse(Bytes::copy_from_slice(bytes)) else { return };
    assert!(packet.payload.len() + wire::HEADER_BYTES <= bytes.len());
    let header = wire::header(packet.payload_type, packet.marker, packet.sequence, packet.timestamp, packet.ssrc);
    let written = [&header[..], &packet.payload].concat();
    assert_eq!(wire::Packet::parse(written.into()), Ok(packet));
}

/// Reports are read without harm, no more comes out than went in, and what is written again reads the same.
pub fn rtcp(bytes: &[u8]) {
    let Ok(found) = control::parse(bytes) else { return };
    assert!(found.len() <= bytes.len() / 2);
    for packet in found {
        match packet {
            Rtcp::SenderReport(report) => assert_eq!(again(&control::sender_report(&report, "name")), [packet]),
            Rtcp::ReceiverReport { ssrc, blocks } => blocks.into_iter().for_each(|block| report(ssrc, block)),
            Rtcp::Bye { ssrc } => assert_eq!(again(&control::goodbye(ssrc)).last(), Some(&packet)),
            Rtcp::KeyframeWanted { media_ssrc } => {
                assert_eq!(again(&control::picture_loss(1, media_ssrc)).last(), Some(&packet));
            }
            Rtcp::Arrivals(arrivals) => {
                assert!(arrivals.arrived.len() <= bytes.len().min(arrivals.count.into()));
            }
            Rtcp::Nack { sequences, .. } => assert!(sequences.len() <= 17 * bytes.len() / 4),
        }
    }
}

/// Protected reports are read without harm, and protecting what was read makes the same packet again.
pub fn srtcp(bytes: &[u8]) {
    for profile in [Profile::Aes128CmHmacSha1, Profile::Aes128Gcm, Profile::Aes256Gcm] {
        let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
        let mut receiver = Receiver::new(profile, &key, &salt).expect("the lengths are the profile's");
        let Ok(plain) = receiver.unprotect_rtcp(&mut bytes.to_vec()).map(<[u8]>::to_vec) else { continue };
        assert!(receiver.unprotect_rtcp(&mut bytes.to_vec()).is_err(), "a packet is taken once");
        let after = if profile == Profile::Aes128CmHmacSha1 { 10 } else { 0 };
        let word = bytes.get(..bytes.len() - after).and_then(|bytes| bytes.last_chunk()).expect("it was read");
        let mut again = plain;
        let sender = Sender::new(profile, &key, &salt).expect("the lengths are the profile's");
        sender.protect_rtcp(&mut again, 0, u32::from_be_bytes(*word)).expect("it was read");
        assert_eq!(again, bytes);
    }
}

fn report(ssrc: u32, block: ReportBlock) {
    let written = control::receiver_report(ssrc, &block, "name");
    assert_eq!(again(&written), [Rtcp::ReceiverReport { ssrc, blocks: vec![block] }]);
}

fn again(written: &[u8]) -> Vec<Rtcp> {
    control::parse(written).expect("what is written can be read")
}

/// The packets of a byte stream are the same however it is cut, within their limit, and as they were before framing.
pub fn rfc4571(bytes: &[u8]) {
    let packets = |piece: usize| {
        let mut deframer = Deframer::default();
        let mut packets = Vec::new();
        for piece in bytes.chunks(piece) {
            deframer.received(piece);
            loop {
                match deframer.poll() {
                    Ok(Some(packet)) => packets.push(packet),
                    Ok(None) => break,
                    Err(_) => return packets,
                }
            }
        }
        packets
    };
    let found = packets(1);
    assert_eq!(found, packets(bytes.len().max(1)));
    assert!(found.iter().all(|packet| packet.len() <= stream::PACKET_MAX));
    let mut framed = BytesMut::new();
    found.iter().for_each(|packet| stream::put(&mut framed, packet));
    assert!(bytes.starts_with(&framed));
}

/// NAL units of H.264 are put together without harm, and read the same after they were packed again.
pub fn depacketize_h264(bytes: &[u8]) {
    let codec = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
    packed_again(&codec, bytes, |nal| matches!(avc::nal_type(nal), 1..=23));
}

/// The same for H.265.
pub fn depacketize_h265(bytes: &[u8]) {
    let codec = Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() };
    packed_again(&codec, bytes, |nal| nal.len() >= 2 && hevc::nal_type(nal) < 48);
}

/// The same for AAC; the first bytes say how long the fields of an AU header are.
pub fn depacketize_aac(bytes: &[u8]) {
    let Some((&[lengths, more], packets)) = bytes.split_first_chunk::<2>() else { return };
    let codec = Codec::Aac {
        config: Bytes::new(),
        sample_rate: 48_000,
        channels: 2,
        size_length: lengths & 0x1f,
        index_length: lengths >> 5,
        index_delta_length: more,
    };
    // A size that does not tell the length of every frame cannot be written.
    let room = 1_u64.checked_shl(u32::from(lengths & 0x1f)).unwrap_or(u64::MAX);
    packed_again(&codec, packets, |frame| (frame.len() as u64) < room);
}

/// The same for Opus.
pub fn depacketize_opus(bytes: &[u8]) {
    packed_again(&Codec::Opus { channels: 2 }, bytes, |_| true);
}

/// The same for G.711.
pub fn depacketize_g711(bytes: &[u8]) {
    packed_again(&Codec::G711 { mu_law: true, channels: 1 }, bytes, |_| true);
}

fn packed_again(codec: &Codec, bytes: &[u8], writable: impl Fn(&[u8]) -> bool) {
    const MAX_PAYLOAD: usize = 100;
    let packet = |payload| RtpPacket { marker: false, payload: Bytes::copy_from_slice(payload) };
    let packets: Vec<_> = records::all(bytes).into_iter().map(packet).collect();
    let frames = depacketizer::frames(codec, &packets);
    let size = |parts: &mut dyn Iterator<Item = usize>| parts.sum::<usize>();
    let (came, made) = (size(&mut packets.iter().map(|p| p.payload.len())), size(&mut frames.iter().map(Bytes::len)));
    assert!(made <= came, "{made} bytes of {came}");
    let sound = matches!(codec, Codec::Opus { .. } | Codec::G711 { .. });
    if !sound {
        assert!(frames.iter().all(|frame| !frame.is_empty()), "{frames:?}");
    }
    let frames: Vec<_> = frames.into_iter().filter(|frame| writable(frame)).collect();
    let again = packetizer::packets(codec, &frames, MAX_PAYLOAD);
    assert!(sound || again.iter().all(|packet| packet.payload.len() <= MAX_PAYLOAD));
    assert_eq!(depacketizer::frames(codec, &again), frames);
}

/// The tracks of the machine below: what a camera with picture and sound has.
fn tracks(kind: u8) -> [Track; 2] {
    let rate = |rate| NonZeroU32::new(rate).expect("it is not 0");
    let sets = Bytes::new;
    let aac = Codec::Aac {
        config: Bytes::from_static(&[0x11, 0x90]),
        sample_rate: 48_000,
        channels: 2,
        size_length: 13,
        index_length: 3,
        index_delta_length: 3,
    };
    let video = if kind & 1 == 0 {
        Codec::H264 { sps: sets(), pps: sets() }
    } else {
        Codec::H265 { vps: sets(), sps: sets(), pps: sets() }
    };
    let sound = match kind >> 1 & 3 {
        0 => aac,
        1 => Codec::Opus { channels: 2 },
        2 => Codec::G711 { mu_law: true, channels: 1 },
        _ => Codec::Generic { media: "application".into(), encoding: "klv".into(), channels: None, fmtp: None },
    };
    [
        Track { id: TrackId(0), codec: video, clock_rate: rate(90_000), payload_type: 96 },
        Track { id: TrackId(1), codec: sound, clock_rate: rate(48_000), payload_type: 97 },
    ]
}

/// A camera's datagrams become access units: never more than came, none larger than a reader takes, each keyframe with
/// its parameter sets, and no wake-up that has passed.
///
/// The first byte says of which codecs and whether by UDP; each datagram stands after its length, its first byte is its
/// track, whether it is RTCP, and the time since the one before.
pub fn ingest(bytes: &[u8]) {
    let Some((&kind, datagrams)) = bytes.split_first() else { return };
    let mut now = Instant::now();
    let mut wall = WallTime::from_unix_us(1_700_000_000_000_000);
    let mut machine = Ingest::new(&tracks(kind), now);
    if kind & 8 != 0 {
        [TrackId(0), TrackId(1)].into_iter().for_each(|track| machine.reorder(track));
    }
    let mut flow = Flow::default();
    for record in records::all(datagrams) {
        let Some((&how, datagram)) = record.split_first() else { continue };
        let step = Duration::from_millis(10 * u64::from(how >> 4));
        now += step;
        wall = WallTime::from_unix_us(wall.unix_us() + i64::try_from(step.as_micros()).unwrap_or(0));
        let track = TrackId(how & 1);
        flow.came += datagram.len();
        // What cannot be understood is counted, and the connection goes on.
        let _ = if how & 2 == 0 {
            machine.rtp(now, wall, track, Bytes::copy_from_slice(datagram))
        } else {
            machine.rtcp(now, wall, track, datagram)
        };
        machine.expire(now, wall);
        assert!(machine.wake_at().is_none_or(|at| at > now));
        flow.drain(&mut machine, now);
    }
}

/// What went in and came out.
#[derive(Default)]
struct Flow {
    came: usize,
    made: usize,
    tracks: Vec<Track>,
}

impl Flow {
    fn drain(&mut self, machine: &mut Ingest, now: Instant) {
        if let Some(tracks) = machine.poll_tracks() {
            self.tracks = tracks;
        }
        while let Some(unit) = machine.poll_unit() {
            self.unit(&unit);
        }
        while let Some((_, report)) = machine.poll_report(now) {
            assert!(matches!(again(&report)[..], [Rtcp::ReceiverReport { .. }]));
        }
        assert!(machine.stats().jitter.is_finite());
    }

    fn unit(&mut self, unit: &AccessUnit) {
        let packets = unit.packets(|_| vec![]);
        assert!(!packets.is_empty());
        let codec = self.tracks.iter().find(|track| track.id == unit.head().track).map(|track| &track.codec);
        let sets = codec.map(Codec::parameter_sets).unwrap_or_default();
        self.made += packets.iter().map(|packet| packet.payload.len()).sum::<usize>();
        // Each unit may have got the parameter sets of its track; packets that were cut have new headers.
        let sets_bytes: usize = sets.iter().map(|set| set.len() + 8).sum();
        self.came += sets_bytes;
        assert!(self.made <= 2 * self.came, "{} bytes of {}", self.made, self.came);
        let Some(codec @ (Codec::H264 { .. } | Codec::H265 { .. })) = codec else { return };
        assert!(packets.iter().all(|packet| packet.payload.len() <= PAYLOAD_MAX));
        if unit.head().keyframe {
            let nals = depacketizer::frames(codec, packets);
            let wanted = if matches!(codec, Codec::H264 { .. }) { 2 } else { 3 };
            assert_eq!(sets.len(), wanted);
            let kind = |nal: &[u8]| if wanted == 2 { avc::nal_type(nal) } else { hevc::nal_type(nal) };
            let has = |set: &Bytes| nals.iter().any(|nal| kind(nal) == kind(set));
            assert!(sets.iter().all(has), "{sets:?} {nals:?}");
        }
    }
}
