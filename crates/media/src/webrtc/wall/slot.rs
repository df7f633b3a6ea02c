//! One slot: the camera it shows, on an outgoing track that goes on whatever camera or rendition is on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{Camera, Rendition, SessionId};
use media_proto::track::Video;
use tokio::task::AbortHandle;

use super::{
    super::{
        congestion::{Congestion, Need},
        feed::{Feeds, Place, Viewer},
        offer::AudioTypes,
        outlet::Outlet,
        viewing::{Replay, Viewing},
    },
    message::{Clock, Mode, Refusal, Report, Say, State, Want, rfc3339},
    rules::{self, Phase},
};
use crate::{Error, Hub, admission::Permit, hub::ReaderKind};

/// A rendition stays for at least so long.
const DWELL: Duration = Duration::from_secs(3);
/// A slot that does not change says its state at most this often.
const REPEAT_EVERY: Duration = Duration::from_secs(1);
/// A report counts until the next two would have come.
const REPORT_COUNTS: Duration = Duration::from_secs(30);

/// One slot of a wall.
#[derive(Debug)]
pub(super) struct Slot {
    number: usize,
    /// The session under whose id the path is read.
    session: SessionId,
    seq: u64,
    camera: Option<Camera>,
    want: Want,
    phase: Phase,
    permit: Option<Arc<Permit>>,
    /// The question to the admission that is open.
    asking: Option<AbortHandle>,
    /// Tells answers to an earlier assignment from those to this one.
    pub(super) turn: u64,
    shown: Option<Shown>,
    /// The rendition that takes over at its keyframe.
    next: Option<Shown>,
    /// Renditions that WebRTC cannot carry.
    unsuitable: Vec<Rendition>,
    first_rtp: Option<u32>,
    switched: Option<Instant>,
    clock: Option<Clock>,
    said: Option<(State, Instant)>,
    reported: Option<(Report, Instant)>,
    congestion: Congestion,
}

#[derive(Debug)]
struct Shown {
    rendition: Rendition,
    viewing: Viewing,
}

/// What an assignment means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assigned {
    /// It is older than what the slot has.
    Late,
    /// The same camera, wanted in another way.
    Same,
    /// A camera that needs a place.
    New,
}

impl Slot {
    pub(super) fn new(number: usize, session: SessionId) -> Self {
        Self {
            number,
            session,
            seq: 0,
            camera: None,
            want: Want::default(),
            phase: Phase::Pending,
            permit: None,
            asking: None,
            turn: 0,
            shown: None,
            next: None,
            unsuitable: Vec::new(),
            first_rtp: None,
            switched: None,
            clock: None,
            said: None,
            reported: None,
            congestion: Congestion::default(),
        }
    }

    pub(super) fn camera(&self) -> Option<&Camera> {
        self.camera.as_ref()
    }

    /// Takes an assignment; for a new camera the old one stops at once.
    pub(super) fn assign(
        &mut self,
        seq: u64,
        camera: &Camera,
        want: Want,
        viewer: Viewer,
        outlet: &mut Outlet,
        feeds: &mut Feeds,
    ) -> Assigned {
        if seq <= self.seq {
            return Assigned::Late;
        }
        self.said = None;
        if self.camera.as_ref().is_some_and(|own| own.id == camera.id) {
            self.seq = seq;
            self.rewant(want);
            return Assigned::Same;
        }
        self.stop(viewer, outlet, feeds);
        self.seq = seq;
        self.camera = Some(camera.clone());
        self.want = want;
        Assigned::New
    }

    /// Frees the slot. False when the request is older than what the slot has.
    pub(super) fn release(&mut self, seq: u64, viewer: Viewer, outlet: &mut Outlet, feeds: &mut Feeds) -> bool {
        let counts = seq >= self.seq;
        if counts {
            self.stop(viewer, outlet, feeds);
            self.seq = seq;
        }
        counts
    }

    /// Gives back all that is held.
    pub(super) fn stop(&mut self, viewer: Viewer, outlet: &mut Outlet, feeds: &mut Feeds) {
        outlet.clear();
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
        for shown in [self.shown.take(), self.next.take()].into_iter().flatten() {
            feeds.unwatch(shown.viewing.stream().key(), viewer);
        }
        let turn = self.turn + 1;
        *self = Self { seq: self.seq, turn, ..Self::new(self.number, self.session) };
    }

    pub(super) fn ask(&mut self, asking: AbortHandle) {
        self.asking = Some(asking);
    }

