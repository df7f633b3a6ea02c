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
    camera.picture(&[SPS, PPS, &[0x65, 1]], &[]);
    assert_eq!(camera.units(), "K3", "without waiting for the next picture");
    for _ in 0..9 {
        camera.picture(&[&[0x41, 1], &[0x41, 2]], &[]);
    }
    assert_eq!(camera.units(), "p2 p2 p2 p2 p2 p2 p2 p2 p2");
}

#[test]
fn a_keyframe_without_parameter_sets_gets_them() {
    let mut camera = Camera::new(SPS);
    camera.picture(&[&[0x65, 1]], &[]);
    let unit = camera.ingest.poll_unit().unwrap();
    let codec = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
    let nals = depacketizer::frames(&codec, unit.packets(|_| vec![]));
    assert_eq!(nals, [SPS, PPS, &[0x65, 1]]);
}

#[test]
fn parameter_sets_are_learnt_in_band() {
    let mut camera = Camera::new(&[]);
    camera.picture(&[SPS, PPS, &[0x65, 1]], &[]);
    let tracks = camera.ingest.poll_tracks().unwrap();
    assert_eq!(tracks[0].codec.parameter_sets(), [SPS, PPS]);
    camera.picture(&[SPS, PPS, &[0x65, 1]], &[]);
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
    camera.picture(&[&[0x41, 1]], &[]);
    for jump in [90_000 * 3600, (-90_000_i32 * 3600) as u32] {
        camera.timestamp = camera.timestamp.wrapping_add(jump);
        camera.picture(&[&[0x41, 1]], &[]);
        camera.picture(&[&[0x41, 1]], &[]);
    }
    let units: Vec<_> = std::iter::from_fn(|| camera.ingest.poll_unit()).collect();
    let ms: Vec<_> = units.iter().map(|unit| unit.head().pts.to_us() / 1000).collect();
    assert_eq!(ms, [40, 80, 120, 160, 200]);
    assert_eq!(units.iter().filter(|unit| unit.head().discontinuity).count(), 2);
}

#[test]
fn a_large_payload_is_cut_and_a_four_megabyte_keyframe_passes() {
    let mut camera = Camera::new(SPS);
    let huge: &'static [u8] = Box::leak(vec![0x65; 60_000].into_boxed_slice());
    camera.picture(&vec![huge; 70], &[]);
    let unit = camera.ingest.poll_unit().unwrap();
    assert!(unit.size() > 4_000_000 && unit.head().keyframe);
    assert!(unit.packets(|_| vec![]).iter().all(|packet| packet.payload.len() <= PAYLOAD_MAX));
}

#[test]
fn reports_tell_loss_and_keyframes_can_be_asked_for() {
    let mut camera = Camera::new(SPS);
    assert!(camera.ingest.request_keyframe(TrackId(0)).is_none());
    camera.picture(&[&[0x41, 1], &[0x41, 1], &[0x41, 1], &[0x41, 1]], &[1, 2]);
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
        packet.push(0x41);
        camera.ingest.rtp(at, wall(i64::try_from(arrives).unwrap()), TrackId(track), packet.into()).unwrap();
    }
    let ms: Vec<_> =
        std::iter::from_fn(|| camera.ingest.poll_unit()).map(|unit| unit.head().pts.to_us() / 1000).collect();
    assert_eq!(ms, [100, 100]);
}
