use super::*;

const NOON: i64 = 1_700_000_000_000_000;

/// A camera of 25 pictures a second, all times in microseconds of a perfect clock.
struct Sender {
    wall: Wall,
    offset: Offset,
    /// The RTP clock runs fast by so many parts in a million.
    fast_ppm: i64,
    /// The sender's wall clock is ahead by so much.
    ahead_us: i64,
    /// Our own is.
    here_ahead_us: i64,
    reports: bool,
    at_us: i64,
}

impl Sender {
    fn new(fast_ppm: i64, ahead_us: i64) -> Self {
        let wall = Wall::new(NonZeroU32::new(90_000).unwrap());
        Self { wall, offset: Offset::default(), fast_ppm, ahead_us, here_ahead_us: 0, reports: true, at_us: 0 }
    }

    fn here(&self) -> WallTime {
        WallTime::from_unix_us(NOON + self.at_us + self.here_ahead_us)
    }

    fn timestamp(&self) -> u32 {
        ((self.at_us + self.at_us * self.fast_ppm / 1_000_000) * 9 / 100) as u32
    }

    /// The next picture: how far its wall time is from ours in microseconds, and whether it stepped. It arrives 30 ms
    /// after it was taken; media time is that of a follower of our clock.
    fn picture(&mut self) -> (i64, bool) {
        self.at_us += 40_000;
        if self.reports && self.at_us % 5_000_000 == 0 {
            let sender = WallTime::from_unix_us(NOON + self.at_us + self.ahead_us);
            let at = self.offset.note(sender, self.here().plus_us(30_000));
            self.wall.note_report(at, self.timestamp());
        }
        let (wall, stepped) = self.wall.of(self.timestamp(), self.at_us, self.here().plus_us(30_000));
        (wall.us_since(self.here()), stepped)
    }

    /// Pictures of so many seconds: the least and the most they are off, how far two in a row differ at most, and steps.
    fn run(&mut self, seconds: i64) -> (i64, i64, i64, usize) {
        let (mut least, mut most, mut change, mut steps, mut before) = (i64::MAX, i64::MIN, 0, 0, None);
        for _ in 0..seconds * 25 {
            let (off, stepped) = self.picture();
            (least, most) = (least.min(off), most.max(off));
            change = change.max(before.map_or(0, |before: i64| before.abs_diff(off)));
            steps += usize::from(stepped);
            before = Some(off);
        }
        (least, most, i64::try_from(change).unwrap(), steps)
    }
}

#[test]
fn drift_is_followed_for_hours_without_a_step() {
    for fast_ppm in [100, -100, 500, -500] {
        let mut sender = Sender::new(fast_ppm, 0);
        sender.run(30);
        let (least, most, change, steps) = sender.run(4 * 3600);
        // Between two reports of 5 s the clock runs away by 2.5 ms at most.
        assert!(least >= -3_000 && most <= 3_000 && change <= 200 && steps == 0, "{least} {most} {change} {steps}");
    }
}

#[test]
fn without_reports_wall_time_is_that_of_arrival() {
    let mut sender = Sender::new(100, 0);
    sender.reports = false;
    assert_eq!(sender.run(600), (30_000, 30_000, 0, 0));
}

#[test]
fn the_first_report_takes_the_delay_out_without_a_step() {
    let mut sender = Sender::new(0, 0);
    assert_eq!(sender.run(4), (30_000, 30_000, 0, 0));
    let (least, most, change, steps) = sender.run(20);
    assert!(least == 0 && most == 30_000 && change <= 200 && steps == 0, "{least} {most} {change} {steps}");
}

#[test]
fn a_clock_that_is_set_makes_one_step() {
    let mut sender = Sender::new(0, 0);
    sender.run(30);
    sender.ahead_us = 5_000_000;
    let (_, most, _, steps) = sender.run(30);
    assert_eq!((most, steps), (5_000_000, 1));
    sender.ahead_us = 500_000;
    let (_, _, _, steps) = sender.run(30);
    assert_eq!(steps, 1);
    sender.ahead_us = 0;
    let (_, _, change, steps) = sender.run(120);
    assert!(change <= 200 && steps == 0, "half a second is made up for slowly");
    assert_eq!(sender.run(1).1, 0);
}

#[test]
fn a_camera_with_a_wrong_clock_is_put_right() {
    for ahead_us in [3_600_000_000, -3_600_000_000, -NOON] {
        let mut sender = Sender::new(100, ahead_us);
        let (least, most, change, steps) = sender.run(600);
        assert!(least >= 0 && most <= 40_000 && change <= 200 && steps == 0, "{least} {most} {change} {steps}");
        // Somebody sets it.
        sender.ahead_us = 0;
        let (least, most, _, steps) = sender.run(600);
        assert!(least >= -5_000 && most <= 40_000 && steps == 0, "{least} {most} {steps}");
        // And it is lost again.
        sender.ahead_us = ahead_us;
        let (least, most, _, steps) = sender.run(600);
        assert!(least >= -5_000 && most <= 40_000 && steps == 0, "{least} {most} {steps}");
    }
}

#[test]
fn our_own_clock_may_be_set() {
    let mut sender = Sender::new(0, 0);
    sender.reports = false;
    sender.run(30);
    sender.here_ahead_us = -3_600_000_000;
    let (_, _, _, steps) = sender.run(30);
    assert_eq!((sender.run(1), steps), ((30_000, 30_000, 0, 0), 1));
}

#[test]
fn a_backlog_and_a_timestamp_that_begins_anew_leave_wall_time_alone() {
    let mut sender = Sender::new(0, 0);
    sender.reports = false;
    sender.run(30);
    for _ in 0..100 {
        sender.at_us += 40_000;
        let late = sender.here().plus_us(4_000_000);
        let (wall, stepped) = sender.wall.of(sender.timestamp(), sender.at_us, late);
        assert_eq!((wall.us_since(sender.here()), stepped), (30_000, false));
    }
    sender.reports = true;
    sender.run(30);
    sender.wall.forget_report();
    let (wall, stepped) = sender.wall.of(7, sender.at_us, sender.here().plus_us(30_000));
    assert_eq!((wall.us_since(sender.here()), stepped), (0, false));
}
