//! The scripts that operators and other teams use, run as they are.

use std::process::Stdio;

use testkit::{server::Cctv, workspace};
use tokio::process::Command;

use crate::site::{Site, said};

async fn check(cctv: &Cctv, script: &str, arguments: &[String]) {
    let ports = cctv.ports();
    let mut command = Command::new(workspace::root().join("scripts").join(script));
    for (variable, port) in [
        ("WEB", ports.web),
        ("RTSP", ports.rtsp),
        ("HLS", ports.hls),
        ("WEBRTC", ports.webrtc),
        ("CONTROL", ports.control),
        ("METRICS", ports.metrics),
    ] {
        command.env(variable, format!("127.0.0.1:{port}"));
    }
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = said(&output);
    assert!(output.status.success() && said.ends_with(" 0 failed\n"), "{said}\n{}", cctv.log());
}

#[tokio::test]
async fn every_line_of_the_streaming_script_passes() {
    let cctv = Cctv::start("").await.unwrap();
    let clip = workspace::footage("car-detection.mp4").map(|file| file.display().to_string());
    check(&cctv, "test-streaming.sh", clip.as_slice()).await;
}

#[tokio::test]
async fn every_line_of_the_services_script_passes() {
    let site = Site::start(1).await.unwrap();
    check(&site.cctv, "test-services.sh", &[]).await;
}
