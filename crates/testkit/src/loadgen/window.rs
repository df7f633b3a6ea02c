//! The phases of a run that reads: join, warm up, measure, end.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};

use super::{
    measure::{
        Histogram,
        process::{Cost, Sample},
        verdict::Generator,
    },
    options::Window,
};
use crate::process::cpu_ms;

/// How often is looked whether the generator is in time.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long readers may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(15);

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Readers join, and what comes does not count.
    WarmUp,
    /// What comes counts.
    Measure,
    /// Readers leave.
    End,
}

/// The readers of a run, each with what it brings home.
#[derive(Debug)]
pub struct Run<T> {
    /// The tasks; each ends soon after [`Phase::End`].
    pub tasks: JoinSet<T>,
    phase: watch::Sender<Phase>,
}

/// What a run brings home.
#[derive(Debug)]
pub struct Measured<T> {
    /// Of each reader.
    pub readers: Vec<T>,
    /// What the server cost meanwhile.
    pub cost: Option<Cost>,
    /// How the generator did.
    pub generator: Generator,
    /// How long was measured.
    pub seconds: f64,
}

impl<T> Measured<T> {
    /// The same run, with something else of each reader.
    #[must_use]
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Measured<U> {
        let Self { readers, cost, generator, seconds } = self;
        Measured { readers: readers.into_iter().map(each).collect(), cost, generator, seconds }
    }
}

impl<T: Send + 'static> Default for Run<T> {
    fn default() -> Self {
        Self { tasks: JoinSet::new(), phase: watch::Sender::new(Phase::WarmUp) }
    }
}

impl<T: Send + 'static> Run<T> {
    /// Tells a reader where the run is.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Goes through the phases, once all readers had `joining` to join.
    ///
    /// # Errors
    /// When the server's process is not there, or a reader does not end.
    pub async fn measure(self, joining: Duration, window: &Window) -> Result<Measured<T>> {
        sleep(joining + Duration::from_secs_f64(window.warm_up)).await;
        let begin = sample(window.server_pid).await?;
        let own = std::process::id();
        let own_cpu_ms = cpu_ms(own)?;
        self.phase.send_replace(Phase::Measure);
        let started = Instant::now();
        let lag = look(started, Duration::from_secs_f64(window.seconds)).await;
        let seconds = started.elapsed().as_secs_f64();
        let cores = cpu_ms(own)?.saturating_sub(own_cpu_ms) as f64 / 1e3 / seconds;
        let end = sample(window.server_pid).await?;
        self.phase.send_replace(Phase::End);
        let readers = timeout(GOODBYE, self.tasks.join_all()).await.context("a reader does not end")?;
        let cost = begin.zip(end).map(|(begin, end)| Cost::between(begin, end));
        Ok(Measured { readers, cost, generator: Generator { lag, cores }, seconds })
    }
}

/// Waits for the end, and sees how late each look is.
async fn look(started: Instant, time: Duration) -> Histogram {
    let mut lag = Histogram::default();
    let mut looks = interval_at(started + LOOK_EVERY, LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while started.elapsed() < time {
        let due = looks.tick().await;
        lag.add_ns(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    lag
}

async fn sample(pid: Option<u32>) -> Result<Option<Sample>> {
    let Some(pid) = pid else { return Ok(None) };
    // Reading the memory of a large process takes milliseconds, which would make the readers late.
    spawn_blocking(move || Sample::of(pid)).await.context("the look at the server failed")?.map(Some)
}
