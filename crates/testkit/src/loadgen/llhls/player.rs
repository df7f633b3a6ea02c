//! One player.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use reqwest::{Client, Url};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    part::frames,
    playlist::{Playlist, variant},
};
use crate::loadgen::{
    measure::{Frames, Histogram, Totals, clock::now_ns},
    window::Phase,
};

/// Parts come whole; a player holds back three of them, so only a longer pause stops its picture.
const FREEZE_NS: u64 = 1_000_000_000;
/// How long a player waits for a stream that is not there yet.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// How long it waits from one try to the next.
const TRY_EVERY: Duration = Duration::from_millis(200);
/// The longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a player brings home.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) totals: Totals,
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) restarts: u64,
    pub(super) parts: u64,
    pub(super) media_bytes: u64,
    pub(super) playlist_bytes: u64,
    /// Of the last access unit of each part, which did not wait for the others.
    pub(super) newest_latency: Histogram,
    pub(super) error: Option<String>,
}

/// A player of one stream.
#[derive(Debug)]
pub(super) struct Player {
    client: Client,
    frames: Frames,
    seen: Seen,
    /// The part that is played next.
    next: Option<(u64, u64)>,
}

impl Player {
    pub(super) fn new(stream: u32, fps: f64, opened_ns: u64) -> Self {
        let client =
            Client::builder().timeout(PATIENCE).build().expect("a client without TLS needs nothing of the system");
        let frames = Frames::new(Some(stream), fps, opened_ns).freezing_after(FREEZE_NS);
        Self { client, frames, seen: Seen::default(), next: None }
    }

    /// Plays until the run ends.
    pub(super) async fn play(mut self, url: &str, mut phase: watch::Receiver<Phase>) -> Seen {
        let joined = self.join(url).await;
        let mut state = match joined {
            Ok(state) => state,
            Err(error) => return self.home(Some(error.context(url.to_owned()))),
        };
        loop {
            tokio::select! {
                biased;
                changed = phase.changed() => match changed.map_or(Phase::End, |()| *phase.borrow_and_update()) {
                    Phase::WarmUp => {}
                    Phase::Measure => {
                        self.frames.begin();
                        self.seen = Seen::default();
                    }
                    Phase::End => {
                        self.frames.end(now_ns());
                        return self.home(None);
                    }
                },
                came = ahead(&self.client, &state) => {
                    self.took(came, &mut state).await;
                }
            }
        }
    }

    fn home(mut self, error: Option<anyhow::Error>) -> Seen {
        self.seen.totals = self.frames.totals().clone();
        self.seen.error = error.map(|error| format!("{error:#}"));
        self.seen
    }

    /// Finds the media playlist, and begins at its newest part.
    async fn join(&mut self, url: &str) -> Result<State> {
        let started = Instant::now();
        loop {
            match self.open(url).await {
                Ok(state) => return Ok(state),
                Err(error) if started.elapsed() >= JOIN_WITHIN => return Err(error),
                Err(_) => sleep(TRY_EVERY).await,
            }
        }
    }

    async fn open(&self, url: &str) -> Result<State> {
        let (mut base, mut text) = text(&self.client, url.parse().context("the address cannot be read")?).await?;
        if let Some(variant) = variant(&text) {
            (base, text) = self::text(&self.client, base.join(variant)?).await?;
        }
        let playlist = Playlist::parse(&text);
        ensure!(!playlist.parts.is_empty(), "the playlist has no parts");
        Ok(State { base, playlist })
    }
}

/// What a player knows of the stream.
#[derive(Debug)]
struct State {
    base: Url,
    playlist: Playlist,
}

/// What came: the playlist with the next part, and the part.
type Came = (Result<(Url, String)>, Option<Result<Bytes>>);

/// Asks for the next playlist and for the hinted part at once.
async fn ahead(client: &Client, state: &State) -> Came {
    let (segment, part) = state.playlist.next;
    let mut reload = state.base.clone();
    reload.query_pairs_mut().append_pair("_HLS_msn", &segment.to_string()).append_pair("_HLS_part", &part.to_string());
    let hinted = async {
        match state.playlist.hint.as_deref().map(|uri| state.base.join(uri)) {
            Some(url) => Some(bytes(client, url.map_err(Into::into)).await),
            None => None,
        }
    };
    tokio::join!(text(client, reload), hinted)
}

impl Player {
    async fn took(&mut self, (reloaded, hinted): Came, state: &mut State) {
        self.seen.requests += 1 + u64::from(hinted.is_some());
        let next = state.playlist.next;
        if let Some(hinted) = hinted {
            match hinted {
                Ok(part) => {
                    self.take(&part);
                    self.next = Some((next.0, next.1 + 1));
                }
                Err(_) => self.seen.failed += 1,
            }
        }
        match reloaded {
            Ok((_, text)) => {
                self.seen.playlist_bytes += text.len() as u64;
                state.playlist = Playlist::parse(&text);
                self.catch_up(state, next).await;
            }
            Err(_) => {
                self.seen.failed += 1;
                sleep(TRY_EVERY).await;
            }
        }
    }

    /// Fetches the parts of the playlist from `hinted` on that did not come ahead.
    async fn catch_up(&mut self, state: &State, hinted: (u64, u64)) {
        let from = self.next.unwrap_or(hinted);
        let first = state.playlist.parts.first().map(|part| part.at);
        self.seen.restarts += u64::from(first.is_some_and(|first| first > from));
        for part in state.playlist.parts.iter().filter(|part| part.at >= from) {
            self.seen.requests += 1;
            match bytes(&self.client, state.base.join(&part.uri).map_err(Into::into)).await {
                Ok(bytes) => self.take(&bytes),
                Err(_) => self.seen.failed += 1,
            }
        }
        self.next = Some(state.playlist.next);
    }

    /// Judges a part: the access units of its `mdat`, each from its stamp on.
    fn take(&mut self, part: &[u8]) {
        let now = now_ns();
        self.seen.parts += 1;
        self.seen.media_bytes += part.len() as u64;
        let mut newest = None;
        for frame in frames(part, now) {
            newest = frame.stamp.or(newest);
            self.frames.take(&frame);
        }
        if let Some(stamp) = newest {
            self.seen.newest_latency.add_ns(now.saturating_sub(stamp.sent_ns));
        }
    }
}

impl Seen {
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.restarts += other.restarts;
        self.parts += other.parts;
        self.media_bytes += other.media_bytes;
        self.playlist_bytes += other.playlist_bytes;
        self.newest_latency.merge(&other.newest_latency);
    }
}

async fn text(client: &Client, url: Url) -> Result<(Url, String)> {
    let response = client.get(url).send().await?.error_for_status()?;
    let base = response.url().clone();
    Ok((base, response.text().await?))
}

async fn bytes(client: &Client, url: Result<Url>) -> Result<Bytes> {
    Ok(client.get(url?).send().await?.error_for_status()?.bytes().await?)
}
