//! The load generator against the real program: a short run of each mode, small enough for every test run.

use std::time::Duration;

use testkit::{
    loadgen::{
        options::{Mode, Options},
        report::Report,
        run,
    },
    server::Cctv,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `loadgen` with this command line; `RTSP`, `HLS` and `WHEP` stand for the addresses of the server.
async fn load(cctv: &Cctv, line: &str) -> Report {
    let ports = cctv.ports();
    let line = line
        .replace("RTSP", &format!("rtsp://127.0.0.1:{}", ports.rtsp))
        .replace("HLS", &format!("http://127.0.0.1:{}", ports.hls))
        .replace("WHEP", &format!("http://127.0.0.1:{}", ports.webrtc));
    let mode = Options::of_line(&format!("{line} --server-pid {}", cctv.pid().unwrap())).unwrap().mode;
    timeout(PATIENCE, run(mode)).await.unwrap().unwrap()
}

/// Publishes meanwhile.
fn publish(cctv: &Cctv, line: &str) -> JoinHandle<Report> {
    let line = line.replace("RTSP", &format!("rtsp://127.0.0.1:{}", cctv.ports().rtsp));
    let Mode::PublishRtsp(options) = Options::of_line(&line).unwrap().mode else { panic!("{line} publishes nothing") };
    spawn_blocking(move || testkit::loadgen::publish::run(&options).unwrap())
}

async fn server() -> Cctv {
    Cctv::start("").await.unwrap()
}

/// What is wrong with the delivery. A freeze can be the machine's, which runs other tests meanwhile.
fn wrong(report: &Report) -> Vec<&String> {
    report.faults.iter().filter(|fault| !fault.contains("freezes")).collect()
}

async fn check(publisher: &str, reader: &str) {
    let cctv = server().await;
    let published = publish(&cctv, publisher);
    let read = load(&cctv, reader).await;
    let line = read.to_line();
    assert!(wrong(&read).is_empty(), "{line}");
    assert!(read.number("frames").unwrap() >= 20.0, "{line}");
    assert!(read.number("server.cpu_s").is_some() && read.number("server.pss_mb").unwrap() > 1.0, "{line}");
    let published = published.await.unwrap();
    assert!(published.faults.is_empty(), "{}", published.to_line());
}

#[tokio::test]
async fn what_is_published_by_tcp_is_read_whole_by_tcp() {
    let publisher = "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 2 --seconds 4";
    check(publisher, "read-rtsp tcp --url RTSP/metro_load_{} --streams 2 -n 4 --warm-up 1 --seconds 1").await;
}

#[tokio::test]
async fn what_is_published_by_udp_is_read_whole_by_udp() {
    let publisher = "publish-rtsp udp --aligned --url RTSP/metro_load_{} -n 2 --seconds 4";
    check(publisher, "read-rtsp udp --url RTSP/metro_load_{} --streams 2 -n 2 --warm-up 1 --seconds 1").await;
}

#[tokio::test]
async fn access_units_that_never_come_turn_the_run_red() {
    let cctv = server().await;
    let published = publish(&cctv, "publish-rtsp tcp --aligned --url RTSP/metro_load --seconds 4 --withhold 10");
    let read = load(&cctv, "read-rtsp tcp --url RTSP/metro_load --warm-up 1 --seconds 1").await;
    assert!(read.number("lost_frames").unwrap() >= 1.0, "{}", read.to_line());
    assert_ne!(read.status(), 0, "{}", read.to_line());
    published.await.unwrap();
}

#[tokio::test]
async fn what_is_published_is_viewed_whole_by_whep() {
    let publisher = "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 2 --seconds 4";
    check(publisher, "read-whep --url WHEP/metro_load_{}/whep --streams 2 -n 4 --warm-up 1 --seconds 1").await;
}

#[tokio::test]
async fn a_wall_is_live_when_all_its_tiles_are() {
    let publisher = "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 2 --seconds 4";
    check(publisher, "wall 4 --url WHEP/metro_load_{}/whep --streams 2 -n 1 --warm-up 1.5 --seconds 1").await;
}

#[tokio::test]
async fn what_is_published_is_played_whole_by_llhls() {
    let publisher = "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 1 --seconds 7";
    check(publisher, "read-llhls --url HLS/metro_load_{}/index.m3u8 -n 2 --warm-up 4 --seconds 1.5").await;
}

#[tokio::test]
async fn a_slow_reader_gets_no_torn_access_unit() {
    let publisher = "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 1 --seconds 4";
    check(publisher, "slow-reader 50000 --url RTSP/metro_load_{} --warm-up 1 --seconds 2").await;
}

#[tokio::test]
async fn readers_that_come_and_go_each_see_a_picture() {
    let cctv = server().await;
    let published = publish(&cctv, "publish-rtsp tcp --aligned --url RTSP/metro_load_{} -n 2 --seconds 4");
    // The first visitor comes once a picture is there.
    let read = load(&cctv, "read-rtsp tcp --url RTSP/metro_load_{} --streams 2 --warm-up 1 --seconds 0.1").await;
    assert!(wrong(&read).is_empty(), "{}", read.to_line());
    let churn = load(&cctv, "churn 20 --url RTSP/metro_load_{} --streams 2 --seconds 1").await;
    assert!(wrong(&churn).is_empty() && churn.number("visits").unwrap() >= 15.0, "{}", churn.to_line());
    published.await.unwrap();
}
