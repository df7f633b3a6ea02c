//! What a publishing session sends, on its way into the stream.

use std::{
    convert::Infallible,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::WallTime;
use media_proto::{Track, TrackId, TrackKind, ingest::Ingest, rtsp::server::Output};
use tokio::{sync::Notify, time::sleep_until};

use super::{
    connection::Event,
    registry::{Session, wall_now},
};
use crate::hub::Publisher;

/// A publisher is asked for a keyframe this often at most.
const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);

/// The receiving end of a publisher; shared by its connection and the UDP sockets.
#[derive(Debug)]
pub(super) struct Feed {
    session: Arc<Session>,
    publisher: Publisher,
    /// Ticks per second of the track whose jitter is measured.
    jitter_rate: NonZeroU32,
    video: Vec<TrackId>,
    state: Mutex<State>,
    /// Packets began to wait for one that is missing.
    waits: Notify,
}

#[derive(Debug)]
struct State {
    ingest: Ingest,
    heard: Instant,
    /// Units in error that are counted in the stream already.
    errors: u64,
    /// When a keyframe was last asked for.
    asked: Option<Instant>,
}

impl Feed {
    pub(super) fn new(publisher: Publisher, tracks: &[Track], session: Arc<Session>) -> Self {
        let ingest = Ingest::new(tracks, publisher.origin());
        let measured = tracks.iter().find(|track| track.kind() == TrackKind::Video).or(tracks.first());
        let jitter_rate = measured.map_or(NonZeroU32::MIN, |track| track.clock_rate);
        let video = tracks.iter().filter(|track| track.kind() == TrackKind::Video).map(|track| track.id).collect();
        let state = Mutex::new(State { ingest, heard: Instant::now(), errors: 0, asked: None });
        Self { session, publisher, jitter_rate, video, state, waits: Notify::new() }
    }

    /// Whether the right to publish was withdrawn.
    pub(super) fn is_revoked(&self) -> bool {
        self.publisher.is_revoked()
    }

    /// Says that a track travels by UDP.
    pub(super) fn reorder(&self, track: TrackId) {
        self.state().ingest.reorder(track);
    }

    /// Takes packets out of `outputs` up to something else, which it returns. They count as one arrival: they were read at
    /// once.
    pub(super) fn take(&self, now: Instant, mut outputs: impl FnMut() -> Output) -> Output {
        let mut output = outputs();
        if !matches!(output, Output::Packet { .. }) {
            return output;
        }
        let mut intake = self.intake(now);
        while let Output::Packet { track, rtcp, data } = output {
            if rtcp {
                intake.rtcp(track, &data);
            } else {
                intake.rtp(track, data);
            }
            output = outputs();
        }
        intake.finish();
        output
    }

    /// Takes an RTP packet that came as a datagram.
    pub(super) fn rtp(&self, track: TrackId, data: Bytes) {
        let mut intake = self.intake(Instant::now());
        intake.rtp(track, data);
        intake.finish();
    }

    /// Takes an RTCP packet that came as a datagram.
    pub(super) fn rtcp(&self, track: TrackId, data: &[u8]) {
        let mut intake = self.intake(Instant::now());
        intake.rtcp(track, data);
        intake.finish();
    }

