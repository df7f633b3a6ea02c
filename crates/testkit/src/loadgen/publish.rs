//! Publishers: one thread that sends each access unit when it is due.
//!
//! Payloads are shared by all; a publisher writes headers and its own stamp. Each begins at a random phase of the frame and
//! of the GOP, else the keyframes of all would meet.

mod sending;
mod session;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use super::{
    clip::Clip,
    measure::{Histogram, clock::now_ns, verdict::Generator},
    options::{PublishRtsp, address},
    report::Report,
};
use crate::{process::cpu_ms, workspace};
use sending::{Sender, Sent};
use session::Session;

/// Time from the last stream's setup to the first access unit.
const LEAD: Duration = Duration::from_millis(50);

/// Publishes until the time is over.
///
/// # Errors
/// When the clip cannot be had, or the server refuses a stream.
pub fn run(options: &PublishRtsp) -> Result<Report> {
    let file = match &options.clip {
        Some(file) => file.clone(),
        None => options.profile.file(&workspace::cache("clips")?)?,
    };
    let clip = Clip::load(&file, options.fps, options.payload_max.into())?;
    let started = Instant::now();
    let mut publishers = publishers(options, &clip)?;
    let setup_s = started.elapsed().as_secs_f64();
    let own = std::process::id();
    let (begin, begin_cpu_ms) = (Instant::now(), cpu_ms(own)?);
    let (lag, late_start) = send(&mut publishers, options, &clip);
    let seconds = begin.elapsed().as_secs_f64();
    let cores = cpu_ms(own)?.saturating_sub(begin_cpu_ms) as f64 / 1e3 / seconds;
    let mut report = Report::new("publish-rtsp", &Generator { lag, cores });
    report.put_all(
        json!({"streams": options.streams, "setup_s": setup_s, "seconds": seconds, "start_late_ms": late_start}),
    );
    summary(&mut report, &publishers, seconds);
    publishers.into_iter().for_each(|publisher| publisher.sender.end());
    Ok(report)
}

/// One stream.
struct Publisher {
    sender: Sender,
    due_ns: u64,
    /// Access units that are let pass before the first one, so that GOPs begin at different times.
    wait: u32,
}

fn publishers(options: &PublishRtsp, clip: &Clip) -> Result<Vec<Publisher>> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let frame_ns = frame_ns(options.fps);
    let gop = if options.aligned { 1 } else { gop(clip) };
    let mut publishers = Vec::new();
    for stream in 0..options.streams {
        let url = address(&options.url, stream);
        let session =
            Session::open(&url, &clip.track, options.transport).with_context(|| format!("cannot publish {url}"))?;
        let sender = Sender::new(session, stream, &mut random, options.withhold);
        publishers.push(Publisher {
            sender,
            due_ns: random.random_range(0..frame_ns),
            wait: random.random_range(0..gop),
        });
    }
    publishers.sort_by_key(|publisher| publisher.due_ns);
    Ok(publishers)
}

/// Access units from one keyframe to the next.
fn gop(clip: &Clip) -> u32 {
    // Only a keyframe has parameter sets in the packet of its stamp, before the stamp.
    let lone = clip.units.iter().map(|unit| unit.stamp_at).min().unwrap_or(0);
    let next = clip.units.iter().skip(1).position(|unit| unit.stamp_at > lone);
    u32::try_from(next.map_or(clip.units.len(), |at| at + 1)).unwrap_or(u32::MAX).max(1)
}

fn frame_ns(fps: u32) -> u64 {
    1_000_000_000 / u64::from(fps.max(1))
}

/// Sends all that falls due; tells how late each was, and how late the first.
fn send(publishers: &mut [Publisher], options: &PublishRtsp, clip: &Clip) -> (Histogram, f64) {
    let start_ns = now_ns() + LEAD.as_nanos() as u64;
    let end_ns = start_ns + (options.seconds * 1e9) as u64;
    let mut lag = Histogram::default();
    let mut late_start = None;
    for round in 0.. {
        for publisher in publishers.iter_mut() {
            let due_ns = start_ns + round * frame_ns(options.fps) + publisher.due_ns;
            if due_ns >= end_ns {
                return (lag, late_start.unwrap_or(0.0));
            }
            let late_ns = wait_until(due_ns);
            late_start.get_or_insert(late_ns as f64 / 1e6);
            lag.add_ns(late_ns);
            if round >= u64::from(publisher.wait) {
                publisher.sender.send(clip);
            }
        }
    }
    (lag, 0.0)
}

/// Sleeps; tells how late it is then.
fn wait_until(due_ns: u64) -> u64 {
    loop {
        let now = now_ns();
        if now >= due_ns {
            return now - due_ns;
        }
        sleep(Duration::from_nanos(due_ns - now));
    }
}

fn summary(report: &mut Report, publishers: &[Publisher], seconds: f64) {
    let mut sent = Sent::default();
    publishers.iter().for_each(|publisher| sent.merge(publisher.sender.sent()));
    report.put_all(json!({
        "frames": sent.units,
        "packets": sent.packets,
        "bytes": sent.bytes,
        "mbit_s": sent.bytes as f64 * 8e-6 / seconds,
        "withheld_frames": sent.withheld,
        "queued_frames": sent.queued,
    }));
    report.fault(sent.dropped, "access units were not sent because the server did not read");
    report.fault(sent.closed, "streams were closed by the server");
}