    /// Refuses the camera; assigning it again is a new attempt.
    pub(super) fn deny(&mut self, refusal: Refusal, viewer: Viewer, outlet: &mut Outlet, feeds: &mut Feeds) -> Say {
        self.stop(viewer, outlet, feeds);
        self.phase = Phase::Denied;
        Say::Denied { slot: self.number, seq: self.seq, error: refusal }
    }

    /// Says no to an assignment that was not taken.
    pub(super) fn deny_unknown(
        &mut self,
        seq: u64,
        viewer: Viewer,
        outlet: &mut Outlet,
        feeds: &mut Feeds,
    ) -> Option<Say> {
        if seq <= self.seq {
            return None;
        }
        self.seq = seq;
        Some(self.deny(Refusal::unknown_camera(), viewer, outlet, feeds))
    }

    /// The camera may be shown: begins with its smallest rendition.
    pub(super) fn admitted(
        &mut self,
        permit: Permit,
        hub: &Hub,
        viewer: Viewer,
        feeds: &mut Feeds,
    ) -> Result<(), Error> {
        self.permit = Some(Arc::new(permit));
        self.asking = None;
        let first = if self.has(Rendition::Sub) { Rendition::Sub } else { Rendition::Main };
        self.shown = Some(self.view(first, hub, viewer, feeds)?);
        Ok(())
    }

    /// Reads what came and puts it up. What the client must hear at once.
    pub(super) fn flow(
        &mut self,
        now: Instant,
        hub: &Hub,
        viewer: Viewer,
        outlet: &mut Outlet,
        audio: Option<(&mut Outlet, AudioTypes)>,
        feeds: &mut Feeds,
    ) -> Flowed {
        let taken_over = self.change_over(now, viewer, outlet, feeds);
        let Some(Shown { rendition, viewing }) = &mut self.shown else {
            return Flowed::default();
        };
        if let Some(reason) = feeds.get(viewing.stream().key()).and_then(|feed| feed.obstacle(outlet.video_types())) {
            let rendition = *rendition;
            return Flowed { say: self.evade(rendition, reason, hub, viewer, outlet, feeds), lost: 0 };
        }
        let flow = match self.want.mode {
            Mode::All => viewing.flow(now, Some(outlet), audio),
            Mode::Key => viewing.flow_keyframes(now, outlet),
            Mode::Pause => viewing.skip(),
        };
        if let Some((rtp, unit)) = outlet.newest() {
            self.clock = Some(Clock { rtp, utc: rfc3339(unit.head().wall) });
        }
        if flow.ended {
            let gone = Refusal::from(&Error::NotFound("the stream"));
            return Flowed { say: Some(self.deny(gone, viewer, outlet, feeds)), lost: flow.lost };
        }
        if let (Some(rtp), None) = (flow.burst_at, self.first_rtp) {
            self.first_rtp = Some(rtp);
            self.switched = Some(now);
            return Flowed { say: self.state(now, feeds), lost: flow.lost };
        }
        Flowed { say: taken_over.then(|| self.state(now, feeds)).flatten(), lost: flow.lost }
    }

    /// Time passes: chooses the rendition anew, and says the state where it has changed or is due.
    pub(super) fn check(&mut self, now: Instant, hub: &Hub, viewer: Viewer, feeds: &mut Feeds) -> Option<Say> {
        self.choose(now, hub, viewer, feeds);
        self.state(now, feeds)
    }

    /// Stops at once when the right to the camera was withdrawn.
    pub(super) fn revoke(&mut self, viewer: Viewer, outlet: &mut Outlet, feeds: &mut Feeds) -> Option<Say> {
        let revoked = self.permit.as_ref().is_some_and(|permit| permit.is_revoked());
        revoked.then(|| self.deny(Refusal::from(&Error::Forbidden), viewer, outlet, feeds))
    }

    /// Notes what part of its packets was lost on the way.
    pub(super) fn lost(&mut self, part: f32, now: Instant) {
        if let Some(shown) = &self.shown {
            self.congestion.report(part, shown.rendition, now);
        }
    }

    /// What the tile needs of the way to the peer.
    pub(super) fn need(&self, now: Instant, feeds: &Feeds) -> Need {
        let Some(shown) = self.shown.as_ref().filter(|_| self.want.mode == Mode::All) else {
            return Need::default();
        };
        let leaves = shown.rendition == Rendition::Main && self.has(Rendition::Sub);
        if leaves && self.congestion.is_now(now) {
            // It leaves already.
            return Need::default();
        }
        let kbps = feeds.get(shown.viewing.stream().key()).map_or(0, |feed| feed.meter.kbps);
        Need { kbps: kbps.into(), gives_way: leaves && !self.unsuitable.contains(&Rendition::Sub) }
    }

