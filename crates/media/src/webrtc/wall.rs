//! Wall sessions: many cameras on one peer connection with a pool of slots.
//!
//! The client opens a connection with as many video tracks as its largest layout has cells, and then says on the data
//! channel `ctl` which camera each slot shows. No change of layout or camera needs another offer. Each camera takes a
//! permit of its own; a client that falls silent gives them all back.

mod message;
mod rules;
mod slot;

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use domain::{CameraId, PathName, Secret, SessionId};
use str0m::{channel::ChannelId, media::Mid};
use tokio::task::JoinSet;

use super::{
    congestion::{self, Need},
    feed::Feeds,
    peer::Peer,
    session::{Seen, wall_now},
};
use crate::{
    Error, Hub,
    admission::{Action, Caller, Credentials, Permit},
    catalogue::Catalogue,
};
pub(super) use message::Report;
use message::{Refusal, Said, Say, rfc3339};
use slot::{Assigned, Slot, viewer};

/// A client says that it is there this often.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// A client that says nothing for so long is gone.
pub const LOST: Duration = Duration::from_secs(15);
/// The most slots of a session.
pub const SLOTS: usize = 64;
/// The version of the messages.
pub const CTL_VERSION: u32 = 1;

/// The label of the data channel.
const CTL: &str = "ctl";
/// Packets of a slot that are kept for retransmission.
pub(super) const RTX_PACKETS: usize = 256;
/// When a client whose session is ended may come again.
const RETRY_MS: u32 = 1_000;
/// After tiles were told to do with less, so long is waited for the effect: a sub stream begins at its keyframe.
const SETTLE: Duration = Duration::from_secs(5);
/// Tiles that were told so together try their main streams again one after the other, this far apart.
const RETURN_APART: Duration = Duration::from_secs(10);
/// Messages that wait for the channel; the oldest states go first.
const OUTBOX: usize = 512;

/// How many messages of a `ctl` text the server understands: for programs that check a client.
#[must_use]
pub fn understood(text: &[u8]) -> usize {
    message::read(text).len()
}

/// A request for a wall session.
#[derive(Clone, Debug)]
pub struct Request {
    /// The SDP offer.
    pub offer: String,
    /// How many slots it has.
    pub slots: usize,
    /// The browser window it is for; a new session of the same user and window replaces the old one.
    pub window_id: String,
    /// Who asks, for the rights to each camera.
    pub caller: Caller,
}

/// An open wall session.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its unguessable id.
    pub session_id: SessionId,
    /// The SDP answer with all candidates.
    pub answer: String,
    /// Each slot with the `mid` of its track.
    pub slots: Vec<(usize, String)>,
    /// The `mid` of the audio track, where one was offered.
    pub audio_mid: Option<String>,
}

/// The answer of the admission about a slot's camera.
pub(super) struct Admitted {
    pub(super) key: u64,
    slot: usize,
    turn: u64,
    permit: Result<Permit, Error>,
}

/// What a wall works on.
pub(super) struct Tools<'a> {
    pub(super) now: Instant,
    pub(super) hub: &'a Hub,
    pub(super) catalogue: &'a dyn Catalogue,
    pub(super) feeds: &'a mut Feeds,
    pub(super) admissions: &'a mut JoinSet<Admitted>,
}

/// The session as the media thread has it.
#[derive(Debug)]
pub(super) struct Wall {
    key: u64,
    caller: Caller,
    /// The user and the window, which have one session at a time.
    pub(super) owner: (String, String),
    channel: Option<ChannelId>,
    heard: Instant,
    slots: Vec<Slot>,
    audio: Option<CameraId>,
    audio_seq: u64,
    outbox: Vec<Say>,
    /// When tiles were told to do with less.
    relieved: Option<Instant>,
}

impl Wall {
    pub(super) fn new(
        (key, id): (u64, SessionId),
        slots: usize,
        caller: Caller,
        owner: (String, String),
        now: Instant,
    ) -> Self {
        Self {
            key,
            caller,
            owner,
            channel: None,
            heard: now,
            slots: (0..slots).map(|number| Slot::new(number, id)).collect(),
            audio: None,
            audio_seq: 0,
            outbox: Vec::new(),
            relieved: None,
        }
    }

