//! How fast access units are put together, taken apart and cut into packets.

use std::{
    hint::black_box,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::WallTime;
use media_proto::{Codec, RtpPacket, Track, TrackId, depacketizer, ingest::Ingest, packetizer, rtp};

fn codec() -> Codec {
    Codec::H264 { sps: Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e]), pps: Bytes::from_static(&[0x68, 0xce]) }
}

/// One second of 2 Mbit/s at 25 pictures: a keyframe of 50 kB and 24 pictures of 8.3 kB.
fn pictures() -> Vec<Vec<Bytes>> {
    let slice = |first: u8, size: usize| Bytes::from([&[first, 0x80][..], &vec![7; size]].concat());
    let keyframe = codec().parameter_sets().into_iter().chain([slice(0x65, 50_000)]).collect();
    std::iter::once(keyframe).chain((0..24).map(|_| vec![slice(0x41, 8_300)])).collect()
}

fn datagrams(pictures: &[Vec<RtpPacket>]) -> Vec<Bytes> {
    let mut sequence = 0_u16;
    let mut datagrams = Vec::new();
    for (picture, packets) in (0_u32..).zip(pictures) {
        for packet in packets {
            let mut datagram = rtp::header(96, packet.marker, sequence, picture * 3600, 7).to_vec();
            datagram.extend_from_slice(&packet.payload);
            datagrams.push(datagram.into());
            sequence = sequence.wrapping_add(1);
        }
    }
    datagrams
}

fn ingest_all(track: &Track, origin: Instant, datagrams: &[Bytes]) -> usize {
    let mut ingest = Ingest::new(std::slice::from_ref(track), origin);
    for datagram in datagrams {
        let now = origin + Duration::from_millis(1);
        let _ = ingest.rtp(now, WallTime::from_unix_us(0), track.id, datagram.clone());
    }
    std::iter::from_fn(|| ingest.poll_unit()).count()
}

fn benches(criterion: &mut Criterion) {
    let codec = codec();
    let pictures = pictures();
    let packets: Vec<_> = pictures.iter().map(|picture| packetizer::packets(&codec, picture, 1440)).collect();
    let datagrams = datagrams(&packets);
    let track = Track {
        id: TrackId(0),
        codec: codec.clone(),
        clock_rate: NonZeroU32::new(90_000).expect("not 0"),
        payload_type: 96,
    };
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let origin = Instant::now();
    assert_eq!(ingest_all(&track, origin, &datagrams), pictures.len(), "every picture comes through");

    let mut group = criterion.benchmark_group("h264, one second of 2 Mbit/s");
    group.throughput(Throughput::Elements(datagrams.len() as u64));
    group.bench_function("packetize", |bencher| {
        bencher.iter(|| {
            for picture in &pictures {
                black_box(packetizer::packets(&codec, picture, 1440));
            }
        });
    });
    group.bench_function("depacketize", |bencher| {
        bencher.iter(|| {
            for picture in &packets {
                black_box(depacketizer::frames(&codec, picture));
            }
        });
    });
    group.bench_function("ingest", |bencher| bencher.iter(|| black_box(ingest_all(&track, origin, &datagrams))));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
