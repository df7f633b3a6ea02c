//! The checks and chores of this workspace: `cargo xtask ci` is all there is to pass.
#![expect(clippy::print_stderr, reason = "a command line tool talks to its user")]

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

/// Checks and chores.
#[derive(Parser)]
enum Task {
    /// Everything that must pass.
    Ci,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Ci => ci(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ci() -> Result<()> {
    run("cargo fmt --all --check")?;
    run("cargo clippy --workspace --all-targets --locked -- -D warnings")?;
    run("cargo test --workspace --locked")
}

/// Runs a command line of plain words and passes its output through.
fn run(line: &str) -> Result<()> {
    eprintln!("==> {line}");
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let status = Command::new(program).args(words).status().with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}
