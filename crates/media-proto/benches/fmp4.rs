//! What it costs to make a unit an MP4 sample and to write fragments: the price of an LL-HLS part and of a segment.
//!
//! `cargo bench -p media-proto --bench fmp4`. The stream is one second of 2 Mbit/s at 25 pictures; a part is five of them.

use std::{hint::black_box, num::NonZeroU32, sync::Arc, time::Instant};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use domain::WallTime;
use media_proto::{
    AccessUnit, Codec, MediaTime, Payload, Track, TrackId, depacketizer,
    fmp4::{self, Run, Sample},
    packetizer,
    unit::Head,
};

const RATE: NonZeroU32 = NonZeroU32::new(90_000).expect("90000 is not 0");
const PART_PICTURES: usize = 5;
/// x264, 640x360 at 25 frames per second, High profile.
const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
];

fn codec() -> Codec {
    Codec::H264 { sps: Bytes::from_static(SPS), pps: Bytes::from_static(&[0x68, 0xeb, 0xe3]) }
}

/// A keyframe of 50 kB and 24 pictures of 8.3 kB, as RTP packets.
fn units(codec: &Codec) -> Vec<AccessUnit> {
    let slice = |first: u8, size: usize| Bytes::from([&[first, 0x80][..], &vec![7; size]].concat());
    let keyframe = codec.parameter_sets().into_iter().chain([slice(0x65, 50_000)]).collect();
    let pictures = std::iter::once(keyframe).chain((0..24).map(|_| vec![slice(0x41, 8_300)]));
    (0..).zip(pictures).map(|(at, nals): (i64, Vec<Bytes>)| unit(codec, at, &nals)).collect()
}

fn unit(codec: &Codec, at: i64, nals: &[Bytes]) -> AccessUnit {
    let head = Head {
        track: TrackId(0),
        pts: MediaTime::new(at * 3600, RATE),
        wall: WallTime::from_unix_us(0),
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        arrived: Instant::now(),
        keyframe: at == 0,
        discontinuity: false,
    };
    AccessUnit::new(head, Payload::Rtp(Arc::from(packetizer::packets(codec, nals, 1440))))
}

fn sample(codec: &Codec, unit: &AccessUnit) -> Sample {
    Sample {
        duration: 3600,
        composition_offset: 0,
        keyframe: unit.head().keyframe,
        data: unit.length_prefixed(|packets| depacketizer::frames(codec, packets)),
    }
}

fn fragment(samples: &[Sample]) -> Bytes {
    fmp4::fragment(1, &[Run { track: TrackId(0), base_decode_time: 0, samples }])
}

fn benches(criterion: &mut Criterion) {
    let codec = codec();
    let samples: Vec<Sample> = units(&codec).iter().map(|unit| sample(&codec, unit)).collect();
    let bytes: usize = samples.iter().map(|sample| sample.data.len()).sum();
    assert!(fragment(&samples).len() > bytes, "all the pictures are in it");

    let mut group = criterion.benchmark_group("fmp4, one second of 2 Mbit/s");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("samples from packets", |bencher| {
        // Fresh units each time: a unit keeps the forms that were made of it.
        let fresh = || units(&codec);
        let all = |units: Vec<AccessUnit>| units.iter().map(|unit| sample(&codec, unit)).collect::<Vec<_>>();
        bencher.iter_batched(fresh, all, BatchSize::SmallInput);
    });
    group.bench_function("five parts", |bencher| {
        bencher.iter(|| samples.chunks(PART_PICTURES).map(|part| black_box(fragment(part)).len()).sum::<usize>());
    });
    group.bench_function("one fragment", |bencher| bencher.iter(|| black_box(fragment(&samples))));
    group.finish();

    let track = Track { id: TrackId(0), codec, clock_rate: RATE, payload_type: 96 };
    criterion.bench_function("fmp4/initialisation segment", |bencher| {
        bencher.iter(|| black_box(fmp4::init(std::slice::from_ref(&track))));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
