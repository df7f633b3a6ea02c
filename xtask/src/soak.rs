//! Long runs. Those against the program are in `testkit::soak`; here they are built and started.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::command;

/// Which long run, and how long.
#[derive(Args)]
pub(crate) struct Soak {
    kind: Kind,
    /// For how long, about.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// With the debug build, which is there sooner and checks more.
    #[arg(long)]
    dev: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Readers of RTSP, WHEP and LL-HLS come and go; nothing is left of them.
    Churn,
    /// Offers of WHEP that nobody follows up; all are freed.
    Orphans,
    /// LL-HLS with outages, checked by its rules.
    Hls,
    /// The parsers of network input, with ever new mutations of the corpus.
    Fuzz,
}

/// Runs it; fails when something does not hold that must.
pub(crate) fn run(root: &Path, soak: &Soak) -> Result<()> {
    let profile = if soak.dev { "" } else { "--release" };
    let minutes = soak.minutes;
    let kind = match soak.kind {
        Kind::Churn => "churn",
        Kind::Orphans => "orphans",
        Kind::Hls => "hls",
        Kind::Fuzz => {
            let seconds = (minutes * 60.0).ceil();
            let test = format!("cargo test {profile} -p media --test corpus every_target_survives -- --nocapture");
            return command::run(&format!("env CORPUS_SECONDS={seconds} {test}"), root);
        }
    };
    command::run(&format!("cargo build {profile} --bin cctv --bin soak"), root)?;
    command::run(&format!("cargo run {profile} --bin soak -- {kind} --minutes {minutes}"), root)
}
