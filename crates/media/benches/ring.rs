//! What a push costs while readers pull, and what it costs a reader to join.
//!
//! `cargo bench -p media --bench ring`. One element is one access unit of 8 kB. In `push`, every reader pulls each unit,
//! so the time per element is that of one push and as many pulls as there are readers.

use std::{hint::black_box, num::NonZeroU32, sync::Arc, time::Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use domain::WallTime;
use media::{
    Pulled, Stream, Subscription,
    stream::{Backlog, Join},
};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, unit::Head};

const RATE: NonZeroU32 = NonZeroU32::new(90_000).expect("90000 is not 0");
const GOP: i64 = 50;
const UNIT_BYTES: usize = 8 << 10;

struct Source {
    stream: Stream,
    payload: Payload,
    count: i64,
}

impl Source {
    fn new() -> Self {
        let stream = Stream::new(Instant::now());
        let codec = Codec::H264 { sps: Bytes::from_static(&[0x67]), pps: Bytes::from_static(&[0x68]) };
        stream.describe(&[Track { id: TrackId(0), codec, clock_rate: RATE, payload_type: 96 }]);
        let payload = Payload::Frames(Arc::from([Bytes::from(vec![0; UNIT_BYTES])]));
        Self { stream, payload, count: 0 }
    }

    fn push(&mut self) {
        let head = Head {
            track: TrackId(0),
            pts: MediaTime::new(self.count * 3_600, RATE),
            wall: WallTime::from_unix_us(0),
            arrived: Instant::now(),
            keyframe: self.count % GOP == 0,
            discontinuity: false,
        };
        self.count += 1;
        self.stream.push(AccessUnit::new(head, self.payload.clone()));
    }
}

fn drain(reader: &mut Subscription) -> u64 {
    let mut units = 0;
    while let Some(pulled) = reader.try_pull() {
        units += u64::from(matches!(pulled, Pulled::Unit(_)));
    }
    units
}

fn push(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push");
    group.throughput(Throughput::Elements(1));
    for readers in [0, 1, 8, 64] {
        let mut source = Source::new();
        let mut subscriptions: Vec<Subscription> =
            (0..readers).map(|_| source.stream.subscribe(Join::NewestKeyframe, Backlog::Live)).collect();
        group.bench_function(BenchmarkId::new("readers", readers), |bencher| {
            bencher.iter(|| {
                source.push();
                subscriptions.iter_mut().map(drain).sum::<u64>()
            });
        });
    }
    group.finish();
}

fn join(criterion: &mut Criterion) {
    let mut source = Source::new();
    (0..GOP + GOP / 2).for_each(|_| source.push());
    let first_unit = || {
        let mut reader = source.stream.subscribe(Join::NewestKeyframe, Backlog::Live);
        while let Some(pulled) = reader.try_pull() {
            if let Pulled::Unit(unit) = pulled {
                return Some(unit);
            }
        }
        None
    };
    assert!(first_unit().is_some_and(|unit| unit.head().keyframe), "a join begins with a keyframe");
    criterion.bench_function("join/newest keyframe", |bencher| bencher.iter(|| black_box(first_unit())));
}

criterion_group!(benches, push, join);
criterion_main!(benches);