    /// The tile has to do with the sub stream, and `apart` longer than others.
    pub(super) fn relieve(&mut self, now: Instant, apart: Duration) {
        self.congestion.begin(now, apart);
    }

    /// Notes what the tile says of its picture.
    pub(super) fn report(&mut self, report: Report, now: Instant) {
        if self.shown.is_some() {
            self.reported = Some((report, now));
        }
    }

    /// What the tile said of its picture lately.
    pub(super) fn reported(&self, now: Instant) -> Option<Report> {
        let counts = |(_, at): &(Report, Instant)| now.saturating_duration_since(*at) < REPORT_COUNTS;
        self.reported.filter(counts).map(|(report, _)| report)
    }

    /// Sends the newest GOP again for a tile that lost its picture.
    pub(super) fn replay(&mut self, now: Instant, feeds: &mut Feeds) {
        if let Some(Shown { viewing, .. }) = &mut self.shown
            && viewing.replay(now) == Replay::NothingHeld
            && let Some(feed) = feeds.get_mut(viewing.stream().key())
        {
            feed.request_keyframe(now);
        }
    }

    fn rewant(&mut self, want: Want) {
        let before = std::mem::replace(&mut self.want, want);
        for shown in [&mut self.shown, &mut self.next].into_iter().flatten() {
            shown.viewing.want_fps(want.fps);
        }
        if let (Some(shown), true) = (&mut self.shown, before.mode != want.mode) {
            shown.viewing.resume();
        }
    }

    /// The next rendition takes over once it has a keyframe; its frames go on the same track. True when it just did.
    fn change_over(&mut self, now: Instant, viewer: Viewer, outlet: &mut Outlet, feeds: &mut Feeds) -> bool {
        let Some(next) = &mut self.next else {
            return false;
        };
        let key = next.viewing.stream().key();
        if feeds.get(key).is_some_and(|feed| feed.obstacle(outlet.video_types()).is_some()) {
            self.unsuitable.push(next.rendition);
            self.next = None;
            feeds.unwatch(key, viewer);
        } else if next.viewing.flow(now, Some(outlet), None).burst_at.is_some() {
            self.switched = Some(now);
            self.said = None;
            if let Some(old) = std::mem::replace(&mut self.shown, self.next.take()) {
                feeds.unwatch(old.viewing.stream().key(), viewer);
            }
            return true;
        }
        false
    }

    /// WebRTC cannot carry this rendition: the other one, else no picture.
    fn evade(
        &mut self,
        rendition: Rendition,
        reason: &'static str,
        hub: &Hub,
        viewer: Viewer,
        outlet: &mut Outlet,
        feeds: &mut Feeds,
    ) -> Option<Say> {
        self.unsuitable.push(rendition);
        let other = other(rendition);
        if self.has(other)
            && !self.unsuitable.contains(&other)
            && let Ok(next) = self.view(other, hub, viewer, feeds)
        {
            outlet.clear();
            if let Some(old) = self.shown.replace(next) {
                feeds.unwatch(old.viewing.stream().key(), viewer);
            }
            return None;
        }
        Some(self.deny(Refusal::unsuitable(reason), viewer, outlet, feeds))
    }

    fn choose(&mut self, now: Instant, hub: &Hub, viewer: Viewer, feeds: &mut Feeds) {
        let Some(shown) = self.shown.as_ref().filter(|_| self.first_rtp.is_some()) else {
            return;
        };
        if self.switched.is_some_and(|at| now.saturating_duration_since(at) < DWELL)
            && shown.rendition == Rendition::Main
        {
            return;
        }
        let shown_size = size(&shown.viewing);
        let sub_w = shown_size.filter(|_| shown.rendition == Rendition::Sub).map(|(w, _)| w);
        let width = rules::picture_width(self.want.w, self.want.h, shown_size);
        let wanted = rules::rendition(width, sub_w, shown.rendition);
        let chosen = if self.congestion.is_now(now) && self.has(Rendition::Sub) { Rendition::Sub } else { wanted };
        let wanted = if chosen == shown.rendition || !self.has(chosen) || self.unsuitable.contains(&chosen) {
            None
        } else {
            Some(chosen)
        };
        if self.next.as_ref().map(|next| next.rendition) == wanted {
            return;
        }
        if let Some(next) = self.next.take() {
            feeds.unwatch(next.viewing.stream().key(), viewer);
        }
        // When the other stream cannot be had, the one there is goes on.
        self.next = wanted.and_then(|rendition| self.view(rendition, hub, viewer, feeds).ok());
    }

