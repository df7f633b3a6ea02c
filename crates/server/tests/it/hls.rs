//! LL-HLS of the real program, followed by our checker and by foreign players.

use std::time::Duration;

use domain::Rendition;
use testkit::{clip, hls_check, program};

use crate::site::{Site, said};

fn index(site: &Site, rendition: Rendition) -> String {
    let plan = &site.cameras[0];
    let camera = domain::CameraId::derived("config", &plan.id);
    let path = domain::Camera::path_of(camera, rendition);
    format!("http://127.0.0.1:{}/{path}/index.m3u8", site.cctv.ports().hls)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_keeps_every_rule_of_low_latency_hls() {
    let site = Site::start(1).await.unwrap();
    let report = hls_check::run(&index(&site, Rendition::Sub), Duration::from_secs(40)).await.unwrap();
    assert!(report.faults.is_empty(), "{report:#?}");
    assert!(report.parts > 100 && report.fetched_late > 0 && report.gaps == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_a_gap_and_then_a_discontinuity() {
    let site = Site::start(1).await.unwrap();
    let (index, camera) = (index(&site, Rendition::Sub), &site.cameras[0].id);
    let outage = async {
        tokio::time::sleep(Duration::from_secs(14)).await;
        site.simulator.stop_camera(camera).await.unwrap();
        tokio::time::sleep(Duration::from_secs(9)).await;
        site.simulator.resume(camera).await.unwrap();
    };
    let (report, ()) = tokio::join!(hls_check::run(&index, Duration::from_secs(45)), outage);
    let report = report.unwrap();
    assert!(report.faults.is_empty(), "{report:#?}");
    assert!(report.gaps >= 20 && report.discontinuities == 1 && report.parts > 100, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pictures_begin_with_a_discontinuity_and_long_lists_have_deltas() {
    let site = Site::start(0).await.unwrap();
    let control = format!("http://127.0.0.1:{}/v3/config/global/patch", site.cctv.ports().control);
    let more = serde_json::json!({ "hlsSegmentCount": 25 });
    assert!(reqwest::Client::new().patch(control).json(&more).send().await.unwrap().status().is_success());
    let publish = async |clip: std::path::PathBuf, seconds: &str| {
        let (clip, url) = (clip.display().to_string(), site.cctv.rtsp_url("test"));
        let arguments = ["-v", "error", "-re", "-stream_loop", "-1", "-i", &clip, "-t", seconds];
        let arguments = [&arguments[..], &["-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", &url]].concat();
        testkit::Child::spawn("ffmpeg", &arguments).unwrap()
    };
    let mut first = publish(clip::with_aac().unwrap(), "25").await;
    let index = format!("http://127.0.0.1:{}/test/index.m3u8", site.cctv.ports().hls);
    let change = async {
        first.ends(Duration::from_secs(60)).await.unwrap();
        publish(clip::b_frames_long_gop().unwrap(), "60").await
    };
    appears(&index).await;
    let (report, _second) = tokio::join!(hls_check::run(&index, Duration::from_secs(45)), change);
    let report = report.unwrap();
    assert!(report.faults.is_empty(), "{report:#?}");
    assert!(report.discontinuities >= 1 && report.deltas > 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn main_and_sub_stream_are_renditions_of_one_playlist() {
    let site = Site::start(1).await.unwrap();
    appears(&index(&site, Rendition::Sub)).await;
    let report = hls_check::run(&index(&site, Rendition::Main), Duration::from_secs(10)).await.unwrap();
    assert!(report.faults.is_empty() && report.renditions == 2, "{report:#?}");
    let report = hls_check::run(&index(&site, Rendition::Sub), Duration::from_secs(2)).await.unwrap();
    assert_eq!(report.renditions, 1, "who asks for the small picture gets it alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_players_play_it_with_and_without_low_latency() {
    let site = Site::start(1).await.unwrap();
    let low_latency = index(&site, Rendition::Sub);
    appears(&low_latency).await;
    for url in [low_latency.clone(), low_latency.replace("index.m3u8", "index_fmp4.m3u8")] {
        let probe = ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", &url];
        let output = program::run("ffprobe", &probe, Duration::from_secs(60)).await.unwrap();
        assert!(said(&output).contains("h264,320"), "{url}: {}", said(&output));
        let pipeline = format!("-v uridecodebin3 uri={url} ! video/x-raw ! fakesink num-buffers=100 sync=true");
        let pipeline: Vec<&str> = pipeline.split_whitespace().collect();
        let output = program::run("gst-launch-1.0", &pipeline, Duration::from_secs(90)).await.unwrap();
        let told = said(&output);
        assert!(output.status.success() && told.contains("GstHLSDemux2") && !told.contains("ERROR"), "{url}: {told}");
    }
}

/// Waits until there is a playlist.
async fn appears(index: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    while tokio::time::Instant::now() < deadline {
        ticks.tick().await;
        if reqwest::get(index).await.is_ok_and(|answer| answer.status() == 200) {
            return;
        }
    }
    panic!("there is no playlist at {index}");
}
