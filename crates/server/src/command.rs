//! The command line.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{DataDirectory, Loaded},
    demo, instance, services, telemetry,
};

/// The video platform of a city's control rooms.
#[derive(Debug, Parser)]
#[command(name = "cctv", version)]
pub(crate) struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the services that the configuration names.
    Serve {
        /// The configuration; without it everything runs with its defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Runs everything with 48 simulated cameras of four agencies.
    Demo {
        /// A configuration for everything but the cameras.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where state and the demonstration's clips are kept.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Makes the demonstration's clips and ends.
        #[arg(long)]
        prepare: bool,
    },
}

impl Command {
    /// Does what the command line says.
    pub(crate) fn run(self) -> Result<()> {
        match self.task {
            Task::Serve { config } => {
                let loaded = load(config.as_deref())?;
                telemetry::start(&loaded.config.log)?;
                let _held = instance::hold(&loaded.config.data.0)?;
                runtime()?.block_on(until_signal(|stop| services::run(loaded, None, stop)))
            }
            Task::Demo { config, data, prepare } => {
                let mut loaded = load(config.as_deref())?;
                if let Some(data) = data {
                    loaded.config.data = DataDirectory(data);
                }
                telemetry::start(&loaded.config.log)?;
                if prepare {
                    return demo::prepare(&loaded.config.data.0).map(drop);
                }
                let _held = instance::hold(&loaded.config.data.0)?;
                let clips = demo::prepare(&loaded.config.data.0)?;
                runtime()?.block_on(until_signal(|stop| services::run(loaded, Some(clips), stop)))
            }
        }
    }
}

/// Tells the user on the terminal why the program ends.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nothing is left to do when even the terminal is gone.
    let _ = writeln!(std::io::stderr(), "cctv: {error:#}");
}

/// Tells the user something on the terminal.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn load(file: Option<&Path>) -> Result<Loaded> {
    Ok(Loaded::read(file, std::env::vars())?)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

/// Runs until the work ends by itself or SIGINT or SIGTERM asks for it.
async fn until_signal<F: Future<Output = Result<()>>>(work: impl FnOnce(CancellationToken) -> F) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let stop = CancellationToken::new();
    let mut work = std::pin::pin!(work(stop.clone()));
    tokio::select! {
        done = &mut work => return done,
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    work.await?;
    tracing::info!("stopped");
    Ok(())
}
