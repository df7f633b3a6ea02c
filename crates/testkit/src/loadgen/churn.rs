//! Readers that come, see the first picture and go, politely and rudely in turn.

use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    measure::{Frames, RtpFrames, Totals, clock::now_ns},
    options::{Churn, Window},
    read::{Manner, Player},
    report::Report,
    window::Run,
};

/// A visitor that sees no picture for so long gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most visitors at once; beyond, the next ones stay away and are counted.
const VISITORS_MAX: usize = 10_000;

/// What the door saw.
#[derive(Debug, Default)]
struct Visits {
    totals: Totals,
    made: u64,
    failed: u64,
    turned_away: u64,
    most: usize,
    bytes: u64,
    first_error: Option<String>,
}

/// Lets visitors in until the time is over.
///
/// # Errors
/// When the server's process is not there.
pub async fn run(options: &Churn) -> Result<Report> {
    let mut run = Run::default();
    let time = Duration::from_secs_f64(options.seconds);
    run.tasks.spawn(visits(options.clone(), time));
    let window = Window { warm_up: 0.0, seconds: options.seconds, server_pid: options.server_pid };
    let measured = run.measure(Duration::ZERO, &window).await?;
    let mut report = Report::new("churn", &measured.generator);
    let visits = measured.readers.into_iter().next().ok_or_else(|| anyhow!("nobody came"))?;
    report.put_all(json!({
        "seconds": measured.seconds,
        "visits": visits.made,
        "visits_per_s": visits.made as f64 / measured.seconds,
        "failed_visits": visits.failed,
        "turned_away": visits.turned_away,
        "most_at_once": visits.most,
        "first_error": visits.first_error,
    }));
    report.put_totals(&visits.totals);
    // Few access units of a visit follow each other, so that a pause between them says nothing.
    report.faults.retain(|fault| !fault.contains("freezes"));
    report.fault(visits.failed, "visits saw no picture");
    report.fault(visits.turned_away, "visitors were turned away by the generator's own limit");
    report.put("server", measured.cost.map_or(serde_json::Value::Null, |cost| cost.to_json(visits.bytes)));
    Ok(report)
}

async fn visits(options: Churn, time: Duration) -> Visits {
    let (mut visits, mut inside) = (Visits::default(), JoinSet::new());
    let mut bell = interval(Duration::from_secs_f64(1.0 / options.rate));
    bell.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let started = Instant::now();
    for visitor in 0.. {
        tokio::select! {
            Some(left) = inside.join_next() => { visits.note(left.map_err(Into::into)); continue }
            _ = bell.tick() => {}
        }
        if started.elapsed() >= time {
            break;
        }
        if inside.len() >= VISITORS_MAX {
            visits.turned_away += 1;
            continue;
        }
        inside.spawn(visit(options.clone(), visitor));
        visits.most = visits.most.max(inside.len());
    }
    while let Some(left) = inside.join_next().await {
        visits.note(left.map_err(Into::into));
    }
    visits
}

async fn visit(options: Churn, visitor: u32) -> (RtpFrames, Result<()>) {
    let stream = visitor % options.streams;
    let url = super::options::address(&options.url, stream);
    let mut packets = RtpFrames::new(Frames::new(Some(stream), options.fps, now_ns()));
    let manner = Manner::Visit { polite: visitor.is_multiple_of(2) };
    // A visit knows no phases: it ends by itself.
    let (_phase, never) = tokio::sync::watch::channel(super::window::Phase::Measure);
    let played = timeout(PATIENCE, Player::new(&url, options.transport, manner).play(&mut packets, never)).await;
    let ended = played.unwrap_or_else(|_| Err(anyhow!("no picture in {} s", PATIENCE.as_secs())));
    (packets, ended.map_err(|error| error.context(url)))
}

impl Visits {
    fn note(&mut self, left: Result<(RtpFrames, Result<()>)>) {
        self.made += 1;
        let ended = left.and_then(|(packets, ended)| {
            self.totals.merge(packets.frames.totals());
            self.bytes += packets.traffic().bytes;
            ended
        });
        if let Err(error) = ended {
            self.failed += 1;
            self.first_error.get_or_insert(format!("{error:#}"));
        }
    }
}
