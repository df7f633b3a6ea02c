use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use domain::WallTime;
use media_proto::{Codec, MediaTime, Payload, TrackId, unit::Head};

use super::*;

const FRAME: Duration = Duration::from_millis(40);

fn tracks() -> Vec<Track> {
    let codec = Codec::H264 { sps: Bytes::from_static(&[0x67]), pps: Bytes::from_static(&[0x68]) };
    vec![Track { id: TrackId(0), codec, clock_rate: NonZeroU32::new(90_000).unwrap(), payload_type: 96 }]
}

struct Feed {
    stream: Stream,
    at: Instant,
    count: i64,
}

impl Feed {
    fn new() -> Self {
        let at = Instant::now();
        let stream = Stream::new(at);
        stream.describe(&tracks());
        Self { stream, at, count: 0 }
    }

    /// `K` keyframe, `p` other, `r` one that refers back over the keyframe, `.` a second of silence.
    fn push(&mut self, script: &str, unit_bytes: usize) {
        for symbol in script.chars() {
            if symbol == '.' {
                self.at += Duration::from_secs(1);
                continue;
            }
            let head = Head {
                track: TrackId(0),
                pts: MediaTime::new(self.count, NonZeroU32::new(90_000).unwrap()),
                wall: WallTime::from_unix_us(0),
                arrived: self.at,
                keyframe: symbol == 'K',
                discontinuity: false,
            };
            let make = if symbol == 'r' { AccessUnit::referring_back } else { AccessUnit::new };
            self.stream.push(make(head, Payload::Frames(Arc::from([Bytes::from(vec![0; unit_bytes])]))));
            self.at += FRAME;
            self.count += 1;
        }
    }
}

fn drain(subscription: &mut Subscription) -> String {
    let mut seen = Vec::new();
    while let Some(pulled) = subscription.try_pull() {
        match pulled {
            Pulled::Described(_) => {}
            Pulled::Unit(unit) => seen.push(unit.head().pts.ticks.to_string()),
            Pulled::Gap(units) => seen.push(format!("-{units}")),
            Pulled::End => {
                seen.push("end".into());
                break;
            }
        }
    }
    seen.join(" ")
}

/// Pushes `before`, joins, reads all, pushes `after` while the reader does nothing, and compares all that it then reads.
fn check(join: Join, backlog: Backlog, before: &str, after: &str, want: &str) {
    check_sized(100, join, backlog, before, after, want);
}

fn check_sized(unit_bytes: usize, join: Join, backlog: Backlog, before: &str, after: &str, want: &str) {
    let mut feed = Feed::new();
    feed.push(before, unit_bytes);
    let mut subscription = feed.stream.subscribe(join, backlog);
    let joined = drain(&mut subscription);
    feed.push(after, unit_bytes);
    let read = format!("{joined} | {}", drain(&mut subscription));
    assert_eq!(read.trim(), want, "{before:?} then {after:?}");
}

#[test]
fn a_new_reader_begins_with_the_newest_keyframe() {
    check(Join::NewestKeyframe, Backlog::Live, "KppKp", "p", "3 4 | 5");
}

#[test]
fn who_begins_at_a_keyframe_gets_no_picture_that_refers_back_over_it() {
    check(Join::NewestKeyframe, Backlog::Live, "KrpKrrp", "rpKrp", "3 6 | 8 9 10 11");
    check(Join::NextKeyframe, Backlog::Live, "Kp", "KrpKrp", "| 2 4 5 6 7");
    check(Join::NewestKeyframe, Backlog::Live, "Kp", "pp..pKrppKr", "0 1 | -7 9");
    check(Join::NewestKeyframe, Backlog::Live, "Kr", "Krp", "0 | 2 3 4");
}

#[test]
fn a_reader_may_wait_for_the_next_keyframe() {
    check(Join::NextKeyframe, Backlog::Live, "Kpp", "ppKp", "| 5 6");
}

#[test]
fn without_a_keyframe_nothing_is_shown_before_the_first() {
    check(Join::NewestKeyframe, Backlog::Live, "pp", "pKp", "| 3 4");
}

#[test]
fn a_reader_in_step_loses_nothing_over_many_gops() {
    check(Join::NewestKeyframe, Backlog::Live, "K", "ppKppp", "0 | 1 2 3 4 5 6");
}

