use super::*;

fn opening(discontinuity: bool) -> Opening {
    let program_date_time = WallTime::from_unix_us(1_700_000_000_123_000);
    Opening { map_uri: "init_0.mp4".into(), program_date_time, discontinuity }
}

fn part(uri: &str, independent: bool) -> Part {
    Part { uri: uri.into(), duration: Duration::from_millis(200), independent, gap: false }
}

fn segment(number: u64, seconds: u64) -> Segment {
    let duration = Duration::from_secs(seconds);
    Segment { opening: opening(false), uri: format!("seg_{number}.mp4"), duration, parts: vec![], gap: false }
}

#[test]
fn a_playlist_is_written_as_the_draft_says() {
    let playlist = MediaPlaylist {
        target_duration_s: 2,
        media_sequence: 7,
        discontinuity_sequence: 1,
        segments: vec![
            Segment { parts: vec![part("part_7_0.mp4", true)], opening: opening(true), ..segment(7, 1) },
            Segment { parts: vec![Part { gap: true, ..part("gap", false) }], gap: true, ..segment(8, 1) },
        ],
        low_latency: Some(LowLatency {
            part_target: Duration::from_millis(200),
            open: Some(opening(false)),
            open_parts: vec![part("part_9_0.mp4", false)],
            preload_hint: Some("part_9_1.mp4".into()),
        }),
        reports: vec![RenditionReport { uri: "../b/main_stream.m3u8".into(), last_msn: 9, last_part: 2 }],
        ended: false,
    };
    let date = "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n";
    let want = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.00000,HOLD-BACK=6.00000,PART-HOLD-BACK=0.60000\n\
        #EXT-X-PART-INF:PART-TARGET=0.20000\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
        #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init_0.mp4\"\n{date}\
        #EXT-X-PART:DURATION=0.20000,URI=\"part_7_0.mp4\",INDEPENDENT=YES\n#EXTINF:1.00000,\nseg_7.mp4\n{date}\
        #EXT-X-PART:DURATION=0.20000,URI=\"gap\",GAP=YES\n#EXT-X-GAP\n#EXTINF:1.00000,\nseg_8.mp4\n{date}\
        #EXT-X-PART:DURATION=0.20000,URI=\"part_9_0.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_9_1.mp4\"\n\
        #EXT-X-RENDITION-REPORT:URI=\"../b/main_stream.m3u8\",LAST-MSN=9,LAST-PART=2\n"
    );
    assert_eq!(playlist.to_text(), want);
}

#[test]
fn a_plain_playlist_has_no_parts() {
    let segments = vec![Segment { parts: vec![part("part_7_0.mp4", true)], ..segment(7, 1) }];
    let text = MediaPlaylist { target_duration_s: 1, segments, ..MediaPlaylist::default() }.to_text();
    assert!(!text.contains("PART") && text.contains("HOLD-BACK=3.00000\n"), "{text}");
}

#[test]
fn an_ended_playlist_says_so_last_and_has_no_deltas() {
    let segments = (0..10).map(|number| segment(number, 2)).collect();
    let playlist = MediaPlaylist { target_duration_s: 2, segments, ended: true, ..MediaPlaylist::default() };
    let text = playlist.to_text();
    assert!(text.ends_with("seg_9.mp4\n#EXT-X-ENDLIST\n"), "{text}");
    assert_eq!(playlist.to_delta_text(), None);
}

#[test]
fn a_delta_leaves_out_what_is_farther_from_the_end_than_its_boundary() {
    let playlist = |count| MediaPlaylist {
        target_duration_s: 2,
        media_sequence: 100,
        segments: (0..count).map(|number| segment(100 + number, 2)).collect(),
        low_latency: Some(LowLatency { open_parts: vec![part("p", false)], ..LowLatency::default() }),
        ..MediaPlaylist::default()
    };
    assert_eq!((playlist(6).to_delta_text(), playlist(0).to_delta_text()), (None, None));
    let delta = playlist(10).to_delta_text().unwrap();
    assert!(delta.contains("#EXT-X-VERSION:9\n") && delta.contains("#EXT-X-MEDIA-SEQUENCE:100\n"), "{delta}");
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n"), "{delta}");
    assert!(delta.contains("seg_104.mp4") && !delta.contains("seg_103.mp4"), "{delta}");
}
