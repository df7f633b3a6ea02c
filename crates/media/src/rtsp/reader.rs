//! A reading session: a cursor in the ring, and the packets it becomes for one client.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::PathName;
use media_proto::{
    AccessUnit, Track, TrackId, TrackKind, rtcp,
    rtsp::server::{Lane, Start},
};
use tokio::{net::tcp::OwnedWriteHalf, time::sleep_until};
use tracing::{debug, info};

use super::{
    Shared,
    connection::{Ending, interleaved, send},
    outgoing::{Clock, Outgoing},
    registry::Session,
    report::Reports,
    send::{send_datagrams, write_packets},
    thinning::{Need, Thinning},
};
use crate::{
    Pulled, Subscription,
    hub::Reader,
    stream::{Backlog, Description, Join},
};

/// A reader whose stream is down for this long is closed.
const OFFLINE_MAX: Duration = Duration::from_secs(10);
/// How much faster than real time the first pictures go out over UDP.
const BURST_SPEED: u32 = 4;
/// A unit that arrived this long ago or less is sent at once over UDP.
const BURST_OVER: Duration = Duration::from_millis(20);
/// Sender reports are this far apart.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// What happens to a session from the side of the stream.
#[derive(Debug)]
pub(super) enum Event {
    /// The cursor moved.
    Pulled(Pulled),
    /// A publisher must go.
    Replaced,
    /// A reader of what a publisher sends wants a keyframe.
    KeyframeWanted,
}

/// A place among the readers of a path, and what of it goes to the client.
#[derive(Debug)]
pub(super) struct Watch {
    reader: Reader,
    session: Arc<Session>,
    description: Description,
    outgoing: Vec<Outgoing>,
    player: Option<Player>,
}

#[derive(Debug)]
struct Player {
    subscription: Subscription,
    clock: Clock,
    /// A unit that waits for its time.
    held: Option<AccessUnit>,
    pace: Pace,
    reports: Reports,
    next_report: Instant,
    down_since: Option<Instant>,
    units_sent: u64,
    thinning: Thinning,
}

/// When the units of the first GOP go out over UDP.
#[derive(Debug)]
enum Pace {
    /// At once.
    None,
    /// The first unit will set the pace.
    Ready,
    /// In step with a unit that arrived at `arrived` and went out at `sent`.
    Running { arrived: Instant, sent: Instant },
}

impl Watch {
    pub(super) fn new(reader: Reader, description: Description, session: Arc<Session>) -> Self {
        Self { reader, session, description, outgoing: Vec::new(), player: None }
    }

    pub(super) fn path(&self) -> &PathName {
        self.reader.path()
    }

    pub(super) fn tracks(&self) -> Arc<[Track]> {
        Arc::clone(&self.description.tracks)
    }

    /// Adds a track to what is sent and tells its synchronisation source; `None` when there is no such track.
    pub(super) fn add(&mut self, track: TrackId, lane: Lane, peer: IpAddr) -> Option<u32> {
        let track = self.description.tracks.iter().find(|known| known.id == track)?;
        let outgoing = Outgoing::new(track.clone(), lane, peer);
        let ssrc = outgoing.ssrc();
        self.outgoing.push(outgoing);
        Some(ssrc)
    }

    /// Whether the right to read was withdrawn.
    pub(super) fn is_revoked(&self) -> bool {
        self.reader.is_revoked()
    }

    pub(super) fn plays(&self) -> bool {
        self.player.is_some()
    }

    pub(super) fn uses_udp(&self) -> bool {
        self.outgoing.iter().any(|outgoing| outgoing.datagram_to().is_some())
    }

    /// Begins at the newest keyframe; playback of the client begins at the newest unit.
    pub(super) fn play(&mut self) -> Vec<Start> {
        let now = Instant::now();
        let stream = self.reader.stream();
        let clock = newest_unit(&mut stream.subscribe(Join::NewestKeyframe, Backlog::Deep))
            .map_or_else(|| Clock::starting(stream.origin(), now), |unit| Clock::of(&unit));
        let pace = if self.uses_udp() { Pace::Ready } else { Pace::None };
        let player = Player {
            subscription: self.reader.subscribe(Join::NewestKeyframe, Backlog::Live),
            clock,
            held: None,
            pace,
            reports: Reports::default(),
            next_report: now,
            down_since: None,
            units_sent: 0,
            thinning: Thinning::default(),
        };
        let starts = self.outgoing.iter().map(|outgoing| outgoing.start(&player.clock)).collect();
        self.player = Some(player);
        starts
    }

    pub(super) fn pause(&mut self) {
        self.player = None;
        for outgoing in &mut self.outgoing {
            outgoing.note_loss();
        }
    }

