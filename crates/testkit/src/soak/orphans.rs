//! Offers of WHEP that nobody follows up.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use reqwest::{Client, StatusCode};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{GROWTH, Held, ORPHAN_LIFE, Outcome, PATH, publish};
use crate::{loadgen::whep::viewer::offer, server::Cctv};

/// Who offers at once, and how long from one offer to the next: a rate that any machine holds, so that as many sessions
/// wait in each phase.
const CLIENTS: usize = 8;
const PAUSE: Duration = Duration::from_millis(50);
/// Offers until all pools are as large as they get.
const WARM: Duration = Duration::from_secs(45);
/// What the allocator keeps of 1,500 sessions at once differs by so many MB; a leak of 250 bytes shows in ten minutes.
const NOISE_MB: f64 = 24.0;

#[derive(Debug, Default)]
struct Answers {
    taken: AtomicU64,
    refused: AtomicU64,
}

pub(super) async fn run(cctv: &Cctv, length: Duration) -> Result<Outcome> {
    let _publisher = publish(cctv).await?;
    let rest = Held::now(cctv).await?;
    offers(cctv, WARM).await?;
    let (warm, _) = Held::settled(cctv, &rest, ORPHAN_LIFE).await?;
    let answers = offers(cctv, length).await?;
    let most = Held::now(cctv).await?.sessions;
    let (after, settled) = Held::settled(cctv, &rest, ORPHAN_LIFE).await?;

    let mut outcome = Outcome::default();
    let (taken, refused) = (answers.taken.load(Ordering::Relaxed), answers.refused.load(Ordering::Relaxed));
    outcome.row("offers taken", taken);
    outcome.row("offers refused (503)", refused);
    outcome.row("sessions at the last offer", most);
    outcome.row("tasks before, after", format!("{} {}", rest.tasks, after.tasks));
    outcome.row("descriptors before, after", format!("{} {}", rest.fds, after.fds));
    outcome.row("resident before, after", format!("{:.1} {:.1} MB", warm.resident_mb, after.resident_mb));
    outcome.row("all gone after", format!("{:.1} s", settled.as_secs_f64()));
    outcome.must(taken > 0, || "no offer was taken".to_owned());
    outcome.must(after.is_within(&rest), || format!("{rest:?} became {after:?}"));
    let most = warm.resident_mb * (1.0 + GROWTH) + NOISE_MB;
    outcome.must(after.resident_mb <= most, || format!("memory grew from {:.1} MB", warm.resident_mb));
    Ok(outcome)
}

/// Makes offers for so long.
async fn offers(cctv: &Cctv, length: Duration) -> Result<Arc<Answers>> {
    let url = format!("http://127.0.0.1:{}/{PATH}/whep", cctv.ports().webrtc);
    let (answers, until) = (Arc::new(Answers::default()), Instant::now() + length);
    // Nothing will ever come to this address.
    let (_, offer, _) = offer(SocketAddr::from(([127, 0, 0, 1], 9)))?;
    let offer = offer.to_sdp_string();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (url, offer, answers) = (url.clone(), offer.clone(), Arc::clone(&answers));
        clients.spawn(async move {
            let (client, mut ticks) = (Client::new(), interval(PAUSE));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while Instant::now() < until {
                ticks.tick().await;
                let post = client.post(&url).header("content-type", "application/sdp").body(offer.clone());
                match post.send().await?.status() {
                    StatusCode::CREATED => answers.taken.fetch_add(1, Ordering::Relaxed),
                    // As many sessions as there may be: that they become fewer again is what is looked at.
                    StatusCode::SERVICE_UNAVAILABLE => answers.refused.fetch_add(1, Ordering::Relaxed),
                    other => anyhow::bail!("an offer was answered {other}"),
                };
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended?.context("an offer failed")?;
    }
    Ok(answers)
}
