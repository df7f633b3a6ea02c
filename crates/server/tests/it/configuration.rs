//! Bad configuration and taken ports end the program with the key, the line and what to do; changes outlive it.

use std::{net::TcpListener, path::Path, process::Command};

use serde_json::{Value, json};
use testkit::server::{Cctv, program};

/// Runs `cctv serve` with a configuration that cannot work; what it says.
fn refused(text: &str) -> String {
    let data = std::env::temp_dir().join(format!("cctv-it-data-{}", uuid::Uuid::new_v4()));
    let said = refused_with(&data, text);
    std::fs::remove_dir_all(&data).unwrap_or_default();
    said
}

fn refused_with(data: &Path, text: &str) -> String {
    let directory = std::env::temp_dir().join(format!("cctv-it-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("cctv.toml");
    std::fs::write(&file, format!("data = {data:?}\n{text}")).unwrap();
    let output = Command::new(program().unwrap()).args(["serve", "--config"]).arg(&file).output().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let said = refused("[listen]\nrtps = \"127.0.0.1:1\"\n");
    assert!(said.contains("cctv.toml:3: unknown field `rtps`"), "{said}");
}

#[test]
fn a_taken_port_is_named_with_its_key_and_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = refused(&format!("[listen]\nrtsp = \"{address}\"\n"));
    assert!(said.contains("cctv.toml:3: listen.rtsp") && said.contains(&address.to_string()), "{said}");
}

#[tokio::test]
async fn a_second_copy_is_told_that_the_first_one_runs() {
    let cctv = Cctv::start("").await.unwrap();
    let said = refused_with(&cctv.data(), "");
    let process = format!("as process {}", cctv.pid().unwrap());
    assert!(said.contains("cctv is already running") && said.contains(&process), "{said}");
    let ports = cctv.ports();
    let listen = format!("[listen]\nrtsp = \"127.0.0.1:{}\"\ncontrol = \"127.0.0.1:{}\"\n", ports.rtsp, ports.control);
    let said = refused(&listen);
    let face = format!("cctv is already running on this machine and answers on 127.0.0.1:{}", ports.control);
    assert!(said.contains(&face) && said.contains("cctv.toml:3: listen.rtsp"), "{said}");
}

#[tokio::test]
async fn the_log_of_a_stop_is_plain_says_its_zone_and_ends_with_stopped() {
    let mut cctv = Cctv::start("").await.unwrap();
    assert!(cctv.stop().await.unwrap().success());
    let log = cctv.log();
    let last = log.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(" UTC ") && last.ends_with("stopped"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours where nobody sees them: {log:?}");
}

#[tokio::test]
async fn what_the_control_api_stored_is_there_after_a_clean_stop_and_a_new_start() {
    let mut cctv = Cctv::start("").await.unwrap();
    let control = |cctv: &Cctv, path: &str| format!("http://127.0.0.1:{}/v3/config/paths/{path}", cctv.ports().control);
    let added = json!({ "source": "rtsp://127.0.0.1:9/nowhere", "sourceOnDemand": true });
    let client = reqwest::Client::new();
    let answer = client.post(control(&cctv, "add/extra")).json(&added).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(cctv.stop().await.unwrap().success(), "{}", cctv.log());
    cctv.start_again().await.unwrap();
    let found: Value = client.get(control(&cctv, "get/extra")).send().await.unwrap().json().await.unwrap();
    assert_eq!(found["source"], added["source"]);
}