    fn view(&self, rendition: Rendition, hub: &Hub, viewer: Viewer, feeds: &mut Feeds) -> Result<Shown, Error> {
        let path = self.camera.as_ref().and_then(|camera| camera.path(rendition));
        let (Some(path), Some(permit)) = (path, &self.permit) else {
            return Err(Error::NotFound("the camera's stream"));
        };
        // One permit covers both renditions.
        let covered = Permit::new(permit.user().to_owned(), Arc::clone(permit));
        let reader = hub.attach(path, covered, ReaderKind::WebRtcSession, self.session)?;
        let mut viewing = Viewing::new(reader);
        viewing.want_fps(self.want.fps);
        feeds.watch(viewing.stream(), viewer);
        Ok(Shown { rendition, viewing })
    }

    fn has(&self, rendition: Rendition) -> bool {
        self.camera.as_ref().is_some_and(|camera| camera.path(rendition).is_some())
    }

    /// The state, where it differs from what was said or is due again.
    fn state(&mut self, now: Instant, feeds: &Feeds) -> Option<Say> {
        self.camera.as_ref()?;
        let state = self.describe(now, feeds);
        if let Some((said, at)) = &self.said {
            let same = said.phase == state.phase
                && said.reason == state.reason
                && said.rendition == state.rendition
                && (said.w, said.h) == (state.w, state.h);
            if same && now.saturating_duration_since(*at) < REPEAT_EVERY {
                return None;
            }
        }
        self.said = Some((state.clone(), now));
        Some(Say::State(Box::new(state)))
    }

    fn describe(&mut self, now: Instant, feeds: &Feeds) -> State {
        if let Some(Shown { viewing, .. }) = &self.shown {
            let stream = viewing.stream();
            let silent = stream.last_sign_of_life().map(|at| now.saturating_duration_since(at));
            self.phase = Phase::of(&stream.state(), self.first_rtp.is_some(), silent);
        }
        let shown = self.shown.as_ref();
        let meter = shown.and_then(|shown| feeds.get(shown.viewing.stream().key())).map(|feed| feed.meter);
        let size = shown.and_then(|shown| size(&shown.viewing));
        let reason = match &self.phase {
            Phase::Offline(reason) => Some(reason.clone()),
            Phase::Pending | Phase::Keyframe | Phase::Live | Phase::Stale | Phase::Denied => {
                let less = self.congestion.is_now(now).then_some("congestion");
                (!self.has(Rendition::Sub)).then_some("main_only").or(less).map(str::to_owned)
            }
        };
        State {
            slot: self.number,
            seq: self.seq,
            phase: self.phase.word(),
            reason,
            rendition: shown.map(|shown| word(shown.rendition)),
            codec: shown.and_then(|shown| codec(&shown.viewing)),
            w: size.map(|(w, _)| w),
            h: size.map(|(_, h)| h),
            fps: meter.map(|meter| (meter.fps * 10.0).round() / 10.0).filter(|fps| *fps > 0.0),
            kbps: meter.map(|meter| meter.kbps).filter(|kbps| *kbps > 0),
            gop_ms: meter.and_then(|meter| meter.gop_ms),
            first_rtp: self.first_rtp,
            clock: self.clock.clone(),
        }
    }
}

/// What came of reading.
#[derive(Debug, Default)]
pub(super) struct Flowed {
    pub(super) say: Option<Say>,
    pub(super) lost: u64,
}

fn other(rendition: Rendition) -> Rendition {
    match rendition {
        Rendition::Main => Rendition::Sub,
        Rendition::Sub => Rendition::Main,
    }
}

fn word(rendition: Rendition) -> &'static str {
    match rendition {
        Rendition::Main => "main",
        Rendition::Sub => "sub",
    }
}

fn video(viewing: &Viewing) -> Option<Video> {
    viewing.video_track()?.codec.video()
}

fn size(viewing: &Viewing) -> Option<(u32, u32)> {
    video(viewing).map(|video| (video.width, video.height))
}

fn codec(viewing: &Viewing) -> Option<String> {
    video(viewing).map(|video| video.codec_string)
}

/// The place of a slot in the feeds.
pub(super) fn viewer(key: u64, number: usize) -> Viewer {
    (key, Place::Slot(number))
}
