//! `loadgen`: see `loadgen --help`.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser as _;
use testkit::loadgen::{self, options::Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let report = loadgen::run(Options::parse().mode).await?;
    writeln!(stdout(), "{}", report.to_line())?;
    Ok(report.status().into())
}
