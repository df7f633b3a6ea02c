//! Units on their way to one client: as RTP in its connection, one vectored write per access unit, or as datagrams in rows.
//!
//! Who keeps up is served by whoever pushes the unit, without a task that wakes for it. When the connection or the socket is
//! full, or a unit is not due yet, the rest is the business of the client's own task.

#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use media_proto::{
    AccessUnit, TrackKind, rtcp,
    rtsp::server::{Lane, Start},
};
use tokio::{
    sync::Notify,
    task::yield_now,
    time::{sleep_until, timeout_at},
};
use tracing::{debug, info};

use super::{
    connection::{Ending, interleaved, too_slow},
    outgoing::{Clock, Outgoing},
    player::{Client, Next, Player, Wait},
    report::Said,
    thinning::Need,
};
use crate::{
    Pulled, Subscription,
    stream::{Description, Observer},
};

/// Readers of one stream that its pusher serves itself: a unit must not keep it for milliseconds.
const SERVED_BY_PUSHER: usize = 256;
/// Units sent in one go; then others have their turn.
const UNITS_IN_A_GO: usize = 64;

/// What goes to one client, shared by its connection and whoever pushes into the stream.
#[derive(Debug)]
pub(super) struct Delivery {
    client: Client,
    state: Mutex<State>,
    /// The client's own task has something to do.
    due: Notify,
}

#[derive(Debug)]
struct State {
    description: Description,
    outgoing: Vec<Outgoing>,
    player: Option<Player>,
    /// Why the pusher could not go on.
    ending: Option<Ending>,
}

impl Observer for Delivery {
    fn pushed(&self, rank: usize) {
        if rank >= SERVED_BY_PUSHER {
            self.due.notify_one();
            return;
        }
        // The client's task may be at work just now, and have looked already.
        let Ok(mut state) = self.state.try_lock() else {
            self.due.notify_one();
            return;
        };
        if state.player.as_ref().is_none_or(|player| player.wait != Wait::Push) {
            return;
        }
        match state.advance(&self.client) {
            Ok(Wait::Push) => {}
            Ok(_) => self.due.notify_one(),
            Err(ending) => {
                state.ending = Some(ending);
                self.due.notify_one();
            }
        }
    }
}

impl Delivery {
    pub(super) fn new(description: Description, client: Client) -> Self {
        let state = State { description, outgoing: Vec::new(), player: None, ending: None };
        Self { client, state: Mutex::new(state), due: Notify::new() }
    }

    pub(super) fn description(&self) -> Description {
        self.state().description.clone()
    }

    pub(super) fn add(&self, outgoing: Outgoing) {
        self.state().outgoing.push(outgoing);
    }

    pub(super) fn plays(&self) -> bool {
        self.state().player.is_some()
    }

    pub(super) fn uses_udp(&self) -> bool {
        self.state().uses_udp()
    }

    /// Where each track begins. Nothing is sent before the next [`run`](Self::run): the reply goes out first.
    pub(super) fn play(&self, subscription: Subscription, clock: Clock) -> Vec<Start> {
        let mut state = self.state();
        let starts = state.outgoing.iter().map(|outgoing| outgoing.start(&clock)).collect();
        let paced = state.uses_udp();
        state.player = Some(Player::new(subscription, clock, paced));
        starts
    }

    pub(super) fn pause(&self) {
        let mut state = self.state();
        state.player = None;
        for outgoing in &mut state.outgoing {
            outgoing.note_loss();
        }
    }

    /// Sends what there is and what the pusher leaves to this task, until the session ends. Nothing is lost when it is given
    /// up and called again.
    pub(super) async fn run(&self) -> Ending {
        loop {
            let wait = match self.advance() {
                Ok(wait) => wait,
                Err(ending) => return ending,
            };
            match wait {
                Wait::Push => self.due.notified().await,
                Wait::Turn => yield_now().await,
                Wait::Connection(until) => {
                    if timeout_at(until.into(), self.client.writer.writable()).await.is_err() {
                        return too_slow(self.client.write_timeout);
                    }
                }
                Wait::Socket => self.client.sockets.writable().await,
                Wait::Until(at) => sleep_until(at.into()).await,
            }
        }
    }

    fn advance(&self) -> Result<Wait, Ending> {
        self.state().advance(&self.client)
    }