    /// Waits for what comes next. Nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> Event {
        match &mut self.player {
            Some(player) => Event::Pulled(player.next().await),
            None => std::future::pending().await,
        }
    }

    /// Sends what came; the bytes that went into the connection.
    pub(super) async fn send(
        &mut self,
        pulled: Pulled,
        write: &mut OwnedWriteHalf,
        shared: &Shared,
    ) -> Result<u64, Ending> {
        match pulled {
            Pulled::Unit(unit) => {
                let now = Instant::now();
                let reported = self.report_if_due(now, write, shared).await?;
                Ok(reported + self.send_unit(&unit, now, write, shared).await?)
            }
            Pulled::Gap(units) => {
                self.note_gap(units);
                Ok(0)
            }
            Pulled::Described(description) => self.take_description(description).map(|()| 0),
            Pulled::End => Err(Ending::Wanted("the stream ended")),
        }
    }

    /// Looks after reports and the state of the stream, about once a second.
    pub(super) async fn tick(&mut self, write: &mut OwnedWriteHalf, shared: &Shared) -> Result<u64, Ending> {
        let up = self.reader.stream().state().is_up();
        if let Some(player) = &mut self.player {
            player.down_since = if up { None } else { player.down_since.or_else(|| Some(Instant::now())) };
            if player.down_since.is_some_and(|since| since.elapsed() >= OFFLINE_MAX) {
                return Err(Ending::Wanted("the stream has been down for 10 s"));
            }
        }
        self.report_if_due(Instant::now(), write, shared).await
    }

    /// Takes a report of the client.
    pub(super) fn report(&mut self, data: &[u8]) {
        let numbers = &self.session.numbers;
        numbers.inbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
        numbers.inbound_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        let Some(player) = &mut self.player else {
            return;
        };
        match player.reports.read(data, &mut self.outgoing, Instant::now()) {
            Ok(said) => {
                if said.keyframe_wanted {
                    self.reader.stream().request_keyframe();
                }
                let mut quality = self.session.quality();
                quality.reported_lost = self.outgoing.iter().map(Outgoing::reported_lost).sum();
                quality.reported_jitter_s = self.outgoing.iter().map(Outgoing::reported_jitter_s).fold(0.0, f64::max);
                quality.round_trip = said.round_trip.or(quality.round_trip);
            }
            Err(_) => {
                numbers.inbound_rtcp_packets_in_error.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) async fn say_goodbye(&mut self, write: &mut OwnedWriteHalf, shared: &Shared) {
        if self.player.take().is_none() {
            return;
        }
        for outgoing in &self.outgoing {
            // The client may be gone already.
            let _ = send_rtcp(outgoing, &rtcp::goodbye(outgoing.ssrc()), write, shared).await;
        }
    }

    async fn send_unit(
        &mut self,
        unit: &AccessUnit,
        now: Instant,
        write: &mut OwnedWriteHalf,
        shared: &Shared,
    ) -> Result<u64, Ending> {
        let Some(player) = &mut self.player else {
            return Ok(0);
        };
        let track = unit.head().track;
        let Some(outgoing) = self.outgoing.iter_mut().find(|outgoing| outgoing.track().id == track) else {
            return Ok(0);
        };
        let is_video = outgoing.track().kind() == TrackKind::Video;
        let leads = is_video || self.description.tracks.iter().all(|track| track.kind() != TrackKind::Video);
        if leads {
            player.clock.note(unit);
        }
        let need = match (leads && unit.head().keyframe, unit.refers_back()) {
            (true, _) => Need::Entry,
            (false, true) => Need::Earlier,
            (false, false) => Need::Gop,
        };
        if !player.thinning.lets_through(now, need) {
            outgoing.note_loss();
            self.count_discarded(1);
            return Ok(0);
        }
        let stamped = outgoing.stamp(unit);
        let sent = match outgoing.datagram_to() {
            None => {
                let bytes = write_packets(write, &stamped, shared.config.write_timeout).await?;
                self.session.numbers.outbound_bytes.fetch_add(bytes, Ordering::Relaxed);
                bytes
            }
            Some((to, _)) => {
                let done = send_datagrams(&shared.sockets, &stamped, to).await;
                let numbers = &self.session.numbers;
                numbers.outbound_bytes.fetch_add(done.bytes, Ordering::Relaxed);
                numbers.outbound_rtp_packets_discarded.fetch_add(done.refused, Ordering::Relaxed);
                0
            }
        };
        player.units_sent += 1;
        self.session.numbers.outbound_rtp_packets.fetch_add(stamped.packets.len() as u64, Ordering::Relaxed);
        let counters = self.reader.stream().counters();
        counters.outbound_bytes.fetch_add(stamped.payload_bytes() as u64, Ordering::Relaxed);
        Ok(sent)
    }

    fn note_gap(&mut self, units: u64) {
        debug!(units, "RTSP reader is slow, continues at a keyframe");
        let thins = self.player.as_mut().is_some_and(|player| player.thinning.note_gap(Instant::now()));
        if thins {
            info!("RTSP reader stays slow, gets keyframes only");
        }
        self.count_discarded(units);
        for outgoing in &mut self.outgoing {
            outgoing.note_loss();
        }
    }

    /// The packets of units that are not sent are not known; their number follows from the mean so far.
    fn count_discarded(&self, units: u64) {
        let numbers = &self.session.numbers;
        let units_sent = self.player.as_ref().map_or(1, |player| player.units_sent.max(1));
        let mean = numbers.outbound_rtp_packets.load(Ordering::Relaxed) / units_sent;
        numbers.outbound_rtp_packets_discarded.fetch_add(units * mean.max(1), Ordering::Relaxed);
    }

    /// New parameter sets travel in the packets; other tracks cannot be told to a client that plays.
    fn take_description(&mut self, description: Description) -> Result<(), Ending> {
        let (old, new) = (&self.description.tracks, &description.tracks);
        let alike = old.len() == new.len() && old.iter().zip(new.iter()).all(|(old, new)| old.same_shape(new));
        if !alike {
            return Err(Ending::Wanted("the tracks of the stream changed"));
        }
        for outgoing in &mut self.outgoing {
            if let Some(track) = new.iter().find(|track| track.id == outgoing.track().id) {
                outgoing.describe(track.clone());
            }
        }
        self.description = description;
        Ok(())
    }

    async fn report_if_due(
        &mut self,
        now: Instant,
        write: &mut OwnedWriteHalf,
        shared: &Shared,
    ) -> Result<u64, Ending> {
        let Some(player) = self.player.as_mut().filter(|player| player.next_report <= now) else {
            return Ok(0);
        };
        player.next_report = now + REPORT_INTERVAL;
        let mut sent = 0;
        for outgoing in &self.outgoing {
            let report = player.reports.write(outgoing, &player.clock, now);
            sent += send_rtcp(outgoing, &report, write, shared).await?;
            self.session.numbers.outbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
            self.session.numbers.outbound_bytes.fetch_add(report.len() as u64, Ordering::Relaxed);
        }
        player.clock.settle();
        Ok(sent)
    }
}

impl Player {
    async fn next(&mut self) -> Pulled {
        if self.held.is_none() {
            match self.subscription.pull().await {
                Pulled::Unit(unit) => self.held = Some(unit),
                other @ (Pulled::Described(_) | Pulled::Gap(_) | Pulled::End) => return other,
            }
        }
        if let Some(due) = self.held.as_ref().and_then(|unit| self.pace.due(unit.head().arrived)) {
            sleep_until(due.into()).await;
        }
        match self.held.take() {
            Some(unit) => {
                self.pace.sent(unit.head().arrived);
                Pulled::Unit(unit)
            }
            None => std::future::pending().await,
        }
    }
}

impl Pace {
    /// When a unit is due, if not at once.
    fn due(&self, arrived: Instant) -> Option<Instant> {
        match self {
            Self::None | Self::Ready => None,
            Self::Running { arrived: earlier, sent } => {
                Some(*sent + arrived.saturating_duration_since(*earlier) / BURST_SPEED)
            }
        }
    }

    fn sent(&mut self, arrived: Instant) {
        if matches!(self, Self::None) {
            return;
        }
        let now = Instant::now();
        let live = now.saturating_duration_since(arrived) <= BURST_OVER;
        match self {
            Self::None => {}
            Self::Ready | Self::Running { .. } if live => *self = Self::None,
            Self::Ready => *self = Self::Running { arrived, sent: now },
            Self::Running { .. } => {}
        }
    }
}

/// The newest unit that a cursor reaches.
fn newest_unit(subscription: &mut Subscription) -> Option<AccessUnit> {
    let pulled = std::iter::from_fn(|| subscription.try_pull()).take_while(|pulled| !matches!(pulled, Pulled::End));
    pulled
        .filter_map(|pulled| match pulled {
            Pulled::Unit(unit) => Some(unit),
            Pulled::Described(_) | Pulled::Gap(_) | Pulled::End => None,
        })
        .last()
}

async fn send_rtcp(
    outgoing: &Outgoing,
    packet: &Bytes,
    write: &mut OwnedWriteHalf,
    shared: &Shared,
) -> Result<u64, Ending> {
    match (outgoing.lane(), outgoing.datagram_to()) {
        (Lane::Tcp { rtcp, .. }, _) => {
            let bytes = interleaved(rtcp, packet);
            send(write, &bytes, shared.config.write_timeout).await?;
            Ok(bytes.len() as u64)
        }
        (Lane::Udp { .. }, Some((_, to))) => {
            // A report that cannot be sent is a report lost; the next one follows.
            let _ = shared.sockets.send_rtcp(packet, to).await;
            Ok(0)
        }
        (Lane::Udp { .. }, None) => Ok(0),
    }
}

/// Where datagrams of RTP and RTCP go.
pub(super) type Addresses = (SocketAddr, SocketAddr);
