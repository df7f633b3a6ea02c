use std::num::NonZeroU32;

use super::*;
use crate::rtp;

const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e];
const PPS: &[u8] = &[0x68, 0xce];

struct Camera {
    ingest: Ingest,
    now: Instant,
    sequence: u16,
    timestamp: u32,
}

impl Camera {
    fn new(sps: &'static [u8]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let codec = Codec::H264 {
            sps: Bytes::from_static(sps),
            pps: Bytes::from_static(if sps.is_empty() { &[] } else { PPS }),
        };
        let track = Track { id: TrackId(0), codec, clock_rate: NonZeroU32::new(90_000).unwrap(), payload_type: 96 };
        Self { ingest: Ingest::new(&[track], now), now, sequence: 65_530, timestamp: u32::MAX - 9000 }
    }

    /// One picture of these packets; those at the places in `lost` never arrive.
    fn picture(&mut self, payloads: &[&'static [u8]], lost: &[usize]) {
        self.now += Duration::from_millis(40);
        self.timestamp = self.timestamp.wrapping_add(3600);
        for (at, payload) in payloads.iter().enumerate() {
            let marker = at + 1 == payloads.len();
            let mut bytes = rtp::header(96, marker, self.sequence, self.timestamp, 7).to_vec();
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend_from_slice(payload);
            if !lost.contains(&at) {
                self.ingest.rtp(self.now, WallTime::from_unix_us(0), TrackId(0), bytes.into()).unwrap();
            }
        }
    }

    /// The units since the last call: `K` keyframe, `p` other, `!` after a discontinuity, each with its packet count.
    fn units(&mut self) -> String {
        let units = std::iter::from_fn(|| self.ingest.poll_unit());
        let text = |unit: AccessUnit| {
            let head = unit.head();
            let packets = unit.packets(|_| vec![]).len();
            format!("{}{}{packets}", if head.discontinuity { "!" } else { "" }, if head.keyframe { "K" } else { "p" })
        };
        units.map(text).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn packets_become_units_at_their_marker_across_every_wrap() {
    let mut camera = Camera::new(SPS);
    camera.picture(&[SPS, PPS, &[0x65, 0x81]], &[]);
    assert_eq!(camera.units(), "K3", "without waiting for the next picture");
    for _ in 0..9 {
        camera.picture(&[&[0x41, 0x81], &[0x41, 2]], &[]);
    }
    assert_eq!(camera.units(), "p2 p2 p2 p2 p2 p2 p2 p2 p2");
}

#[test]
fn a_keyframe_without_parameter_sets_gets_them() {
    let mut camera = Camera::new(SPS);
    camera.picture(&[&[0x65, 0x81]], &[]);
    let unit = camera.ingest.poll_unit().unwrap();
    let codec = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
    let nals = depacketizer::frames(&codec, unit.packets(|_| vec![]));
    assert_eq!(nals, [SPS, PPS, &[0x65, 0x81]]);
}

#[test]
fn parameter_sets_are_learnt_in_band() {
    let mut camera = Camera::new(&[]);
    camera.picture(&[SPS, PPS, &[0x65, 0x81]], &[]);
    let tracks = camera.ingest.poll_tracks().unwrap();
    assert_eq!(tracks[0].codec.parameter_sets(), [SPS, PPS]);
    camera.picture(&[SPS, PPS, &[0x65, 0x81]], &[]);
    assert!(camera.ingest.poll_tracks().is_none(), "the same again is no change");
}

#[test]
fn a_torn_unit_is_dropped_whichever_packet_is_lost() {
    for (lost, want) in [(0, "p3 !p3"), (1, "p3 !p3"), (2, "p3 !p3")] {
        let mut camera = Camera::new(SPS);
        let picture: &[&[u8]] = &[&[0x41, 0x80], &[0x41, 2], &[0x41, 3]];
        camera.picture(picture, &[]);
        camera.picture(picture, &[lost]);
        camera.picture(picture, &[]);
        assert_eq!(camera.units(), want, "packet {lost}");
        assert_eq!((camera.ingest.stats().lost, camera.ingest.stats().units_dropped), (1, 1));
    }
}

#[test]
fn a_clock_that_jumps_goes_on_where_it_was() {
    let mut camera = Camera::new(SPS);
    camera.picture(&[&[0x41, 0x81]], &[]);
    for jump in [90_000 * 3600, (-90_000_i32 * 3600) as u32] {
        camera.timestamp = camera.timestamp.wrapping_add(jump);
        camera.picture(&[&[0x41, 0x81]], &[]);
        camera.picture(&[&[0x41, 0x81]], &[]);
    }
    let units: Vec<_> = std::iter::from_fn(|| camera.ingest.poll_unit()).collect();
    let ms: Vec<_> = units.iter().map(|unit| unit.head().pts.to_us() / 1000).collect();
    assert_eq!(ms, [40, 80, 120, 160, 200]);
    assert_eq!(units.iter().filter(|unit| unit.head().discontinuity).count(), 2);
}

#[test]
fn a_large_payload_is_cut_and_a_four_megabyte_keyframe_passes() {
    let mut camera = Camera::new(SPS);
    let huge: &'static [u8] = Box::leak([&[0x65, 0x80], &[1; 60_000][..]].concat().into_boxed_slice());
    camera.picture(&vec![huge; 70], &[]);
    let unit = camera.ingest.poll_unit().unwrap();
    assert!(unit.size() > 4_000_000 && unit.head().keyframe);
    assert!(unit.packets(|_| vec![]).iter().all(|packet| packet.payload.len() <= PAYLOAD_MAX));
}

#[test]
fn reports_tell_loss_and_keyframes_can_be_asked_for() {
    let mut camera = Camera::new(SPS);
    assert!(camera.ingest.request_keyframe(TrackId(0)).is_none());
    camera.picture(&[&[0x41, 0x81], &[0x41, 0x81], &[0x41, 0x81], &[0x41, 0x81]], &[1, 2]);
    assert!(camera.ingest.poll_report(camera.now).is_none());
    let (_, report) = camera.ingest.poll_report(camera.now + REPORT_INTERVAL).unwrap();
    let Some(Rtcp::ReceiverReport { blocks, .. }) = rtcp::parse(&report).unwrap().into_iter().next() else { panic!() };
    assert_eq!((blocks[0].lost, blocks[0].fraction_lost), (2, 128));
    let wanted = camera.ingest.request_keyframe(TrackId(0)).unwrap();
    assert!(rtcp::parse(&wanted).unwrap().contains(&Rtcp::KeyframeWanted { media_ssrc: 7 }));
}

#[test]
fn tracks_with_sender_reports_begin_in_step() {
    let mut camera = Camera::new(SPS);
    let audio = Track {
        id: TrackId(1),
        codec: Codec::Opus { channels: 2 },
        clock_rate: NonZeroU32::new(48_000).unwrap(),
        payload_type: 97,
    };
    let video = camera.ingest.lanes[0].track.clone();
    camera.ingest = Ingest::new(&[video, audio], camera.now);
    let wall = |ms: i64| WallTime::from_unix_us(1_700_000_000_000_000 + ms * 1000);
    let report = |ms, rtp| rtcp::SenderReport { ssrc: 7, ntp: wall(ms).to_ntp(), rtp, packets: 0, bytes: 0 };
    // Both were taken at 0 ms; the sound arrives 300 ms after the picture.
    for (track, payload_type, arrives) in [(0, 96, 100), (1, 97, 400)] {
        let at = camera.now + Duration::from_millis(arrives);
        camera.ingest.rtcp(at, wall(100), TrackId(track), &rtcp::sender_report(&report(0, 5000), "c")).unwrap();
        let mut packet = rtp::header(payload_type, true, 1, 5000, 7).to_vec();
        packet.extend_from_slice(&[0x41, 0x80]);
        camera.ingest.rtp(at, wall(i64::try_from(arrives).unwrap()), TrackId(track), packet.into()).unwrap();
    }
    let ms: Vec<_> =
        std::iter::from_fn(|| camera.ingest.poll_unit()).map(|unit| unit.head().pts.to_us() / 1000).collect();
    assert_eq!(ms, [100, 100]);
}

#[test]
fn a_connection_that_begins_inside_a_picture_starts_with_the_next_one() {
    let mut camera = Camera::new(SPS);
    camera.picture(&[&[0x7c, 0x05, 1], &[0x7c, 0x45, 1]], &[]);
    camera.picture(&[&[0x65, 0x80]], &[]);
    assert_eq!(camera.units(), "!K2");
}

#[test]
fn marked_parameter_sets_belong_to_the_picture_that_follows() {
    let mut camera = Camera::new(b"");
    for payload in [SPS, PPS, &[0x65, 0x80][..]] {
        let mut packet = rtp::header(96, true, camera.sequence, 9000, 7).to_vec();
        packet.extend_from_slice(payload);
        camera.sequence = camera.sequence.wrapping_add(1);
        camera.ingest.rtp(camera.now, WallTime::from_unix_us(0), TrackId(0), packet.into()).unwrap();
    }
    assert!(camera.ingest.poll_tracks().is_some());
    assert_eq!(camera.units(), "K3");
}

#[test]
fn several_picture_parameter_sets_are_no_change() {
    let mut camera = Camera::new(SPS);
    for _ in 0..3 {
        camera.picture(&[SPS, PPS, &[0x68, 0x55], &[0x65, 0x80]], &[]);
    }
    assert_eq!((camera.units().as_str(), camera.ingest.poll_tracks()), ("K4 K4 K4", None));
}

#[test]
fn a_keyframe_nobody_can_decode_is_none() {
    let mut camera = Camera::new(b"");
    camera.picture(&[&[0x65, 0x80]], &[]);
    assert_eq!(camera.units(), "p1");
}

#[test]
fn a_packet_form_that_is_not_taken_is_refused_by_name() {
    for (first, name) in [(25, "STAP-B"), (26, "MTAP16"), (27, "MTAP24"), (29, "FU-B")] {
        let mut camera = Camera::new(SPS);
        let mut packet = rtp::header(96, true, 1, 1, 7).to_vec();
        packet.extend_from_slice(&[first, 1, 2, 3]);
        let wall = WallTime::from_unix_us(0);
        let error = camera.ingest.rtp(camera.now, wall, TrackId(0), packet.into()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(camera.ingest.stats().in_error, 1);
    }
}

#[test]
fn a_unit_of_endless_small_packets_is_dropped_whole() {
    let mut camera = Camera::new(SPS);
    camera.picture(&vec![&[0x41, 0x81][..]; 40_000], &[]);
    camera.picture(&[&[0x41, 0x81]], &[]);
    assert_eq!((camera.units().as_str(), camera.ingest.stats().units_dropped), ("!p1", 1));
}

/// An ingest of one audio track, and a way to give it packets 20 ms apart.
fn sound(codec: Codec, packets: &[(u16, u32, &[u8])]) -> Vec<(i64, bool, usize)> {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let origin = Instant::now();
    let track = Track { id: TrackId(1), codec, clock_rate: NonZeroU32::new(48_000).unwrap(), payload_type: 97 };
    let mut ingest = Ingest::new(&[track], origin);
    for (at, (sequence, timestamp, payload)) in packets.iter().enumerate() {
        let mut packet = rtp::header(97, true, *sequence, *timestamp, 7).to_vec();
        packet.extend_from_slice(payload);
        let now = origin + Duration::from_millis(20) * u32::try_from(at).unwrap();
        ingest.rtp(now, WallTime::from_unix_us(0), TrackId(1), packet.into()).unwrap();
    }
    let units = std::iter::from_fn(|| ingest.poll_unit());
    units.map(|unit| (unit.head().pts.ticks, unit.head().discontinuity, unit.size())).collect()
}

#[test]
fn lost_sound_costs_no_more_than_what_was_lost() {
    let packets: &[(u16, u32, &[u8])] = &[(1, 0, b"a"), (2, 960, b"b"), (4, 2880, b"d"), (5, 3840, b"e")];
    let units = sound(Codec::Opus { channels: 2 }, packets);
    assert_eq!(units, [(0, false, 1), (960, false, 1), (2880, true, 1), (3840, false, 1)]);
}

#[test]
fn sound_frames_of_a_packet_that_is_too_large_become_units_of_their_own() {
    let codec = Codec::Aac {
        config: Bytes::new(),
        sample_rate: 48_000,
        channels: 2,
        size_length: 13,
        index_length: 3,
        index_delta_length: 3,
    };
    let mut payload = vec![0, 48];
    (0..3).for_each(|_| payload.extend_from_slice(&(500_u16 << 3).to_be_bytes()));
    payload.resize(8 + 3 * 500, 7);
    assert_eq!(sound(codec, &[(1, 0, &payload)]), [(0, false, 504), (1024, false, 504), (2048, false, 504)]);
}

#[test]
fn an_unknown_track_passes_through_untouched() {
    let codec = Codec::Generic { media: "video".into(), encoding: "JPEG".into(), channels: None, fmtp: None };
    assert_eq!(sound(codec, &[(1, 0, &[1; 1460])]), [(0, false, 1460)]);
}

/// What becomes of four pictures of two packets, by UDP or not, when they arrive in this order.
fn arriving(udp: bool, order: &[u16]) -> (String, Stats) {
    let mut camera = Camera::new(SPS);
    if udp {
        camera.ingest.reorder(TrackId(0));
    }
    for sequence in order {
        let picture = u32::from(sequence / 2);
        let mut bytes = rtp::header(96, sequence % 2 == 1, *sequence, picture * 3600, 7).to_vec();
        bytes.extend_from_slice(if sequence % 2 == 0 { &[0x41, 0x80] } else { &[0x41, 2] });
        camera.ingest.rtp(camera.now, WallTime::from_unix_us(0), TrackId(0), bytes.into()).unwrap();
    }
    let before = camera.units();
    assert_eq!(camera.ingest.wake_at().is_some(), order.len() < 8 && udp);
    camera.ingest.expire(camera.now + Duration::from_secs(1), WallTime::from_unix_us(0));
    (format!("{before} | {}", camera.units()), camera.ingest.stats())
}

#[test]
fn packets_of_a_udp_track_are_put_in_order_and_those_of_a_tcp_track_are_not() {
    let mixed = [0, 2, 1, 3, 5, 4, 6, 7];
    let (units, stats) = arriving(true, &mixed);
    assert_eq!((units.as_str(), stats.lost, stats.reordered, stats.units_dropped), ("p2 p2 p2 p2 | ", 0, 2, 0));
    let (units, stats) = arriving(false, &mixed);
    assert_eq!((units.as_str(), stats.reordered, stats.units_dropped), ("!p2 !p2 | ", 0, 2));
}

#[test]
fn a_lost_packet_of_a_udp_track_costs_its_unit_when_the_wait_is_over() {
    let (units, stats) = arriving(true, &[0, 1, 3, 2, 4, 6, 7]);
    assert_eq!((units.as_str(), stats.lost, stats.units_dropped), ("p2 p2 | !p2", 1, 1));
}

/// Packets as a camera sends them: payload type, marker, RTP timestamp, payload; 40 ms apart.
fn quirk(packets: &[(u8, bool, u32, &'static [u8])]) -> (String, Camera) {
    let mut camera = Camera::new(SPS);
    for (payload_type, marker, timestamp, payload) in packets {
        camera.now += Duration::from_millis(40);
        let mut bytes = rtp::header(*payload_type, *marker, camera.sequence, *timestamp, 7).to_vec();
        camera.sequence = camera.sequence.wrapping_add(1);
        bytes.extend_from_slice(payload);
        // An error is counted, and the connection goes on.
        let _ = camera.ingest.rtp(camera.now, WallTime::from_unix_us(0), TrackId(0), bytes.into());
    }
    (camera.units(), camera)
}

const IDR: &[u8] = &[0x65, 0x88, 1];
const SLICE: &[u8] = &[0x41, 0x9a, 1];

#[test]
fn quirks_of_markers_and_timestamps_are_met() {
    for (name, packets, expected) in [
        ("no marker at all", vec![(96, false, 0, IDR), (96, false, 3600, SLICE), (96, false, 7200, SLICE)], "K2 p1"),
        ("no marker on keyframes", vec![(96, false, 0, IDR), (96, true, 3600, SLICE)], "K2 p1"),
        ("a marker on parameter sets", vec![(96, true, 0, SPS), (96, true, 0, PPS), (96, true, 0, IDR)], "K3"),
        (
            "parameter sets with the timestamp of before",
            vec![(96, true, 0, IDR), (96, false, 0, SPS), (96, false, 0, PPS), (96, true, 3600, IDR)],
            "K2 K2",
        ),
        (
            "timestamps that stand still",
            vec![(96, true, 0, IDR), (96, true, 0, SLICE), (96, true, 0, SLICE)],
            "K2 p1 p1",
        ),
        (
            "a step back of a frame",
            vec![(96, true, 7200, IDR), (96, true, 3600, SLICE), (96, true, 10800, SLICE)],
            "K2 p1 p1",
        ),
        (
            "timestamps that begin anew",
            vec![(96, true, 900_000, IDR), (96, true, 0, SLICE), (96, true, 3600, SLICE)],
            "K2 !p1 p1",
        ),
        ("an empty packet", vec![(96, true, 0, IDR), (96, true, 3600, b""), (96, true, 3600, SLICE)], "K2 p1"),
        ("a stranger between", vec![(96, true, 0, IDR), (13, true, 0, SLICE), (96, true, 3600, SLICE)], "K2 p1"),
    ] {
        assert_eq!(quirk(&packets).0, expected, "{name}");
    }
}

#[test]
fn a_payload_type_that_the_description_does_not_name_is_taken_when_no_other_comes() {
    let others: Vec<_> = (0..STRANGERS_MAX + 5).map(|picture| (97, true, u32::from(picture) * 3600, IDR)).collect();
    let (units, camera) = quirk(&others);
    assert_eq!(units.split(' ').count(), 5, "{units}");
    assert_eq!(camera.ingest.stats().in_error, u64::from(STRANGERS_MAX));
    let (units, _) = quirk(&[&[(96, true, 0, IDR)], others.as_slice()].concat());
    assert_eq!(units, "K2", "the described one has come");
}

#[test]
fn parameter_sets_of_the_description_that_are_wrong_are_replaced_by_those_in_band() {
    let mut camera = Camera::new(&[0x67, 0x64, 0, 0x29]);
    camera.picture(&[SPS, PPS, &[0x65, 0x81]], &[]);
    assert_eq!(camera.ingest.poll_tracks().unwrap()[0].codec.parameter_sets(), [SPS, PPS]);
    assert_eq!(camera.units(), "K3");
    let mut camera = Camera::new(&[]);
    camera.picture(&[&[0x65, 0x81]], &[]);
    assert_eq!((camera.units().as_str(), camera.ingest.poll_tracks()), ("p1", None), "nobody can decode it yet");
    camera.picture(&[SPS], &[]);
    camera.picture(&[PPS, &[0x65, 0x81]], &[]);
    assert_eq!(camera.units(), "K3", "the sets came apart");
}
