//! Long runs against the real program, each with what must hold after it: `cargo xtask soak`.
//!
//! - *churn*: readers of RTSP, WHEP and LL-HLS come, see a picture and go. Tasks and descriptors are those of the start, no
//!   session is left, and memory has not grown by more than [`GROWTH`].
//! - *orphans*: WHEP offers that nobody follows up. All are freed within [`ORPHAN_LIFE`].
//! - *hls*: a stream with outages and changes of its pictures, followed by `hls_check`. No rule is broken.

mod churn;
mod held;
mod hls;
mod orphans;

use std::{fmt, time::Duration};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tokio::time::{interval, timeout};

use crate::{clip, program::Child, server::Cctv};
use held::Held;

/// By how much memory may grow after the first rounds.
pub const GROWTH: f64 = 0.05;
/// How long an offer lives that nobody follows up: the handshake timeout, with margin.
pub const ORPHAN_LIFE: Duration = Duration::from_secs(30);
/// How long what ended is given to go.
const SETTLE: Duration = Duration::from_secs(60);
/// The path that is published.
const PATH: &str = "test";

/// The long runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Readers come and go.
    Churn,
    /// Offers that nobody follows up.
    Orphans,
    /// LL-HLS by its rules.
    Hls,
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Outcome {
    rows: Vec<(&'static str, String)>,
    violations: Vec<String>,
}

impl Outcome {
    fn row(&mut self, name: &'static str, value: impl fmt::Display) {
        self.rows.push((name, value.to_string()));
    }

    fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }

    /// Whether all held that must.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(f, "{name:<32}{value}")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATION: {violation}")?;
        }
        write!(f, "{}", if self.holds() { "all held" } else { "not all held" })
    }
}

/// Does one run of about this length.
///
/// # Errors
/// When the program or a foreign one cannot be run, or a visit fails.
pub async fn run(kind: Kind, length: Duration) -> Result<Outcome> {
    let cctv = Cctv::start("[log]\nlevel = \"warn\"").await?;
    let (outcome, said) = match kind {
        Kind::Churn => (churn::run(&cctv, length).await, cctv.log()),
        Kind::Orphans => (orphans::run(&cctv, length).await, cctv.log()),
        Kind::Hls => (hls::run(&cctv, length).await, cctv.log()),
    };
    outcome.with_context(|| format!("the program said:\n{said}"))
}

/// Publishes a clip as [`PATH`], over and over, and waits until it can be read.
async fn publish(cctv: &Cctv) -> Result<Child> {
    let (clip, url) = (clip::baseline()?.display().to_string(), cctv.rtsp_url(PATH));
    let line = ["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", &clip, "-c", "copy", "-f", "rtsp", &url];
    let publisher = Child::spawn("ffmpeg", &line)?;
    let state = format!("http://127.0.0.1:{}/v3/paths/get/{PATH}", cctv.ports().control);
    let mut ticks = interval(Duration::from_millis(100));
    let ready = timeout(SETTLE, async {
        loop {
            ticks.tick().await;
            let path: serde_json::Value = reqwest::get(&state).await?.json().await?;
            if path.get("ready") == Some(&serde_json::Value::Bool(true)) {
                return anyhow::Ok(());
            }
        }
    });
    ready.await.context("nothing is published")??;
    Ok(publisher)
}
