//! Streams at the edge of what cameras send, and many cameras at once.

use std::{collections::HashSet, fmt::Write as _, net::Ipv4Addr, time::Duration};

use domain::Rendition;
use serde_json::{Value, json};
use simulator::{CameraPlan, Simulator};
use testkit::{clip, hls_check, program, server::Cctv, workspace};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::site::{publishing, turn};

const PATIENCE: Duration = Duration::from_secs(90);
/// Bytes of the keyframes of [`clip::large_keyframes`], at least.
const LARGE: u64 = 4_000_000;
/// Cameras that start together, and the simulated ones that they are.
const CAMERAS: usize = 200;
const DEVICES: u8 = 5;

/// The hashes of the first pictures of an input, decoded; all when `pictures` is none.
async fn hashes(input: &[&str], pictures: Option<&str>) -> Vec<String> {
    let limit = pictures.map_or(vec![], |pictures| vec!["-frames:v", pictures]);
    let decode = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let arguments = [&["-v", "error", "-nostdin", "-xerror"], input, &limit, &decode].concat();
    let output = program::run("ffmpeg", &arguments, PATIENCE).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

#[tokio::test]
async fn a_keyframe_of_four_megabytes_reaches_the_readers_of_rtsp_and_hls_whole() {
    let _turn = turn().await;
    let clip = clip::large_keyframes().unwrap();
    let file = clip.display().to_string();
    let sizes = ["-v", "error", "-show_entries", "packet=size,flags", "-of", "csv=p=0", &file];
    let sizes = String::from_utf8(program::run("ffprobe", &sizes, PATIENCE).await.unwrap().stdout).unwrap();
    let keyframes = sizes.lines().filter_map(|row| row.split_once(",K")?.0.parse::<u64>().ok());
    assert!(keyframes.clone().count() >= 2 && keyframes.min().unwrap() > LARGE, "{sizes}");
    let sent: HashSet<String> = hashes(&["-i", &file], None).await.into_iter().collect();

    let (cctv, _publisher) = publishing(clip).await.unwrap();
    let rtsp = cctv.rtsp_url("test");
    let hls = format!("http://127.0.0.1:{}/test/index.m3u8", cctv.ports().hls);
    for input in [["-rtsp_transport", "tcp", "-i", &rtsp].as_slice(), &["-i", &hls]] {
        let seen = hashes(input, Some("4")).await;
        assert!(seen.len() == 4 && seen.iter().all(|hash| sent.contains(hash)), "{input:?}: {seen:?}\n{}", cctv.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_pictures_a_second_are_live_and_keep_the_rules_of_low_latency_hls() {
    let (cctv, _publisher) = publishing(clip::five_fps().unwrap()).await.unwrap();
    let index = format!("http://127.0.0.1:{}/test/index.m3u8", cctv.ports().hls);
    let state = format!("http://127.0.0.1:{}/v3/paths/get/test", cctv.ports().control);
    let until = Instant::now() + Duration::from_secs(25);
    let states = async {
        let (mut seen, mut ticks) = (HashSet::new(), interval(Duration::from_millis(100)));
        while Instant::now() < until {
            ticks.tick().await;
            let said: Value = reqwest::get(&state).await.unwrap().json().await.unwrap();
            seen.insert(said["state"].to_string());
        }
        seen
    };
    let (report, states) = tokio::join!(hls_check::run(&index, Duration::from_secs(25)), states);
    let report = report.unwrap();
    assert!(report.faults.is_empty() && report.gaps == 0 && report.parts > 20, "{report:#?}");
    assert_eq!(states, HashSet::from(["\"online\"".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_cameras_that_start_at_once_are_all_online() {
    let _turn = turn().await;
    let plans: Vec<_> = (1..=DEVICES).map(CameraPlan::plain).collect();
    let clips = workspace::cache("clips").unwrap();
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let simulator = Simulator::start(&plans, &clips, address, CancellationToken::new()).await.unwrap();
    let cctv = Cctv::start("").await.unwrap();
    let source = |at: usize| simulator.url(&plans[at % plans.len()].id, Rendition::Sub).unwrap();
    let add: serde_json::Map<_, _> =
        (0..CAMERAS).map(|at| (format!("metro_{at}"), json!({ "source": source(at) }))).collect();
    let control = format!("http://127.0.0.1:{}/v3", cctv.ports().control);
    let bulk = reqwest::Client::new().post(format!("{control}/config/paths/bulk")).json(&json!({ "add": add }));
    let answer = bulk.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());

    let mut missing = String::new();
    let mut ticks = interval(Duration::from_millis(500));
    let online = timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            let list = reqwest::get(format!("{control}/paths/list?itemsPerPage=1000")).await.unwrap();
            let list: Value = list.json().await.unwrap();
            let mut cameras = list["items"].as_array().unwrap().clone();
            cameras.retain(|path| path["name"].as_str().unwrap().starts_with("metro_"));
            missing.clear();
            for path in cameras.iter().filter(|path| path["state"] != "online") {
                write!(missing, "{} {} {}; ", path["name"], path["state"], path["stateReason"]).unwrap();
            }
            if cameras.len() == CAMERAS && missing.is_empty() {
                return;
            }
        }
    });
    assert!(online.await.is_ok(), "{missing}\n{}", cctv.log());
}