    /// Sends the reports that are due, when the connection can take them.
    pub(super) fn report_if_due(&self, now: Instant) -> Result<(), Ending> {
        match &mut *self.state() {
            State { player: Some(player), outgoing, .. } => player.report_if_due(outgoing, now, &self.client),
            State { player: None, .. } => Ok(()),
        }
    }

    /// Takes a report of the client; whether it wants a keyframe.
    pub(super) fn report(&self, data: &[u8]) -> bool {
        let numbers = &self.client.session.numbers;
        numbers.inbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
        numbers.inbound_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        let mut state = self.state();
        let State { player: Some(player), outgoing, .. } = &mut *state else {
            return false;
        };
        let Ok(Said { round_trip, keyframe_wanted }) = player.read_report(data, outgoing) else {
            numbers.inbound_rtcp_packets_in_error.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        let mut quality = self.client.session.quality();
        quality.reported_lost = outgoing.iter().map(Outgoing::reported_lost).sum();
        quality.reported_jitter_s = outgoing.iter().map(Outgoing::reported_jitter_s).fold(0.0, f64::max);
        quality.round_trip = round_trip.or(quality.round_trip);
        keyframe_wanted
    }

    /// Stops, and tells a client that plays that nothing more comes.
    pub(super) async fn say_goodbye(&self, limit: Duration) {
        let goodbyes: Vec<_> = {
            let mut state = self.state();
            let plays = state.player.take().is_some();
            let goodbye =
                |outgoing: &Outgoing| (outgoing.lane(), outgoing.datagram_to(), rtcp::goodbye(outgoing.ssrc()));
            state.outgoing.iter().filter(|_| plays).map(goodbye).collect()
        };
        for (lane, to, packet) in goodbyes {
            match (lane, to) {
                (Lane::Tcp { rtcp, .. }, _) => {
                    // The client may be gone already.
                    let _ = self.client.writer.send(&interleaved(rtcp, &packet), limit).await;
                }
                (Lane::Udp { .. }, Some((_, to))) => self.client.sockets.send_rtcp(&packet, to),
                (Lane::Udp { .. }, None) => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn uses_udp(&self) -> bool {
        self.outgoing.iter().any(|outgoing| outgoing.datagram_to().is_some())
    }

    /// Sends as much as can be sent now, and keeps what stands before the next unit.
    fn advance(&mut self, client: &Client) -> Result<Wait, Ending> {
        if let Some(ending) = self.ending.take() {
            return Err(ending);
        }
        let wait = self.send_units(client)?;
        if let Some(player) = &mut self.player {
            player.wait = wait;
        }
        Ok(wait)
    }

    fn send_units(&mut self, client: &Client) -> Result<Wait, Ending> {
        for _ in 0..UNITS_IN_A_GO {
            let now = Instant::now();
            let Some(player) = &mut self.player else {
                return Ok(Wait::Push);
            };
            match player.next(now, client)? {
                Next::Wait(wait) => return Ok(wait),
                Next::Pulled(Pulled::Unit(unit)) => {
                    player.report_if_due(&self.outgoing, now, client)?;
                    self.send_unit(&unit, now, client)?;
                }
                Next::Pulled(Pulled::Gap(units)) => self.note_gap(units, now, client),
                Next::Pulled(Pulled::Described(description)) => self.take_description(description)?,
                Next::Pulled(Pulled::End) => return Err(Ending::Wanted("the stream ended")),
            }
        }
        Ok(Wait::Turn)
    }

    fn send_unit(&mut self, unit: &AccessUnit, now: Instant, client: &Client) -> Result<(), Ending> {
        let Some(player) = &mut self.player else {
            return Ok(());
        };
        let track = unit.head().track;
        let Some(outgoing) = self.outgoing.iter_mut().find(|outgoing| outgoing.track().id == track) else {
            return Ok(());
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
        if !player.lets_through(now, need, client) {
            outgoing.note_loss();
            return Ok(());
        }
        let to = outgoing.datagram_to();
        player.send(&outgoing.stamp(unit), to, now, client)
    }

    fn note_gap(&mut self, units: u64, now: Instant, client: &Client) {
        debug!(units, "RTSP reader is slow, continues at a keyframe");
        if self.player.as_mut().is_some_and(|player| player.note_gap(units, now, client)) {
            info!("RTSP reader stays slow, gets keyframes only");
        }
        for outgoing in &mut self.outgoing {
            outgoing.note_loss();
        }
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
}
