//! Readers that take less than is sent: how a server treats them, and that it tears nothing.

use anyhow::Result;

use super::{
    options::{SlowReader, Transport},
    read::{self, Manner},
    report::Report,
};

/// Reads slowly until the time is over. That access units are skipped, or that the server ends a reader, is no fault.
///
/// # Errors
/// When the server's process is not there, or a reader does not end.
pub async fn run(options: &SlowReader) -> Result<Report> {
    let readers = &options.readers;
    let measured = read::measure(readers, Transport::Tcp, Manner::Slow(options.rate)).await?;
    let mut report = read::report("slow-reader", readers.fps, measured);
    report.put("bytes_per_s", options.rate.into());
    report
        .faults
        .retain(|fault| ["torn", "another stream's", "came again", "no stamp"].iter().any(|kind| fault.contains(kind)));
    Ok(report)
}
