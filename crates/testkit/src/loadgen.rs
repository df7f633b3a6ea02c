//! The load generator `loadgen`: publishers and readers that aim at any media server, and a judge of what it delivers.
//!
//! It stands on the product's own packetizers and protocol machines, sends stamped access units of a clip cut into packets
//! once, and relates what the server cost to what arrived. Publishers are one thread, readers another process with one
//! thread, so that either tells when it was the limit itself.

pub mod churn;
pub mod clip;
pub mod llhls;
pub mod measure;
pub mod options;
pub mod publish;
pub mod read;
pub mod report;
pub mod slow;
pub mod stamp;
pub mod whep;
pub mod window;

use anyhow::Result;
use options::Mode;
use report::Report;

/// Runs one mode to its end.
///
/// # Errors
/// When it cannot run.
pub async fn run(mode: Mode) -> Result<Report> {
    match mode {
        Mode::PublishRtsp(options) => publish::run(&options),
        Mode::ReadRtsp(options) => read::run(&options).await,
        Mode::ReadWhep(options) => whep::run(&options).await,
        Mode::Wall(options) => whep::wall(&options).await,
        Mode::ReadLlhls(options) => llhls::run(&options).await,
        Mode::SlowReader(options) => slow::run(&options).await,
        Mode::Churn(options) => churn::run(&options).await,
    }
}
