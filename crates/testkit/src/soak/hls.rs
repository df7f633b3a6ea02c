//! LL-HLS by its rules, with outages of the source.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::{Outcome, PATH, publish};
use crate::{hls_check, server::Cctv};

/// How long the source is there and how long it is not.
const UP: Duration = Duration::from_secs(45);
const DOWN: Duration = Duration::from_secs(8);
/// The last outage begins so long before the end, so that what follows it is seen, too.
const LAST_OUTAGE: Duration = Duration::from_secs(30);

pub(super) async fn run(cctv: &Cctv, length: Duration) -> Result<Outcome> {
    let index = format!("http://127.0.0.1:{}/{PATH}/index.m3u8", cctv.ports().hls);
    let publisher = publish(cctv).await?;
    let until = Instant::now() + length;
    let outages = async move {
        let (mut publisher, mut count) = (Some(publisher), 0_u32);
        while Instant::now() + UP + LAST_OUTAGE < until {
            sleep(UP).await;
            if let Some(publisher) = publisher.take() {
                publisher.kill().await?;
            }
            sleep(DOWN).await;
            publisher = Some(publish(cctv).await?);
            count += 1;
        }
        anyhow::Ok((publisher, count))
    };
    let (report, outages) = tokio::join!(hls_check::run(&index, length), outages);
    let (report, (_publisher, outages)) = (report?, outages?);

    let mut outcome = Outcome::default();
    outcome.row("outages", outages);
    outcome.row("playlists", report.reloads);
    outcome.row("parts", report.parts);
    outcome.row("parts that were gaps", report.gaps);
    outcome.row("discontinuities", report.discontinuities);
    outcome.row("delta updates", report.deltas);
    outcome.row("fetched after they were unlisted", report.fetched_late);
    outcome.row("longest wait for a part", format!("{:.2} s", report.longest_wait.as_secs_f64()));
    for fault in &report.faults {
        outcome.must(false, || format!("{fault:?}"));
    }
    outcome.must(report.parts > 0, || "no part was fetched".to_owned());
    outcome.must(report.discontinuities >= u64::from(outages), || {
        format!("{outages} outages made {} discontinuities", report.discontinuities)
    });
    Ok(outcome)
}
