use super::*;

/// A buffer, and what came out of it: the number of each packet, with `'` after one of the second sender.
struct Line {
    reorder: Reorder,
    now: Instant,
    out: String,
}

impl Line {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        Self { reorder: Reorder::default(), now, out: String::new() }
    }

    fn packet(sequence: u16, ssrc: u32, bytes: usize) -> Packet {
        let payload = vec![0; bytes].into();
        Packet { payload_type: 96, marker: false, sequence, timestamp: 0, ssrc, payload }
    }

    fn drain(&mut self) {
        while let Some((_, packet)) = self.reorder.pop() {
            let mark = if packet.ssrc == 1 { "" } else { "'" };
            self.out += &format!("{}{mark} ", packet.sequence);
        }
    }
}

/// Plays packets in, one a millisecond: numbers, `+n` for a wait of n milliseconds, `|` to see what has come out.
#[track_caller]
fn check(script: &str, expected: &str, (reordered, duplicates, late): (u64, u64, u64)) {
    let mut line = Line::new();
    for word in script.split_whitespace() {
        if let Some(ms) = word.strip_prefix('+') {
            line.now += Duration::from_millis(ms.parse().unwrap());
            line.reorder.expire(line.now);
        } else if word == "|" {
            line.out += "| ";
        } else {
            let ssrc = if word.ends_with('\'') { 2 } else { 1 };
            let sequence = word.trim_end_matches('\'').parse().unwrap();
            line.now += Duration::from_millis(1);
            line.reorder.push(line.now, Line::packet(sequence, ssrc, 10));
        }
        line.drain();
    }
    assert_eq!(line.out.trim_end(), expected, "{script}");
    assert_eq!(line.reorder.counts(), Counts { reordered, duplicates, late }, "{script}");
}

#[test]
fn packets_in_order_pass_at_once() {
    check("7 | 8 | 9", "7 | 8 | 9", (0, 0, 0));
    check("65534 | 65535 | 0 | 1", "65534 | 65535 | 0 | 1", (0, 0, 0));
}

#[test]
fn packets_out_of_order_are_put_back() {
    check("1 3 | 2 | 4", "1 | 2 3 | 4", (1, 0, 0));
    check("1 4 3 | 2 5", "1 | 2 3 4 5", (2, 0, 0));
    check("65534 0 65535 1", "65534 65535 0 1", (1, 0, 0));
    check("1 3 5 | 2 | 4", "1 | 2 3 | 4 5", (2, 0, 0));
}

#[test]
fn a_gap_is_given_up_after_a_tenth_of_a_second() {
    check("1 3 4 +98 | +1 5", "1 | 3 4 5", (0, 0, 0));
    check("1 3 +50 5 +50 | +50", "1 3 | 5", (0, 0, 0));
    check("1 3 +200 2 4", "1 3 2 4", (0, 0, 1));
}

#[test]
fn doubled_packets_are_dropped() {
    check("1 1 2 2 1", "1 2", (0, 3, 0));
    check("1 3 3 2 3", "1 2 3", (1, 2, 0));
    check("65535 0 65535 0", "65535 0", (0, 2, 0));
    check("1 3 +200 2 2 3", "1 3 2", (0, 2, 1));
}

#[test]
fn a_sender_that_starts_again_is_followed() {
    check("1 2 9' 10'", "1 2 9' 10'", (0, 0, 0));
    check("1 3 9' | 10'", "1 3 9' | 10'", (0, 0, 0));
    check("50000 50001 100 | 101 102", "50000 50001 | 100 101 102", (0, 0, 0));
    check("500 502 3 4", "500 502 3 4", (0, 0, 0));
}

#[test]
fn a_stray_packet_changes_nothing() {
    check("50000 50001 100 50002 7000 50003", "50000 50001 50002 50003", (0, 0, 0));
}

