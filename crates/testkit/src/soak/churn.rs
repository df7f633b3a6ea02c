//! Readers that come and go.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{task::JoinSet, time::Instant};

use super::{GROWTH, Held, Outcome, PATH, SETTLE, publish};
use crate::{
    loadgen::{self, options::Options},
    rtsp::visit,
    server::Cctv,
};

/// Visitors by RTSP at once, and visits of each in a round; every second one leaves without a goodbye.
const VISITORS: usize = 8;
const VISITS: usize = 20;
/// Viewers of WHEP and of LL-HLS in a round.
const VIEWERS: usize = 8;
const PLAYERS: usize = 4;
/// How long the players of the first round may take to begin, and those of the others.
const FIRST_PLAY: Duration = Duration::from_secs(6);
const PLAY: Duration = Duration::from_secs(1);
/// Rounds until all pools and caches are as large as they get.
const WARM_ROUNDS: u64 = 4;

pub(super) async fn run(cctv: &Cctv, length: Duration) -> Result<Outcome> {
    let _publisher = publish(cctv).await?;
    // The first viewers of LL-HLS make a packager, which goes a minute after the last; here it stays. They wait until it has
    // its first segments.
    play(cctv, FIRST_PLAY).await?;
    round(cctv).await?;
    let rest = Held::now(cctv).await?;
    for _ in 1..WARM_ROUNDS {
        round(cctv).await?;
    }
    let (warm, _) = Held::settled(cctv, &rest, SETTLE).await?;
    let mut rounds = rounds_within(cctv, length / 2).await?;
    let (half, _) = Held::settled(cctv, &warm, SETTLE).await?;
    rounds += rounds_within(cctv, length / 2).await?;
    let (after, settled) = Held::settled(cctv, &warm, SETTLE).await?;

    let mut outcome = Outcome::default();
    let visits = |each: usize| rounds * each as u64;
    outcome.row("visits by RTSP", visits(VISITORS * VISITS));
    outcome.row("visits by WHEP", visits(VIEWERS));
    outcome.row("visits by LL-HLS", visits(PLAYERS));
    outcome.row("tasks before, after", format!("{} {}", warm.tasks, after.tasks));
    outcome.row("descriptors before, after", format!("{} {}", warm.fds, after.fds));
    outcome.row("sessions before, after", format!("{} {}", warm.sessions, after.sessions));
    let resident = format!("{:.1} {:.1} {:.1} MB", warm.resident_mb, half.resident_mb, after.resident_mb);
    outcome.row("resident before, halfway, after", resident);
    outcome.row("settled after", format!("{:.1} s", settled.as_secs_f64()));
    outcome.must(after.is_within(&warm), || format!("{warm:?} became {after:?}"));
    // What grows with the visits grows in the second half as in the first; pools and caches have found their size by then.
    let most = half.resident_mb * (1.0 + GROWTH);
    outcome.must(after.resident_mb <= most, || format!("memory grew from {:.1} MB", half.resident_mb));
    Ok(outcome)
}

/// Does rounds for this long; how many.
async fn rounds_within(cctv: &Cctv, length: Duration) -> Result<u64> {
    let (mut rounds, until) = (0, Instant::now() + length);
    while Instant::now() < until {
        round(cctv).await?;
        rounds += 1;
    }
    Ok(rounds)
}

async fn round(cctv: &Cctv) -> Result<()> {
    let ports = cctv.ports();
    let address = SocketAddr::from(([127, 0, 0, 1], ports.rtsp));
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        visitors.spawn(async move {
            for visitor in 0..VISITS {
                visit(address, PATH, visitor % 2 == 0).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(visited) = visitors.join_next().await {
        visited??;
    }
    let whep = format!("read-whep --url http://127.0.0.1:{}/{PATH}/whep -n {VIEWERS}", ports.webrtc);
    watch(&format!("{whep} --warm-up 0.2 --seconds 0.2")).await?;
    play(cctv, PLAY).await
}

/// Lets players of LL-HLS in that begin within `wait`.
async fn play(cctv: &Cctv, wait: Duration) -> Result<()> {
    let hls = format!("read-llhls --url http://127.0.0.1:{}/{PATH}/index.m3u8 -n {PLAYERS}", cctv.ports().hls);
    watch(&format!("{hls} --warm-up {} --seconds 0.5", wait.as_secs())).await
}

/// Lets viewers in for a moment; each must see a picture.
async fn watch(line: &str) -> Result<()> {
    let report = loadgen::run(Options::of_line(line)?.mode).await.with_context(|| line.to_owned())?;
    // The pictures of ffmpeg bear no stamps by which `loadgen` could judge them.
    let bytes = report.number("bytes").unwrap_or_default();
    ensure!(bytes > 0.0, "nobody saw a picture: {}", report.to_line());
    Ok(())
}
