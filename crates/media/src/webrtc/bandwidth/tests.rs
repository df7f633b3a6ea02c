use super::*;

const MS: Duration = Duration::from_millis(1);

fn arrival(number: u16, us: i64) -> Arrivals {
    Arrivals { first: number, count: 1, arrived: vec![(number, us)] }
}

/// A way of so many bits per second with an endless queue, in front of a peer whose clock is 7 s off.
struct Way {
    bandwidth: Bandwidth,
    start: Instant,
    free_at: Duration,
    bps: u64,
}

impl Way {
    fn new(bps: u64) -> Self {
        let start = Instant::now();
        // The numbers wrap soon.
        let bandwidth = Bandwidth { next: 65_500, ..Bandwidth::new(start) };
        Self { bandwidth, start, free_at: Duration::ZERO, bps }
    }

    /// Sends a frame of so many packets; each is reported on its own.
    fn frame(&mut self, at: Duration, packets: u32) {
        const BYTES: usize = 1000;
        for _ in 0..packets {
            let number = self.bandwidth.next_number();
            self.bandwidth.sent(self.start + at, BYTES);
            self.free_at = self.free_at.max(at) + Duration::from_secs_f64(BYTES as f64 * 8.0 / self.bps as f64);
            let arrived = self.free_at + 7000 * MS;
            self.bandwidth.reported(&arrival(number, arrived.as_micros() as i64));
        }
    }

    /// Sends a picture of so many packets every 40 ms, and one of `key` packets every second, for some seconds.
    fn video(&mut self, from_s: u32, seconds: u32, packets: u32, key: u32) {
        for number in 0..seconds * 25 {
            let at = Duration::from_secs(from_s.into()) + 40 * MS * number;
            self.frame(at, if number % 25 == 0 { key } else { packets });
        }
    }
}

/// Video at 1.2 Mbit/s with a large keyframe, on a way of so many kbit/s: the limit seen after some seconds.
fn check(kbps: u64, seconds: u32, want: Option<std::ops::Range<u64>>) {
    let mut way = Way::new(kbps * 1000);
    way.video(0, seconds, 5, 30);
    let limit = way.bandwidth.limit_bps();
    match want {
        None => assert_eq!(limit, None, "{kbps} kbit/s"),
        Some(range) => assert!(limit.is_some_and(|bps| range.contains(&(bps / 1000))), "{kbps} kbit/s: {limit:?}"),
    }
}

#[test]
fn a_way_that_takes_less_than_is_sent_is_measured_without_any_loss() {
    check(700, 5, Some(650..750));
    check(400, 5, Some(370..430));
    check(1_050, 10, Some(1_000..1_100));
}

#[test]
fn a_way_that_takes_what_is_sent_has_no_limit_whatever_the_bursts() {
    check(1_500, 20, None);
    check(3_000, 20, None);
    check(100_000, 20, None);
}

#[test]
fn one_large_burst_on_a_slow_way_is_no_congestion() {
    let mut way = Way::new(4_000_000);
    way.frame(Duration::ZERO, 400);
    way.video(1, 5, 5, 10);
    assert_eq!(way.bandwidth.limit_bps(), None);
}

#[test]
fn the_limit_ends_when_the_queue_has_drained() {
    let mut way = Way::new(700_000);
    way.video(0, 5, 5, 30);
    assert!(way.bandwidth.limit_bps().is_some());
    way.video(5, 6, 1, 2);
    assert_eq!(way.bandwidth.limit_bps(), None);
    let known = way.bandwidth.estimate_bps().unwrap() / 1000;
    assert!((600..=750).contains(&known), "what was measured is still the best guess: {known} kbit/s");
}

#[test]
fn feedback_twice_of_strangers_and_of_what_was_never_sent_counts_nothing() {
    let start = Instant::now();
    let mut bandwidth = Bandwidth::new(start);
    (0..10).for_each(|_| bandwidth.sent(start, 1000));
    const FAR_US: i64 = 3_600_000_000;
    for number in [0, 0, 3, 77, u16::MAX, 3, 9] {
        bandwidth.reported(&arrival(number, FAR_US));
    }
    assert_eq!(bandwidth.window.map(|window| window.packets), Some(2), "after the first, 3 and 9");
    (0..3 * IN_FLIGHT).for_each(|_| bandwidth.sent(start, 1));
    assert_eq!(bandwidth.in_flight.len(), IN_FLIGHT);
    let newest = bandwidth.next_number().wrapping_sub(1);
    bandwidth.reported(&arrival(newest, 0));
    assert_eq!(bandwidth.window.map(|window| window.packets), Some(0), "the peer's time leapt back");
    let lost = Arrivals { first: newest.wrapping_sub(3000), count: 2999, arrived: vec![] };
    bandwidth.reported(&lost);
    assert_eq!(bandwidth.in_flight.len(), 2, "what was lost is not waited for");
}