#[test]
fn a_slow_reader_skips_to_the_newest_keyframe() {
    check(Join::NewestKeyframe, Backlog::Live, "Kp", "pp..pKpp", "0 1 | -3 5 6 7");
}

#[test]
fn a_reader_left_behind_by_the_ring_continues_at_a_keyframe() {
    check(Join::NewestKeyframe, Backlog::Live, "Kp", "ppKpKpKp", "0 1 | -6 8 9");
    check(Join::NewestKeyframe, Backlog::Deep, "Kp", "ppKpKpKp", "0 1 | -4 6 7 8 9");
}

#[test]
fn a_recorder_keeps_all_that_the_ring_holds_however_late_it_is() {
    check(Join::NewestKeyframe, Backlog::Deep, "Kp", "pp..pKpp", "0 1 | 2 3 4 5 6 7");
}

#[test]
fn the_previous_gop_goes_when_it_is_too_old_or_too_large() {
    check(Join::NewestKeyframe, Backlog::Deep, "K", "p.............Kp", "0 | -1 2 3");
    check_sized(3 << 20, Join::NewestKeyframe, Backlog::Deep, "K", "ppKp", "0 | -2 3 4");
}

#[test]
fn a_gop_too_large_to_keep_is_dropped_counted_and_a_keyframe_asked_for() {
    let mut feed = Feed::new();
    feed.push("K", 4 << 20);
    let mut reader = feed.stream.subscribe(Join::NewestKeyframe, Backlog::Live);
    assert_eq!(drain(&mut reader), "0");
    feed.push("pppppppp", 4 << 20);
    assert_eq!(feed.stream.counters().gops_truncated.load(Ordering::Relaxed), 1);
    assert_eq!(feed.stream.held_bytes(), 0);
    feed.push("pKp", 100);
    assert_eq!(drain(&mut reader), "-9 10 11");
}

#[test]
fn a_stream_without_keyframes_keeps_little() {
    let mut feed = Feed::new();
    for _ in 0..1000 {
        feed.push("p", 100_000);
    }
    assert!(feed.stream.held_bytes() <= PREVIOUS_GOP_BYTES + 100_000);
}

#[test]
fn readers_learn_new_tracks_and_the_end() {
    let mut feed = Feed::new();
    feed.push("Kp", 100);
    let mut subscription = feed.stream.subscribe(Join::NewestKeyframe, Backlog::Live);
    assert!(matches!(subscription.try_pull(), Some(Pulled::Described(d)) if d.version == 1));
    let mut changed = tracks();
    changed[0].codec = Codec::H264 { sps: Bytes::from_static(&[0x67, 1]), pps: Bytes::from_static(&[0x68]) };
    feed.stream.describe(&changed);
    feed.stream.end();
    assert!(matches!(subscription.try_pull(), Some(Pulled::Described(d)) if d.version == 2));
    assert_eq!(drain(&mut subscription), "0 1 end");
}

#[tokio::test]
async fn a_waiting_reader_wakes_for_a_push() {
    let mut feed = Feed::new();
    let mut subscription = feed.stream.subscribe(Join::NewestKeyframe, Backlog::Live);
    assert!(matches!(subscription.pull().await, Pulled::Described(_)));
    let (pulled, ()) = tokio::join!(subscription.pull(), async { feed.push("K", 10) });
    assert!(matches!(pulled, Pulled::Unit(unit) if unit.head().keyframe));
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<usize>>);

impl Observer for Told {
    fn pushed(&self, rank: usize) {
        self.0.lock().unwrap().push(rank);
    }
}

#[test]
fn observers_are_told_of_each_push_change_and_end_until_they_are_gone() {
    let mut feed = Feed::new();
    let observe = || {
        let told = Arc::new(Told::default());
        let observer: Arc<dyn Observer> = Arc::<Told>::clone(&told);
        feed.stream.observe(Arc::downgrade(&observer));
        told
    };
    let (first, second, third) = (observe(), observe(), observe());
    feed.push("K", 100);
    drop(first);
    feed.push("p", 100);
    feed.stream.describe(&[]);
    drop(second);
    feed.stream.end();
    assert_eq!(*third.0.lock().unwrap(), [2, 1, 1, 0]);
}