#[test]
fn packets_and_bytes_that_wait_are_bounded() {
    let mut line = Line::new();
    line.reorder.push(line.now, Line::packet(0, 1, 1));
    for sequence in 2..2000 {
        line.reorder.push(line.now, Line::packet(sequence, 1, 1));
        assert!(line.reorder.held.len() <= PACKETS_MAX);
    }
    line.drain();
    assert!(line.out.starts_with("0 2 3 ") && line.out.ends_with("1999 "));
    let mut line = Line::new();
    line.reorder.push(line.now, Line::packet(0, 1, 1));
    for sequence in (2..200).step_by(2) {
        line.reorder.push(line.now, Line::packet(sequence, 1, 60_000));
        assert!(line.reorder.held_bytes <= BYTES_MAX);
    }
}

/// A generator of numbers that look random, so that a failing case can be named by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Packets of one sender on a bad network: up to 40 ms of jitter, 3 % lost, 2 % doubled, one a millisecond.
fn bad_network(random: &mut Random) -> Vec<(u64, u64)> {
    let mut arrivals = Vec::new();
    for number in 0..2000 {
        if random.below(100) < 3 && number != 0 {
            continue;
        }
        let copies = if random.below(100) < 2 { 2 } else { 1 };
        let delay = |random: &mut Random| if number == 0 { 0 } else { random.below(40) };
        arrivals.extend((0..copies).map(|_| (number + delay(random), number)));
    }
    arrivals.sort_unstable();
    arrivals
}

#[test]
fn any_jitter_below_the_limit_is_put_in_order_without_loss_or_doubles() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let arrivals = bad_network(&mut random);
        let first = random.below(1 << 16);
        let mut line = Line::new();
        let origin = line.now;
        let mut seen = Vec::new();
        for (ms, number) in &arrivals {
            line.now = origin + Duration::from_millis(*ms);
            let packet = Line::packet((first + number) as u16, 1, usize::try_from(number % 1400).unwrap());
            line.reorder.push(line.now, packet);
            assert!(line.reorder.held.len() <= 200, "seed {seed}: at most what comes within the time limit waits");
            assert!(line.reorder.wake_at().is_none_or(|at| at > line.now), "seed {seed}");
            seen.extend(std::iter::from_fn(|| line.reorder.pop()).map(|(_, packet)| packet.sequence));
        }
        line.reorder.expire(line.now + HOLD_MAX);
        seen.extend(std::iter::from_fn(|| line.reorder.pop()).map(|(_, packet)| packet.sequence));
        let mut sent: Vec<u64> = arrivals.iter().map(|(_, number)| *number).collect();
        sent.sort_unstable();
        sent.dedup();
        let sent: Vec<u16> = sent.iter().map(|number| (first + number) as u16).collect();
        assert_eq!(seen, sent, "seed {seed}");
        assert!(line.reorder.held.is_empty() && line.reorder.held_bytes == 0, "seed {seed}");
    }
}

#[test]
fn whatever_comes_the_buffer_stays_within_its_bounds_and_passes_nothing_twice() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut line = Line::new();
        let (mut given, mut passed) = (0, 0);
        for _ in 0..3000 {
            line.now += Duration::from_micros(random.below(2000));
            let range = if random.below(50) == 0 { 1 << 16 } else { 300 };
            let packet = Line::packet(random.below(range) as u16, random.below(40) as u32 / 39, 1500);
            line.reorder.push(line.now, packet);
            given += 1;
            passed += std::iter::from_fn(|| line.reorder.pop()).count();
            assert!(line.reorder.held.len() <= PACKETS_MAX && line.reorder.held_bytes <= BYTES_MAX, "seed {seed}");
            let held: usize = line.reorder.held.values().map(|(_, packet)| packet.payload.len()).sum();
            assert_eq!(held, line.reorder.held_bytes, "seed {seed}");
            assert!(passed + line.reorder.held.len() <= given, "seed {seed}");
        }
    }
}
