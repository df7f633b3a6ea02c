//! A WHEP session: one stream to one viewer.

use std::{sync::atomic::Ordering, time::Instant};

use str0m::media::Mid;

use super::{
    feed::{Feeds, Place},
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
}

impl Whep {
    /// A session whose connection is being made.
    pub(super) fn new(reader: Reader) -> Self {
        Self { waiting: Some(reader), viewing: None }
    }

    /// Begins to send.
    pub(super) fn connected(&mut self, key: u64, peer: &mut Peer, feeds: &mut Feeds, now: Instant) {
        if let Some(reader) = self.waiting.take() {
            feeds.watch(reader.stream(), (key, Place::Whole));
            self.viewing = Some(Viewing::new(reader));
            self.flow(peer, feeds, now);
        }
    }

    /// Puts up what the stream has. False when the stream is gone.
    pub(super) fn flow(&mut self, peer: &mut Peer, feeds: &mut Feeds, now: Instant) -> bool {
        let Some(viewing) = &mut self.viewing else {
            return true;
        };
        let obstacle = feeds.get(viewing.stream().key()).and_then(|feed| feed.obstacle());
        let audio = peer.audio.as_mut().map(|(outlet, types)| (outlet, *types));
        let video = peer.video.first_mut().filter(|_| obstacle.is_none());
        let flow = viewing.flow(now, video, audio);
        peer.shared.set_video_stopped(obstacle);
        peer.shared.outbound_frames_discarded.fetch_add(flow.lost, Ordering::Relaxed);
        !flow.ended
    }

    /// Gives the viewer a keyframe.
    pub(super) fn keyframe(&mut self, mid: Mid, peer: &mut Peer, feeds: &mut Feeds, now: Instant) {
        let Some(viewing) = &mut self.viewing else {
            return;
        };
        if peer.video.first().is_none_or(|outlet| outlet.mid() != mid) {
            return;
        }
        match viewing.replay(now) {
            Replay::TooSoon | Replay::SourceSilent => {}
            Replay::FromRing => {
                self.flow(peer, feeds, now);
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

    /// Leaves the stream.
    pub(super) fn end(&self, key: u64, feeds: &mut Feeds) {
        if let Some(viewing) = &self.viewing {
            feeds.unwatch(viewing.stream().key(), (key, Place::Whole));
        }
    }
}
