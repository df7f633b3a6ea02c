//! The metrics of port 9998 have exactly the names and labels that existing dashboards read.

use std::collections::BTreeSet;

use testkit::{Child, clip};

use crate::site::publishing;

const RTSP: &str = "inbound_bytes inbound_rtp_packets inbound_rtp_packets_lost inbound_rtp_packets_in_error \
    inbound_rtp_packets_jitter inbound_rtcp_packets inbound_rtcp_packets_in_error outbound_bytes outbound_rtp_packets \
    outbound_rtp_packets_reported_lost outbound_rtp_packets_discarded outbound_rtcp_packets bytes_received bytes_sent \
    rtp_packets_received rtp_packets_sent rtp_packets_lost rtp_packets_in_error rtp_packets_jitter \
    rtcp_packets_received rtcp_packets_sent rtcp_packets_in_error";
const WEBRTC: &str = "inbound_bytes inbound_rtp_packets inbound_rtp_packets_lost inbound_rtp_packets_jitter \
    inbound_rtcp_packets outbound_bytes outbound_rtp_packets outbound_rtcp_packets outbound_frames_discarded \
    bytes_received bytes_sent rtp_packets_received rtp_packets_sent rtp_packets_lost rtp_packets_jitter \
    rtcp_packets_received rtcp_packets_sent";

/// A family, the labels of its members (none: it is empty) and what follows its name.
const FAMILIES: [(&str, &str, &str); 6] = [
    ("paths", "name,state", "inbound_bytes outbound_bytes inbound_frames_in_error bytes_received bytes_sent"),
    ("hls_sessions", "id,path,remoteAddr", "outbound_bytes"),
    ("hls_muxers", "name", "outbound_bytes outbound_frames_discarded bytes_sent"),
    ("rtsp_conns", "id", "inbound_bytes outbound_bytes bytes_received bytes_sent"),
    ("rtsp_sessions", "id,path,remoteAddr,state", RTSP),
    ("webrtc_sessions", "", WEBRTC),
];

/// `name{label,label}` of each line.
fn shapes(text: &str) -> BTreeSet<String> {
    text.lines().map(shape).filter(|shape| !shape.starts_with("cctv_")).collect()
}

fn shape(line: &str) -> String {
    let (sample, value) = line.rsplit_once(' ').unwrap();
    assert!(value.parse::<f64>().is_ok_and(|value| value.is_finite() && !value.is_sign_negative()), "{line}");
    let Some((name, labels)) = sample.split_once('{') else { return sample.to_owned() };
    let keys: Vec<&str> = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect();
    assert!(keys.is_sorted(), "labels are sorted by name: {line}");
    format!("{name}{{{}}}", keys.join(","))
}

fn expected() -> BTreeSet<String> {
    let mut all = BTreeSet::from(["paths_readers{name,readerType,state}".to_owned()]);
    for (family, labels, suffixes) in FAMILIES {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        all.insert(format!("{family}{labels}"));
        all.extend(suffixes.split_whitespace().map(|suffix| format!("{family}_{suffix}{labels}")));
    }
    all
}

/// What viewers meet is counted for those that are there: RTSP and HLS, and nobody by WebRTC.
fn check_histograms(text: &str) {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    for (name, least) in [
        ("cctv_first_picture_seconds_count{protocol=\"rtsp\"}", 1.0),
        ("cctv_first_picture_seconds_bucket{le=\"+Inf\",protocol=\"hls\"}", 1.0),
        ("cctv_added_latency_seconds_count{protocol=\"rtsp\"}", 1.0),
        ("cctv_hls_delivery_seconds_sum", 0.0),
    ] {
        assert!(value(name).is_some_and(|value| value >= least), "{name} {:?} {text}", value(name));
    }
    assert_eq!(value("cctv_first_picture_seconds_count{protocol=\"webrtc\"}"), Some(0.0));
}

#[tokio::test]
async fn names_and_labels_are_those_that_dashboards_read() {
    let (cctv, _publisher) = publishing(clip::baseline().unwrap()).await.unwrap();
    let url = cctv.rtsp_url("test");
    let _reader = Child::spawn("ffmpeg", &["-nostdin", "-v", "error", "-i", &url, "-f", "null", "-"]).unwrap();
    for playlist in ["index.m3u8", "main_stream.m3u8"] {
        let playlist = format!("http://127.0.0.1:{}/test/{playlist}", cctv.ports().hls);
        assert!(reqwest::get(playlist).await.unwrap().status().is_success());
    }
    let metrics = format!("http://127.0.0.1:{}/metrics", cctv.ports().metrics);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    for _ in 0..300 {
        ticks.tick().await;
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        if text.contains("readerType=\"rtspSession\"") && !text.contains("latency_seconds_count{protocol=\"rtsp\"} 0") {
            assert_eq!(shapes(&text), expected());
            check_histograms(&text);
            return;
        }
    }
    panic!("the reader is not in the metrics: {}", cctv.log());
}
