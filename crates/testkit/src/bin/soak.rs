//! `soak`: long runs against the program beside it; `cargo xtask soak` builds both.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::Parser;
use testkit::soak::{self, Kind};

/// Runs the program for long and says whether all held that must. Exit status: 0 all held, 1 it could not be run, 4 not all.
#[derive(Debug, Parser)]
#[command(name = "soak", version)]
struct Options {
    /// What is done to the program.
    kind: Kind,
    /// For how long, about.
    #[arg(long, default_value_t = 10.0, value_parser = minutes)]
    minutes: f64,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 7.0 * 24.0 * 60.0 => Ok(minutes),
        _ => Err("a number above 0, of at most a week".into()),
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let outcome = soak::run(options.kind, Duration::from_secs_f64(options.minutes * 60.0)).await?;
    writeln!(stdout(), "{outcome}")?;
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::from(4) })
}
