//! Viewers by WHEP: offer, answer, ICE, DTLS and SRTP by str0m, packets judged without decoding.

pub(crate) mod viewer;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    measure::{Frames, Histogram, RtpFrames, clock::now_ns},
    options::{ReadHttp, Readers, Wall},
    read::{Seen, joining, report},
    report::Report,
    window::{Measured, Run},
};
use viewer::Viewer;

/// How long a viewer tries to join a stream that is not there yet.
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits from one try to the next.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Views until the time is over.
///
/// # Errors
/// When the server's process is not there, or a viewer does not end.
pub async fn run(options: &ReadHttp) -> Result<Report> {
    let readers = &options.readers;
    let tiles = (0..readers.count()).map(|viewer| (viewer, viewer)).collect();
    let measured = measure(readers, tiles).await?;
    Ok(report("read-whep", readers.fps, measured.map(|(_, seen)| seen)))
}

/// Shows walls until the time is over.
///
/// # Errors
/// As [`run`].
pub async fn wall(options: &Wall) -> Result<Report> {
    let (readers, slots) = (&options.readers, options.slots);
    let walls = readers.readers.unwrap_or(1);
    let tiles = (0..walls).flat_map(|wall| (0..slots).map(move |slot| (wall, slot))).collect();
    let measured = measure(readers, tiles).await?;
    // Tiles come back in no order; each tells its own first picture, and the last one of a wall makes it live.
    let mut live = Histogram::default();
    let mut slowest: Vec<Option<f64>> = vec![Some(0.0); walls as usize];
    for (wall, seen) in &measured.readers {
        let first = &seen.packets.frames.totals().first_picture;
        if let Some(all) = slowest.get_mut(*wall as usize) {
            *all = all.filter(|_| first.count() > 0).map(|all| all.max(first.max_ms()));
        }
    }
    slowest.iter().flatten().for_each(|ms| live.add_ns((ms * 1e6) as u64));
    let mut report = report("wall", readers.fps, measured.map(|(_, seen)| seen));
    report.put_all(json!({"walls": walls, "slots": slots, "all_live_ms": live.to_json()}));
    report.fault(u64::from(walls) - live.count(), "walls had a tile without a picture");
    Ok(report)
}

async fn measure(readers: &Readers, tiles: Vec<(u32, u32)>) -> Result<Measured<(u32, Seen)>> {
    let client = reqwest::Client::new();
    let mut run = Run::default();
    let joining = joining(readers).max(Duration::from_millis(readers.ramp_ms) * u32::try_from(tiles.len())?);
    for (place, (wall, tile)) in (0..).zip(tiles) {
        let (stream, url) = readers.stream_of(tile);
        let (fps, phase, client) = (readers.fps, run.phase(), client.clone());
        let delay = Duration::from_millis(readers.ramp_ms) * place;
        run.tasks.spawn(async move {
            sleep(delay).await;
            let started = Instant::now();
            loop {
                let mut packets = RtpFrames::new(Frames::new(Some(stream), fps, now_ns()));
                let error = match Viewer::join(&client, &url).await {
                    Err(_) if started.elapsed() < JOIN_WITHIN => {
                        sleep(TRY_EVERY).await;
                        continue;
                    }
                    Err(error) => Err(error),
                    Ok(viewer) => viewer.watch(&mut packets, phase).await,
                };
                return (wall, Seen { packets, error: error.err().map(|error| format!("{url}: {error:#}")) });
            }
        });
    }
    run.measure(joining, &readers.window).await
}
