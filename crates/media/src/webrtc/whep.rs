//! A WHEP session: one stream to one viewer.
//!
//! Where the path is the main stream of a camera that has a sub stream too, the sub stream takes its place on the same
//! track while the way to the viewer is congested. Sound goes on as it was.

use std::{sync::atomic::Ordering, time::Instant};

use domain::{PathName, Rendition};
use str0m::media::Mid;

use super::{
    congestion::{self, Congestion, Need},
    feed::{Feeds, Place},
    outlet::Outlet,
    peer::Peer,
    viewing::{Replay, Viewing},
};
use crate::hub::Reader;

/// The session as the media thread has it.
#[derive(Debug)]
pub(super) struct Whep {
    /// The place that is held until the connection is made.
    waiting: Option<Reader>,
    viewing: Option<Viewing>,
    /// The sub stream of the camera, where WebRTC can carry it.
    sub: Option<PathName>,
    relief: Option<Relief>,
    congestion: Congestion,
}

/// The sub stream that takes the place of the main one.
#[derive(Debug)]
struct Relief {
    viewing: Viewing,
    /// Its keyframe has come, so it is the one that is sent.
    shown: bool,
}

impl Whep {
    /// A session whose connection is being made. `sub` is the stream for congested ways, where there is one.
    pub(super) fn new(reader: Reader, sub: Option<PathName>) -> Self {
        Self { waiting: Some(reader), viewing: None, sub, relief: None, congestion: Congestion::default() }
    }

    /// Begins to send.
    pub(super) fn connected(&mut self, key: u64, peer: &mut Peer, feeds: &mut Feeds, now: Instant) {
        if let Some(reader) = self.waiting.take() {
            feeds.watch(reader.stream(), (key, Place::Whole));
            self.viewing = Some(Viewing::new(reader));
            self.flow(key, peer, feeds, now);
        }
    }

    /// Puts up what the stream has. False when the stream is gone.
    pub(super) fn flow(&mut self, key: u64, peer: &mut Peer, feeds: &mut Feeds, now: Instant) -> bool {
        let relieved = self.relieved(key, peer.video.first_mut(), feeds, now);
        let Some(viewing) = &mut self.viewing else {
            return true;
        };
        let types = peer.video.first().map(Outlet::video_types);
        let obstacle = feeds.get(viewing.stream().key()).zip(types).and_then(|(feed, types)| feed.obstacle(types));
        let audio = peer.audio.as_mut().map(|(outlet, types)| (outlet, *types));
        let video = peer.video.first_mut().filter(|_| obstacle.is_none() && !relieved);
        let flow = viewing.flow(now, video, audio);
        peer.shared.set_video_stopped(obstacle);
        peer.shared.outbound_frames_discarded.fetch_add(flow.lost, Ordering::Relaxed);
        !flow.ended
    }

    /// Puts up what the sub stream has. True while it is the one that is sent.
    fn relieved(&mut self, key: u64, outlet: Option<&mut Outlet>, feeds: &mut Feeds, now: Instant) -> bool {
        let (Some(relief), Some(outlet)) = (&mut self.relief, outlet) else {
            return false;
        };
        let types = outlet.video_types();
        if feeds.get(relief.viewing.stream().key()).is_some_and(|feed| feed.obstacle(types).is_some()) {
            self.sub = None;
            self.end_relief(key, feeds);
            return false;
        }
        let flow = relief.viewing.flow(now, Some(outlet), None);
        if flow.ended {
            self.end_relief(key, feeds);
            return false;
        }
        relief.shown |= flow.burst_at.is_some();
        relief.shown
    }

    /// The peer reports that a part of its packets was lost.
    pub(super) fn lost(&mut self, mid: Mid, part: f32, peer: &Peer, now: Instant) {
        if peer.video.first().is_some_and(|outlet| outlet.mid() == mid) {
            let shown = if self.is_relieved() { Rendition::Sub } else { Rendition::Main };
            self.congestion.report(part, shown, now);
        }
    }

    /// The way takes so many bits per second, and more is sent.
    pub(super) fn limited(&mut self, bps: u64, feeds: &Feeds, now: Instant) {
        let feed = self.viewing.as_ref().and_then(|viewing| feeds.get(viewing.stream().key()));
        let needs = [Need { kbps: feed.map_or(0, |feed| feed.meter.kbps).into(), gives_way: !self.is_relieved() }];
        if !congestion::relieve(bps, &needs).is_empty() {
            self.congestion.begin(now, std::time::Duration::ZERO);
        }
    }

    /// Time passes: the sub stream is wanted, or no longer.
    pub(super) fn check(&mut self, key: u64, feeds: &mut Feeds, now: Instant) {
        let congested = self.congestion.is_now(now);
        if !congested && self.relief.is_some() {
            self.end_relief(key, feeds);
        }
        let (Some(viewing), Some(sub)) = (&self.viewing, &self.sub) else {
            return;
        };
        // When it cannot be had, the main stream goes on.
        if congested
            && self.relief.is_none()
            && let Ok(other) = viewing.beside(sub)
        {
            feeds.watch(other.stream(), (key, Place::Whole));
            self.relief = Some(Relief { viewing: other, shown: false });
        }
    }

    /// Goes back to the main stream, which begins anew at its newest keyframe.
    fn end_relief(&mut self, key: u64, feeds: &mut Feeds) {
        if let Some(relief) = self.relief.take() {
            feeds.unwatch(relief.viewing.stream().key(), (key, Place::Whole));
            if let Some(viewing) = self.viewing.as_mut().filter(|_| relief.shown) {
                viewing.resume();
            }
        }
    }

    fn is_relieved(&self) -> bool {
        self.relief.as_ref().is_some_and(|relief| relief.shown)
    }

    /// Gives the viewer a keyframe.
    pub(super) fn keyframe(&mut self, key: u64, mid: Mid, peer: &mut Peer, feeds: &mut Feeds, now: Instant) {
        let relief = self.relief.as_mut().filter(|relief| relief.shown).map(|relief| &mut relief.viewing);
        let Some(viewing) = relief.or(self.viewing.as_mut()) else {
            return;
        };
        if peer.video.first().is_none_or(|outlet| outlet.mid() != mid) {
            return;
        }
        match viewing.replay(now) {
            Replay::TooSoon | Replay::SourceSilent => {}
            Replay::FromRing => {
                self.flow(key, peer, feeds, now);
            }
            Replay::NothingHeld => {
                if let Some(feed) = feeds.get_mut(viewing.stream().key()) {
                    feed.request_keyframe(now);
                }
            }
        }
    }

    /// Whether the right to watch was withdrawn.
    pub(super) fn is_revoked(&self) -> bool {
        self.waiting.as_ref().map(Reader::is_revoked).or_else(|| Some(self.viewing.as_ref()?.is_revoked()))
            == Some(true)
    }

    /// Leaves the streams.
    pub(super) fn end(&self, key: u64, feeds: &mut Feeds) {
        for viewing in self.viewing.iter().chain(self.relief.as_ref().map(|relief| &relief.viewing)) {
            feeds.unwatch(viewing.stream().key(), (key, Place::Whole));
        }
    }
}
