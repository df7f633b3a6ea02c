//! Readers by RTSP: one task each, on one thread.

mod player;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    measure::{Frames, RtpFrames, Totals, clock::now_ns, rtp::Traffic},
    options::{ReadRtsp, Readers, Transport},
    report::Report,
    window::{Measured, Run},
};
pub(super) use player::enter;
pub use player::{Manner, Player};

/// What one reader brings home.
#[derive(Debug)]
pub struct Seen {
    /// What it saw.
    pub packets: RtpFrames,
    /// Why it ended before the run did.
    pub error: Option<String>,
}

/// How long a reader tries to join a stream that is not there yet.
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits from one try to the next.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Reads until the time is over.
///
/// # Errors
/// When the server's process is not there, or a reader does not end.
pub async fn run(options: &ReadRtsp) -> Result<Report> {
    let readers = &options.readers;
    let measured = measure(readers, options.transport, Manner::Steady).await?;
    Ok(report("read-rtsp", readers.fps, measured))
}

/// Lets readers of this manner read until the time is over.
pub(super) async fn measure(readers: &Readers, transport: Transport, manner: Manner) -> Result<Measured<Seen>> {
    let mut run = Run::default();
    for reader in 0..readers.count() {
        let (stream, url) = readers.stream_of(reader);
        let (fps, phase) = (readers.fps, run.phase());
        let delay = Duration::from_millis(readers.ramp_ms) * reader;
        run.tasks.spawn(async move {
            sleep(delay).await;
            let started = Instant::now();
            loop {
                let mut packets = RtpFrames::new(Frames::new(Some(stream), fps, now_ns()));
                let error = Player::new(&url, transport, manner).play(&mut packets, phase.clone()).await.err();
                let joined = error.is_none() || packets.traffic().packets > 0;
                if joined || started.elapsed() >= JOIN_WITHIN {
                    return Seen { packets, error: error.map(|error| format!("{url}: {error:#}")) };
                }
                sleep(TRY_EVERY).await;
            }
        });
    }
    run.measure(joining(readers), &readers.window).await
}

/// How long all readers take to join.
pub(super) fn joining(readers: &Readers) -> Duration {
    Duration::from_millis(readers.ramp_ms) * readers.count()
}

/// The report of readers that take RTP.
pub(super) fn report(mode: &str, fps: f64, measured: Measured<Seen>) -> Report {
    let Measured { readers, cost, generator, seconds } = measured;
    let (mut totals, mut traffic) = (Totals::default(), Traffic::default());
    let mut silent = 0;
    for reader in &readers {
        totals.merge(reader.packets.frames.totals());
        traffic.merge(reader.packets.traffic());
        silent += u64::from(reader.packets.frames.totals().frames == 0);
    }
    let errors: Vec<&String> = readers.iter().filter_map(|reader| reader.error.as_ref()).collect();
    let mut report = Report::new(mode, &generator);
    let due = readers.len() as f64 * fps * seconds;
    report.put_all(json!({
        "readers": readers.len(),
        "seconds": seconds,
        "delivered_ratio": totals.frames as f64 / due,
        "silent_readers": silent,
        "ended_readers": errors.len(),
        "first_error": errors.first(),
    }));
    report.put_totals(&totals);
    report.put_traffic(traffic);
    report.fault(silent, "readers got nothing");
    report.fault(errors.len() as u64, "readers ended early");
    report.put("server", cost.map_or(serde_json::Value::Null, |cost| cost.to_json(traffic.bytes)));
    report
}
