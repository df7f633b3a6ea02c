//! What the program holds, by its own metrics and its control API.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::time::{Instant, interval};

use crate::server::Cctv;

/// How often is looked whether what ended is gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) tasks: f64,
    pub(super) fds: f64,
    pub(super) resident_mb: f64,
    /// Sessions of WebRTC and connections of RTSP. Sessions of HLS are stateless: they end by not being used.
    pub(super) sessions: u64,
}

impl Held {
    pub(super) async fn now(cctv: &Cctv) -> Result<Self> {
        let metrics = format!("http://127.0.0.1:{}/metrics", cctv.ports().metrics);
        let text = reqwest::get(metrics).await?.text().await?;
        let value = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            Ok(line.with_context(|| format!("there is no {name}"))?.parse()?)
        };
        let mut sessions = 0;
        for list in ["webrtcsessions", "rtspconns"] {
            let url = format!("http://127.0.0.1:{}/v3/{list}/list", cctv.ports().control);
            let list: Value = reqwest::get(url).await?.json().await?;
            sessions += list.get("itemCount").and_then(Value::as_u64).context("a list without a count")?;
        }
        Ok(Self {
            tasks: value("cctv_tasks")?,
            fds: value("cctv_process_open_fds")?,
            resident_mb: value("cctv_process_resident_bytes")? / 1e6,
            sessions,
        })
    }

    /// No more than `other`, memory aside.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.tasks <= other.tasks && self.fds <= other.fds && self.sessions <= other.sessions
    }

    /// What is held once it is no more than `rest`, or after `limit`; and how long that took.
    pub(super) async fn settled(cctv: &Cctv, rest: &Self, limit: Duration) -> Result<(Self, Duration)> {
        let began = Instant::now();
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let now = Self::now(cctv).await?;
            if now.is_within(rest) || began.elapsed() >= limit {
                return Ok((now, began.elapsed()));
            }
        }
    }
}