    /// The client has fallen silent.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= LOST
    }

    pub(super) fn opened(&mut self, channel: ChannelId, label: &str) {
        if label == CTL {
            self.channel = Some(channel);
        }
    }

    /// Does what a text on the channel says.
    pub(super) fn hear(&mut self, channel: ChannelId, text: &[u8], peer: &mut Peer, tools: &mut Tools<'_>) {
        if self.channel != Some(channel) {
            return;
        }
        for said in message::read(text) {
            self.obey(said, peer, tools);
        }
        self.flush(peer);
    }

    fn obey(&mut self, said: Said, peer: &mut Peer, tools: &mut Tools<'_>) {
        match said {
            Said::Assign { seq, slot, camera, want } => self.assign(seq, slot, &camera, want, peer, tools),
            Said::Release { seq, slot } => {
                if let (Some(own), Some(outlet)) = (self.slots.get_mut(slot), peer.video.get_mut(slot)) {
                    own.release(seq, viewer(self.key, slot), outlet, tools.feeds);
                }
            }
            Said::Audio { seq, camera } if seq > self.audio_seq => {
                self.audio_seq = seq;
                self.audio = camera.and_then(|id| id.parse().ok());
                if let Some((outlet, _)) = &mut peer.audio {
                    outlet.clear();
                }
            }
            Said::Auth { token } => self.caller.credentials = Credentials::Token(Secret::new(token)),
            Said::Ping { ts } => {
                self.heard = tools.now;
                self.say(Say::Pong { ts, utc: rfc3339(wall_now()) });
            }
            Said::Report { slots } => {
                for report in slots {
                    if let Some(slot) = self.slots.get_mut(report.slot) {
                        slot.report(report, tools.now);
                    }
                }
                peer.shared.set_seen(self.seen(tools.now));
            }
            Said::Audio { .. } | Said::Unknown => {}
        }
    }

    /// What the window says of its tiles, taken together.
    fn seen(&self, now: Instant) -> Option<Seen> {
        self.slots.iter().filter_map(|slot| slot.reported(now)).map(Seen::from).reduce(Seen::and)
    }

    fn assign(
        &mut self,
        seq: u64,
        number: usize,
        camera: &str,
        want: message::Want,
        peer: &mut Peer,
        tools: &mut Tools<'_>,
    ) {
        let (Some(slot), Some(outlet)) = (self.slots.get_mut(number), peer.video.get_mut(number)) else {
            return;
        };
        let viewer = viewer(self.key, number);
        let found = camera.parse().ok().and_then(|id| tools.catalogue.camera(id));
        let Some(camera) = found else {
            let denied = slot.deny_unknown(seq, viewer, outlet, tools.feeds);
            self.outbox.extend(denied);
            return;
        };
        if slot.assign(seq, &camera, want, viewer, outlet, tools.feeds) == Assigned::New {
            let Some(path) = camera.sub.clone().or_else(|| camera.main.clone()) else {
                let denied = slot.deny(Refusal::unknown_camera(), viewer, outlet, tools.feeds);
                self.outbox.push(denied);
                return;
            };
            let (hub, caller) = (tools.hub.clone(), self.caller.clone());
            slot.ask(tools.admissions.spawn(ask(hub, caller, path, (self.key, number, slot.turn))));
        }
        let said = slot.check(tools.now, tools.hub, viewer, tools.feeds);
        self.outbox.extend(said);
    }

    /// The admission has answered about a slot.
    pub(super) fn admitted(&mut self, admitted: Admitted, peer: &mut Peer, tools: &mut Tools<'_>) {
        let number = admitted.slot;
        let (Some(slot), Some(outlet)) = (self.slots.get_mut(number), peer.video.get_mut(number)) else {
            return;
        };
        if slot.turn != admitted.turn {
            return;
        }
        let viewer = viewer(self.key, number);
        let entered = admitted.permit.and_then(|permit| slot.admitted(permit, tools.hub, viewer, tools.feeds));
        if let Err(error) = entered {
            let denied = slot.deny(Refusal::from(&error), viewer, outlet, tools.feeds);
            self.outbox.push(denied);
        }
        self.flow(number, peer, tools);
    }

    /// Puts up what the streams of a slot have.
    pub(super) fn flow(&mut self, number: usize, peer: &mut Peer, tools: &mut Tools<'_>) {
        let (Some(slot), Some(outlet)) = (self.slots.get_mut(number), peer.video.get_mut(number)) else {
            return;
        };
        let heard = self.audio.is_some() && slot.camera().map(|camera| camera.id) == self.audio;
        let audio = peer.audio.as_mut().filter(|_| heard).map(|(outlet, types)| (outlet, *types));
        let flowed = slot.flow(tools.now, tools.hub, viewer(self.key, number), outlet, audio, tools.feeds);
        peer.shared.outbound_frames_discarded.fetch_add(flowed.lost, Ordering::Relaxed);
        if let Some(say) = flowed.say {
            self.say(say);
            self.flush(peer);
        }
    }

    /// Gives a tile that lost its picture a keyframe.
    pub(super) fn keyframe(&mut self, mid: Mid, peer: &mut Peer, tools: &mut Tools<'_>) {
        let Some(number) = peer.video.iter().position(|outlet| outlet.mid() == mid) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(number) {
            slot.replay(tools.now, tools.feeds);
        }
        self.flow(number, peer, tools);
    }

    /// Packets of a slot were lost on the way; the slot may have to do with less.
    pub(super) fn lost(&mut self, mid: Mid, part: f32, peer: &Peer, now: Instant) {
        let number = peer.video.iter().position(|outlet| outlet.mid() == mid);
        if let Some(slot) = number.and_then(|number| self.slots.get_mut(number)) {
            slot.lost(part, now);
        }
    }

    /// The way takes so many bits per second, and more is sent: the costliest tiles have to do with the sub stream.
    pub(super) fn limited(&mut self, bps: u64, tools: &Tools<'_>) {
        if self.relieved.is_some_and(|at| tools.now.saturating_duration_since(at) < SETTLE) {
            return;
        }
        let needs: Vec<Need> = self.slots.iter().map(|slot| slot.need(tools.now, tools.feeds)).collect();
        let mut apart = Duration::ZERO;
        for number in congestion::relieve(bps, &needs) {
            if let Some(slot) = self.slots.get_mut(number) {
                slot.relieve(tools.now, apart);
                apart += RETURN_APART;
                self.relieved = Some(tools.now);
            }
        }
    }

    /// Time passes.
    pub(super) fn check(&mut self, peer: &mut Peer, tools: &mut Tools<'_>) {
        for number in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(number) else {
                break;
            };
            let viewer = viewer(self.key, number);
            let revoked = peer.video.get_mut(number).and_then(|outlet| slot.revoke(viewer, outlet, tools.feeds));
            if let Some(say) = revoked.or_else(|| slot.check(tools.now, tools.hub, viewer, tools.feeds)) {
                self.say(say);
            }
            // A rendition that was only now begun may have its keyframe in the ring already.
            self.flow(number, peer, tools);
        }
        self.flush(peer);
    }

    /// Gives everything back and tells the client why.
    pub(super) fn end(&mut self, reason: &str, peer: &mut Peer, feeds: &mut Feeds) {
        for (number, (slot, outlet)) in self.slots.iter_mut().zip(&mut peer.video).enumerate() {
            slot.stop(viewer(self.key, number), outlet, feeds);
        }
        self.say(Say::Closing { reason: reason.to_owned(), retry_ms: RETRY_MS });
        self.flush(peer);
    }

    fn say(&mut self, say: Say) {
        if self.outbox.len() >= OUTBOX {
            self.outbox.remove(0);
        }
        self.outbox.push(say);
    }

    /// Writes what waits, if the channel is open.
    fn flush(&mut self, peer: &mut Peer) {
        let Some(channel) = self.channel.filter(|_| !self.outbox.is_empty()) else {
            return;
        };
        let texts = message::write(&self.outbox);
        // What the channel does not take is old by the time it would; the states come again within a second.
        if texts.iter().all(|text| peer.say(channel, text)) {
            self.outbox.clear();
        } else {
            self.outbox.retain(|say| matches!(say, Say::Denied { .. }));
        }
    }
}

async fn ask(hub: Hub, caller: Caller, path: PathName, (key, slot, turn): (u64, usize, u64)) -> Admitted {
    let permit = hub.admit(&caller, Action::Read, &path).await;
    Admitted { key, slot, turn, permit }
}
