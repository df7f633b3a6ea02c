use super::*;

const DATE: &str = "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n";

/// A playlist that keeps all rules: segments from 10 on, four parts of 0.5 s each, the newest half done.
fn good(segments: u64) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.5\n\
        #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-MAP:URI=\"init_1.mp4\"\n"
        .to_owned();
    let parts = |number: u64, count: u64| -> String {
        (0..count).map(|part| format!("#EXT-X-PART:DURATION=0.5,URI=\"part_{number}_{part}.mp4\"\n")).collect()
    };
    for number in 10..10 + segments {
        // The end of the last is 1 s from the end of the playlist, and parts are listed for 6 s.
        let near = 10 + segments - number <= 3;
        text += DATE;
        text += &if near { parts(number, 4) } else { String::new() };
        text += &format!("#EXTINF:2.0,\nseg_{number}.mp4\n");
    }
    text + DATE
        + &parts(10 + segments, 2)
        + &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_{}_2.mp4\"\n", 10 + segments)
}

fn read(text: &str) -> Media {
    Media::parse(text).unwrap()
}

fn rules(faults: &[Fault]) -> Vec<u8> {
    faults.iter().map(|fault| fault.rule).collect()
}

/// The playlist with an edit breaks this rule and no other.
fn red(rule: u8, from: &str, to: &str) {
    let text = good(5);
    assert!(text.contains(from), "{from}");
    let faults = standing(&read(&text.replacen(from, to, 1)));
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.rule == rule), "{from} → {to}: {faults:?}");
}

#[test]
fn a_good_playlist_has_no_fault() {
    for segments in [3, 5, 9] {
        assert_eq!(standing(&read(&good(segments))), vec![]);
    }
}

#[test]
fn each_rule_of_a_single_playlist_goes_red() {
    red(1, "#EXTINF:2.0,\nseg_10", "#EXTINF:2.6,\nseg_10");
    red(2, "DURATION=0.5,URI=\"part_15_0", "DURATION=0.4,URI=\"part_15_0");
    red(2, "DURATION=0.5,URI=\"part_15_1", "DURATION=0.6,URI=\"part_15_1");
    red(2, "#EXTINF:2.0,\nseg_14", "#EXTINF:1.5,\nseg_14");
    red(3, ",PART-HOLD-BACK=1.5", "");
    red(3, "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.2");
    red(3, ",HOLD-BACK=6.0", ",HOLD-BACK=5.0");
    let parts: String = (0..4).map(|part| format!("#EXT-X-PART:DURATION=0.5,URI=\"part_11_{part}.mp4\"\n")).collect();
    red(6, "#EXTINF:2.0,\nseg_11.mp4", &format!("{parts}#EXTINF:2.0,\nseg_11.mp4"));
    red(7, "#EXTINF:2.0,\nseg_14", "#EXT-X-GAP\n#EXTINF:2.0,\nseg_14");
    red(7, "#EXTINF:2.0,\nseg_11", "#EXT-X-MAP:URI=\"init_2.mp4\"\n#EXTINF:2.0,\nseg_11");
    red(8, DATE, "");
    red(8, "#EXT-X-VERSION:6", "#EXT-X-VERSION:9");
    red(8, "#EXT-X-VERSION:6", "#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:EVENT");
    red(8, "#EXT-X-VERSION:6", "#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS");
    red(8, "#EXT-X-MAP:URI=\"init_1.mp4\"\n", "");
    red(15, "CAN-SKIP-UNTIL=12.0", "CAN-SKIP-UNTIL=10.0");
    red(
        17,
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_15_2",
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"x\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_15_2",
    );
}

#[test]
fn what_breaks_a_rule_from_one_playlist_to_the_next_goes_red() {
    let check = |from: &str, to: &str, want: &[u8]| {
        let (before, after) = (read(&good(5)), read(&good(6).replacen(from, to, 1)));
        assert_eq!(rules(&successive(&before, &after)), want, "{from} → {to}");
    };
    check("", "", &[]);
    check("TARGETDURATION:2", "TARGETDURATION:3", &[1]);
    check("PART-TARGET=0.5", "PART-TARGET=0.6", &[2]);
    check("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.6", &[3]);
    check("seg_12.mp4", "other.mp4", &[4]);
    check("#EXTINF:2.0,\nseg_12", "#EXTINF:1.0,\nseg_12", &[4]);
    check("part_15_1", "part_15_9", &[4]);
    check("MEDIA-SEQUENCE:10", "MEDIA-SEQUENCE:9", &[4]);
    let fewer = read(&good(4));
    assert_eq!(rules(&successive(&read(&good(5)), &fewer)), [4]);
}

#[test]
fn a_discontinuity_that_has_gone_is_counted_and_the_rest_is_long_enough() {
    let before = read(&good(5).replacen(DATE, &format!("#EXT-X-DISCONTINUITY\n{DATE}"), 1));
    let mut after = read(&good(6));
    after.segments.remove(0);
    after.sequence = 11;
    assert_eq!(rules(&successive(&before, &after)), [4]);
    after.discontinuity_sequence = 1;
    assert_eq!(successive(&before, &after), vec![]);
    after.segments.drain(..3);
    after.sequence = 14;
    assert_eq!(rules(&successive(&before, &after)), [6]);
}

#[test]
fn a_late_part_goes_red() {
    let (before, after) = (read(&good(5)), read(&good(6)));
    let check = |ms| rules(&over_time(&before, &after, Duration::from_millis(ms), Duration::from_millis(100)));
    assert_eq!((check(590), check(620)), (vec![], vec![5]));
}

#[test]
fn a_delta_that_leaves_out_too_much_or_differs_goes_red() {
    let whole = read(&good(9));
    let skip = |count: usize| {
        let mut delta = whole.clone();
        delta.segments.drain(..count);
        delta.skipped = count as u64;
        delta
    };
    // The end of the sixth segment from the end is 11 s away, that of the seventh 13 s.
    assert_eq!((delta(&whole, &skip(3)), rules(&delta(&whole, &skip(4)))), (vec![], vec![15]));
    let mut other = skip(2);
    other.segments[0].uri = "other.mp4".into();
    assert_eq!(rules(&delta(&whole, &other)), [15]);
}

#[test]
fn renditions_that_differ_or_do_not_report_go_red() {
    let with_report = read(&(good(5) + "#EXT-X-RENDITION-REPORT:URI=\"../b.m3u8\",LAST-MSN=15,LAST-PART=1\n"));
    let check = |a: &Media, b: &Media| rules(&renditions(&[a.clone(), b.clone()]));
    assert_eq!(check(&with_report, &with_report), Vec::<u8>::new());
    assert_eq!(check(&with_report, &read(&good(5))), [9]);
    let other = read(&good(5).replace("TARGETDURATION:2", "TARGETDURATION:3"));
    assert_eq!(check(&with_report, &other), [9, 9, 9]);
}
