//! `cctv`: the whole system as one program. This crate reads the configuration, starts the services and stops them.

mod catalogue;
mod command;
mod config;
mod demo;
mod documents;
mod instance;
mod private_file;
mod services;
mod telemetry;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match command::Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::complain(&error);
            ExitCode::FAILURE
        }
    }
}
