use super::*;

const FRAME_NS: u64 = 40_000_000;

/// Feeds one letter per frame time: `K` keyframe, `p` other, `t` torn, `s` short of bytes, `-` never came, `.` no stamp,
/// `x` of another stream, `r` the last one once more, `0` the publisher begins again.
fn saw(frames: &str) -> Totals {
    let mut eye = Frames::new(Some(3), 25.0, 0);
    let mut counter = 100;
    for (letter, at) in frames.chars().zip(1..) {
        let now = at * FRAME_NS;
        match letter {
            'r' => counter -= 1,
            '0' => counter = 0,
            _ => {}
        }
        let stream = if letter == 'x' { 4 } else { 3 };
        let stamp = Stamp { stream, counter, sent_ns: now - 1_000_000, slice_bytes: 900 };
        let frame = Frame {
            stamp: (letter != '.').then_some(stamp),
            keyframe: letter == 'K',
            slice_bytes: if letter == 's' { 899 } else { 900 },
            broken: letter == 't',
            complete_ns: now,
        };
        if letter != '-' {
            eye.take(&frame);
        }
        counter += 1;
    }
    eye.end((frames.len() as u64 + 1) * FRAME_NS);
    eye.totals().clone()
}

fn check(frames: &str, expected: [u64; 7]) {
    let t = saw(frames);
    let got = [t.frames, t.lost, t.torn, t.unstamped, t.foreign, t.repeated, t.freezes];
    assert_eq!(got, expected, "{frames}: frames, lost, torn, unstamped, foreign, repeated, freezes");
}

#[test]
fn whole_frames_in_order_are_clean() {
    check("Kppppppp", [8, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_frame_that_never_came_is_lost() {
    check("Kp-pp", [4, 1, 0, 0, 0, 0, 0]);
    check("Kp--p", [3, 2, 0, 0, 0, 0, 0]);
}

#[test]
fn a_torn_frame_is_lost_too() {
    check("Kptpp", [4, 1, 1, 0, 0, 0, 0]);
    check("Kpspp", [4, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn frames_of_others_repeated_or_without_a_stamp_are_told_apart() {
    check("Kpxp", [3, 1, 0, 0, 1, 0, 0]);
    check("Kp.p", [3, 1, 0, 1, 0, 0, 0]);
    check("Kprp", [3, 0, 0, 0, 0, 1, 0]);
    check("Kp0p", [4, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn more_than_three_frame_times_without_a_frame_is_a_freeze() {
    check("Kp--p", [3, 2, 0, 0, 0, 0, 0]);
    check("Kp---p", [3, 3, 0, 0, 0, 0, 1]);
    check("Kp---", [2, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn the_first_picture_is_the_first_keyframe() {
    let totals = saw("ppKpKp");
    assert_eq!(totals.first_picture.count(), 1);
    assert!((totals.first_picture.max_ms() - 120.0).abs() < 1.0);
    assert!((totals.latency.max_ms() - 1.0).abs() < 0.1);
}

#[test]
fn a_window_begins_without_what_was_before_it() {
    let mut eye = Frames::new(None, 25.0, 0);
    let frame = |counter: u32| Frame {
        stamp: Some(Stamp { stream: 0, counter, sent_ns: 0, slice_bytes: 1 }),
        keyframe: true,
        slice_bytes: 1,
        broken: false,
        complete_ns: u64::from(counter) * FRAME_NS,
    };
    eye.take(&frame(1));
    eye.take(&frame(9));
    eye.begin();
    eye.take(&frame(10));
    let totals = eye.totals();
    assert_eq!((totals.frames, totals.lost, totals.freezes, totals.first_picture.count()), (1, 0, 0, 1));
}
