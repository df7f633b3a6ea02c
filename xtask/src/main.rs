//! The checks and chores of this workspace: `cargo xtask ci` is all there is to pass.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command line tool talks to its user")]

mod ci;
mod command;
mod compare;
mod fuzz;
mod soak;
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

/// Checks and chores.
#[derive(Parser)]
enum Task {
    /// Everything that must pass: format, lints, tidy, documents, web, tests.
    Ci,
    /// What the house style asks and a program can check.
    Tidy,
    /// Lets a fuzzer look for input that breaks a parser. The recorded inputs are replayed by the tests anyway.
    Fuzz {
        /// A target in `fuzz/fuzz_targets`, without `.rs`, or `all`.
        target: String,
        /// How long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// The server beside others on the same work, measured by an independent load generator.
    Compare(compare::Compare),
    /// Long runs: what must still hold after hours.
    Soak(soak::Soak),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Task::parse() {
        Task::Ci => ci::run(&root),
        Task::Tidy => tidy::run(&root),
        Task::Compare(wanted) => compare::run(&wanted),
        Task::Soak(wanted) => soak::run(&root, &wanted),
        Task::Fuzz { target, seconds } => fuzz::run(&root, &target, seconds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("xtask lies one directory below the workspace").to_owned()
}
