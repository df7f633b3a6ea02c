//! Players by LL-HLS (draft-pantos-hls-rfc8216bis): blocking reload, and the hinted part asked for ahead.

mod part;
mod player;
mod playlist;

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    measure::{Totals, clock::now_ns},
    options::ReadHttp,
    read::joining,
    report::Report,
    window::{Measured, Run},
};
use player::{Player, Seen};

/// Plays until the time is over.
///
/// # Errors
/// When the server's process is not there, or a player does not end.
pub async fn run(options: &ReadHttp) -> Result<Report> {
    let readers = &options.readers;
    let mut run = Run::default();
    for reader in 0..readers.count() {
        let (stream, url) = readers.stream_of(reader);
        let (fps, phase) = (readers.fps, run.phase());
        let delay = Duration::from_millis(readers.ramp_ms) * reader;
        run.tasks.spawn(async move {
            sleep(delay).await;
            Player::new(stream, fps, now_ns()).play(&url, phase).await
        });
    }
    let measured = run.measure(joining(readers), &readers.window).await?;
    Ok(report(readers.fps, measured))
}

fn report(fps: f64, measured: Measured<Seen>) -> Report {
    let Measured { readers, cost, generator, seconds } = measured;
    let mut report = Report::new("read-llhls", &generator);
    let (mut totals, mut all) = (Totals::default(), Seen::default());
    let mut silent = 0;
    for reader in &readers {
        totals.merge(&reader.totals);
        all.merge(reader);
        silent += u64::from(reader.totals.frames == 0);
    }
    report.put_all(json!({
        "readers": readers.len(),
        "seconds": seconds,
        "delivered_ratio": totals.frames as f64 / (readers.len() as f64 * fps * seconds),
        "silent_readers": silent,
        "requests_per_s": all.requests as f64 / seconds,
        "parts": all.parts,
        "bytes": all.media_bytes,
        "playlist_bytes": all.playlist_bytes,
        "late_reloads": all.restarts,
        "newest_latency_ms": all.newest_latency.to_json(),
        "failed_requests": all.failed,
        "ended_readers": readers.iter().filter(|reader| reader.error.is_some()).count(),
        "first_error": readers.iter().find_map(|reader| reader.error.as_ref()),
    }));
    report.put_totals(&totals);
    report.fault(silent, "readers got nothing");
    report.fault(all.failed, "requests failed");
    report.fault(all.restarts, "parts had left the playlist before they were fetched");
    report.put("server", cost.map_or(Value::Null, |cost| cost.to_json(all.media_bytes)));
    report
}
