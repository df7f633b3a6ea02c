//! Foreign players show what foreign programs publish through the real program.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use testkit::{clip, program, workspace};

use crate::site::{browse, publishing, said};

/// The longest a player may take for a few seconds of a stream.
const DEADLINE: Duration = Duration::from_secs(60);

/// The codecs in alphabetical order and the number of video frames in the first three seconds of a stream.
async fn probe(url: &str, options: &[&str]) -> (Vec<String>, usize) {
    let shown = "-show_entries stream=codec_name:packet=codec_type -read_intervals %+3 -of csv";
    let arguments: Vec<&str> =
        ["-v", "error"].iter().chain(options).copied().chain(shown.split(' ')).chain([url]).collect();
    let output = program::run("ffprobe", &arguments, DEADLINE).await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    // ffprobe names the streams of a programme twice.
    let codecs: BTreeSet<&str> = lines.lines().filter_map(|line| line.strip_prefix("stream,")).collect();
    (
        codecs.into_iter().map(str::to_owned).collect(),
        lines.lines().filter(|line| line.starts_with("packet,video")).count(),
    )
}

/// Real footage, or what has the same traits.
fn files() -> [(PathBuf, &'static [&'static str]); 3] {
    let or = |file: &str, made: anyhow::Result<PathBuf>| workspace::footage(file).unwrap_or_else(|| made.unwrap());
    [
        (or("car-detection.mp4", clip::with_aac()), &["aac", "h264"]),
        (or("bottle-detection.mp4", clip::b_frames_long_gop()), &["h264"]),
        (or("one-by-one-person-detection.mp4", clip::b_frames_long_gop()), &["h264"]),
    ]
}

#[tokio::test]
async fn ffprobe_reads_the_real_files_over_rtsp_and_hls() {
    for (file, codecs) in files() {
        let (cctv, _publisher) = publishing(file.clone()).await.unwrap();
        let hls = format!("http://127.0.0.1:{}/test/index.m3u8", cctv.ports().hls);
        let rtsp = cctv.rtsp_url("test");
        for (url, options) in
            [(&rtsp, ["-rtsp_transport", "tcp"].as_slice()), (&rtsp, &["-rtsp_transport", "udp"]), (&hls, &[])]
        {
            let (found, frames) = probe(url, options).await;
            assert_eq!(found, codecs, "{} over {url} {options:?}\n{}", file.display(), cctv.log());
            assert!(frames >= 10, "{frames} frames of {} over {url} {options:?}", file.display());
        }
    }
}

/// The VLC of Debian comes without its RTSP client (live555), so it is HLS that it plays.
#[tokio::test]
async fn vlc_plays_a_stream() {
    let (cctv, _publisher) = publishing(clip::with_aac().unwrap()).await.unwrap();
    let url = format!("http://127.0.0.1:{}/test/index.m3u8", cctv.ports().hls);
    let options = "-vv --aout dummy --vout dummy --run-time 5 --play-and-exit";
    let arguments: Vec<&str> = options.split(' ').chain([url.as_str(), "vlc://quit"]).collect();
    let output = program::run_unprivileged("cvlc", &arguments, DEADLINE).await.unwrap();
    let said = said(&output);
    assert!(said.contains("Received first picture"), "{said}\n{}", cctv.log());
}

#[tokio::test]
async fn chromium_plays_over_whep() {
    let (cctv, _publisher) = publishing(clip::baseline().unwrap()).await.unwrap();
    let url = format!("http://127.0.0.1:{}/test/whep", cctv.ports().webrtc);
    let seen = browse(&["--suite", "whep", "--url", &url]).await.unwrap();
    assert!(seen.status.success(), "{}\n{}", said(&seen), cctv.log());
}

#[tokio::test]
async fn hls_js_plays_within_two_seconds_of_live_for_a_minute() {
    let (cctv, _publisher) = publishing(clip::with_aac().unwrap()).await.unwrap();
    let url = format!("http://127.0.0.1:{}/test/index.m3u8", cctv.ports().hls);
    let seen = browse(&["--suite", "hls", "--url", &url, "--seconds", "60"]).await.unwrap();
    assert!(seen.status.success(), "{}\n{}", said(&seen), cctv.log());
}
