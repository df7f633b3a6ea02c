//! H.265 of a real encoder through the whole wire: packets, access units, samples and the initialisation segment.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::{
    num::NonZeroU32,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::WallTime;
use media_proto::{
    AccessUnit, Codec, Track, TrackId, depacketizer, dts, fmp4, h264, h265, ingest::Ingest, packetizer, rtp,
};

const FRAME_TICKS: i64 = 3600;

/// The pictures of a clip of four seconds in decoding order, each with what stands before it.
fn pictures(encoder: &str) -> Vec<Vec<Bytes>> {
    let parameters = format!("log-level=error:scenecut=0:b-adapt=0:repeat-headers=1:keyint=24:min-keyint=24:{encoder}");
    let made = Command::new("ffmpeg")
        .args("-v error -f lavfi -i testsrc2=size=320x180:rate=25 -t 4 -c:v libx265 -preset ultrafast".split(' '))
        .args(["-pix_fmt", "yuv420p", "-x265-params", &parameters, "-f", "hevc", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut pictures = vec![Vec::new()];
    for nal in h264::annex_b(&Bytes::from(made.stdout)) {
        let ends = h265::nal_type(&nal) < 32;
        pictures.last_mut().unwrap().push(nal);
        if ends {
            pictures.push(Vec::new());
        }
    }
    pictures.pop();
    assert_eq!(pictures.len(), 100);
    pictures
}

fn unknown() -> Codec {
    Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() }
}

/// Sends pictures as a camera does that says nothing of itself, and collects the units.
struct Camera {
    ingest: Ingest,
    now: Instant,
    sequence: u16,
    timestamp: u32,
}

impl Camera {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let clock_rate = NonZeroU32::new(90_000).unwrap();
        let track = Track { id: TrackId(0), codec: unknown(), clock_rate, payload_type: 96 };
        Self { ingest: Ingest::new(&[track], now), now, sequence: 1, timestamp: 0 }
    }

    fn send(&mut self, picture: &[Bytes], lose: bool) {
        self.now += Duration::from_millis(40);
        self.timestamp += 3600;
        for packet in packetizer::packets(&unknown(), picture, 1200) {
            let mut datagram = rtp::header(96, packet.marker, self.sequence, self.timestamp, 7).to_vec();
            datagram.extend_from_slice(&packet.payload);
            self.sequence += 1;
            if !lose {
                self.ingest.rtp(self.now, WallTime::from_unix_us(0), TrackId(0), datagram.into()).unwrap();
            }
        }
    }

    fn units(&mut self) -> Vec<AccessUnit> {
        std::iter::from_fn(|| self.ingest.poll_unit()).collect()
    }
}

fn nals(unit: &AccessUnit) -> Vec<Bytes> {
    unit.frames(|packets| depacketizer::frames(&unknown(), packets)).to_vec()
}

/// The units as letters: `K` keyframe, `r` one that refers back over it, `p` another.
fn letters(units: &[AccessUnit]) -> String {
    let letter = |unit: &AccessUnit| match (unit.head().keyframe, unit.refers_back()) {
        (true, _) => 'K',
        (false, true) => 'r',
        (false, false) => 'p',
    };
    units.iter().map(letter).collect()
}

#[test]
fn closed_gops_come_through_unchanged_and_tell_their_parameter_sets() {
    let pictures = pictures("open-gop=0:bframes=0");
    let mut camera = Camera::new();
    pictures.iter().for_each(|picture| camera.send(picture, false));
    let units = camera.units();
    assert_eq!(letters(&units), format!("K{}", "p".repeat(23)).repeat(5)[..100]);
    assert!(units.iter().zip(&pictures).all(|(unit, picture)| nals(unit) == *picture));
    let tracks = camera.ingest.poll_tracks().unwrap();
    assert_eq!(tracks[0].codec.parameter_sets(), pictures[0][..3]);
    let init = fmp4::init(&tracks).unwrap();
    assert!(init.windows(4).any(|four| four == b"hvc1") && init.windows(4).any(|four| four == b"hvcC"));
}

#[test]
fn open_gops_come_through_with_their_leading_pictures_marked() {
    let pictures = pictures("open-gop=1:bframes=2");
    assert!(pictures.iter().flatten().any(|nal| h265::nal_type(nal) == h265::CRA));
    let mut camera = Camera::new();
    pictures.iter().for_each(|picture| camera.send(picture, false));
    let units = camera.units();
    assert!(letters(&units).starts_with("Kppp") && letters(&units).contains("pKrrp"), "{}", letters(&units));
    assert!(units.iter().zip(&pictures).all(|(unit, picture)| nals(unit) == *picture));
}

#[test]
fn after_a_loss_no_picture_refers_back_over_the_keyframe() {
    let pictures = pictures("open-gop=1:bframes=2");
    let keyframes: Vec<usize> = (0..100).filter(|at| pictures[*at].len() > 2).collect();
    // A connection that begins with a CRA picture, and one that loses a picture before the next.
    let mut camera = Camera::new();
    for (at, picture) in pictures.iter().enumerate().skip(keyframes[1]) {
        camera.send(picture, at + 3 == keyframes[2]);
    }
    let seen = letters(&camera.units());
    let gops: Vec<&str> = seen.split('K').skip(1).map(|gop| gop.get(..2).unwrap()).collect();
    assert_eq!(gops, ["pp", "pp", "rr", "rr"], "{seen}");
}

#[test]
fn new_parameter_sets_in_mid_stream_are_described_anew() {
    let before = pictures("open-gop=0:bframes=0");
    let after = pictures("open-gop=0:bframes=2");
    let mut camera = Camera::new();
    before.iter().take(30).for_each(|picture| camera.send(picture, false));
    assert!(camera.ingest.poll_tracks().is_some());
    after.iter().take(1).for_each(|picture| camera.send(picture, false));
    let tracks = camera.ingest.poll_tracks().unwrap();
    assert_eq!(tracks[0].codec.parameter_sets(), after[0][..3]);
    assert_ne!(before[0][1], after[0][1]);
}

#[test]
fn decoding_times_follow_from_the_depth_the_sps_states() {
    let pictures = pictures("open-gop=0:bframes=2");
    let sps = h265::Sps::parse(&pictures[0][1]).unwrap();
    assert_eq!((sps.max_num_reorder, sps.fps), (2, Some(25.0)));
    // Decoded 0 3 1 2 6 4 5 …: shown in the order of these numbers.
    let mut estimator = dts::Estimator::new(sps.max_num_reorder, FRAME_TICKS);
    let shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8].map(|at| at * FRAME_TICKS);
    let decoded = shown.map(|pts| estimator.next(pts));
    assert!(decoded.windows(2).all(|two| two[0] < two[1]), "{decoded:?}");
    assert!(decoded.iter().zip(shown).all(|(dts, pts)| *dts <= pts), "{decoded:?}");
}