    fn intake(&self, now: Instant) -> Intake<'_> {
        Intake { feed: self, state: self.state(), now, wall: wall_now(), seen: Seen::default() }
    }

    /// The receiver reports that are due. Brings the numbers of the session up to date, too.
    pub(super) fn reports(&self, now: Instant) -> Vec<(TrackId, Bytes)> {
        let mut state = self.state();
        let reports = std::iter::from_fn(|| state.ingest.poll_report(now)).collect();
        self.note_stats(&mut state);
        reports
    }

    /// How long no RTP has come.
    pub(super) fn silent_for(&self) -> Duration {
        self.state().heard.elapsed()
    }

    /// Waits until this publisher must go, a reader wants a keyframe of it, or it is `tick`.
    pub(super) async fn next(&self, tick: Instant) -> Event {
        tokio::select! {
            () = sleep_until(tick.into()) => Event::Tick,
            () = self.publisher.replaced() => Event::Replaced,
            () = self.publisher.stream().keyframe_wanted() => Event::KeyframeWanted,
            never = self.expire() => match never {},
        }
    }

    /// Gives up missing packets in time, also when no other follows.
    async fn expire(&self) -> Infallible {
        loop {
            let Some(at) = self.state().ingest.wake_at() else {
                self.waits.notified().await;
                continue;
            };
            sleep_until(at.into()).await;
            let mut state = self.state();
            state.ingest.expire(Instant::now(), wall_now());
            self.forward(&mut state);
        }
    }

    /// The packets that ask for a keyframe; none when this was done just now.
    pub(super) fn keyframe_requests(&self, now: Instant) -> Vec<(TrackId, Bytes)> {
        let mut state = self.state();
        if state.asked.is_some_and(|asked| now.saturating_duration_since(asked) < KEYFRAME_INTERVAL) {
            return Vec::new();
        }
        state.asked = Some(now);
        let request = |track: &TrackId| Some((*track, state.ingest.request_keyframe(*track)?));
        self.video.iter().filter_map(request).collect()
    }

    fn forward(&self, state: &mut State) {
        if let Some(tracks) = state.ingest.poll_tracks() {
            self.publisher.describe(&tracks);
        }
        while let Some(unit) = state.ingest.poll_unit() {
            self.publisher.push(unit);
        }
    }

    fn note_stats(&self, state: &mut State) {
        let stats = state.ingest.stats();
        self.session.numbers.inbound_rtp_packets_lost.store(stats.lost, Ordering::Relaxed);
        self.session.quality().inbound_jitter_s = stats.jitter / f64::from(self.jitter_rate.get());
        let errors = stats.units_dropped + stats.in_error;
        let counters = self.publisher.stream().counters();
        counters.inbound_units_in_error.fetch_add(errors.saturating_sub(state.errors), Ordering::Relaxed);
        state.errors = errors;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Packets that arrived together. What they make goes into the stream when the last one is in.
struct Intake<'a> {
    feed: &'a Feed,
    state: MutexGuard<'a, State>,
    now: Instant,
    wall: WallTime,
    seen: Seen,
}

/// What arrived together.
#[derive(Default)]
struct Seen {
    bytes: u64,
    rtp: u64,
    rtp_in_error: u64,
    rtcp: u64,
    rtcp_in_error: u64,
}

impl Intake<'_> {
    fn rtp(&mut self, track: TrackId, data: Bytes) {
        self.seen.bytes += data.len() as u64;
        self.seen.rtp += 1;
        let taken = self.state.ingest.rtp(self.now, self.wall, track, data);
        self.seen.rtp_in_error += u64::from(taken.is_err());
    }

    fn rtcp(&mut self, track: TrackId, data: &[u8]) {
        self.seen.bytes += data.len() as u64;
        self.seen.rtcp += 1;
        let taken = self.state.ingest.rtcp(self.now, self.wall, track, data);
        self.seen.rtcp_in_error += u64::from(taken.is_err());
    }

    /// Counts what came and hands on what it made.
    fn finish(mut self) {
        let Self { feed, state, now, seen, .. } = &mut self;
        let numbers = &feed.session.numbers;
        let add = |counter: &AtomicU64, count: u64| {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        };
        add(&numbers.inbound_bytes, seen.bytes);
        add(&numbers.inbound_rtp_packets, seen.rtp);
        add(&numbers.inbound_rtp_packets_in_error, seen.rtp_in_error);
        add(&numbers.inbound_rtcp_packets, seen.rtcp);
        add(&numbers.inbound_rtcp_packets_in_error, seen.rtcp_in_error);
        if seen.rtp == 0 {
            return;
        }
        state.heard = *now;
        feed.forward(state);
        if state.ingest.wake_at().is_some() {
            feed.waits.notify_one();
        }
    }
}
