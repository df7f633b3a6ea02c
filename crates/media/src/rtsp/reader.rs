//! A reading session: a place among the readers of a path, and what of it goes to one client.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::PathName;
use media_proto::{
    AccessUnit, Track, TrackId,
    rtsp::server::{Lane, Start},
};

use super::{
    connection::Ending,
    delivery::Delivery,
    outgoing::{Clock, Outgoing},
    player::Client,
};
use crate::{
    Pulled, Subscription,
    hub::Reader,
    stream::{Backlog, Description, Join, Observer},
};

/// A reader whose stream is down for this long is closed.
const OFFLINE_MAX: Duration = Duration::from_secs(10);

/// The session as its connection holds it.
#[derive(Debug)]
pub(super) struct Watch {
    reader: Reader,
    delivery: Arc<Delivery>,
    down_since: Option<Instant>,
}

impl Watch {
    pub(super) fn new(reader: Reader, description: Description, client: Client) -> Self {
        let delivery = Arc::new(Delivery::new(description, client));
        let observer: Arc<dyn Observer> = Arc::<Delivery>::clone(&delivery);
        reader.stream().observe(Arc::downgrade(&observer));
        Self { reader, delivery, down_since: None }
    }

    pub(super) fn path(&self) -> &PathName {
        self.reader.path()
    }

    pub(super) fn tracks(&self) -> Arc<[Track]> {
        self.delivery.description().tracks
    }

    /// Adds a track to what is sent and tells its synchronisation source; `None` when there is no such track.
    pub(super) fn add(&self, track: TrackId, lane: Lane, peer: IpAddr) -> Option<u32> {
        let tracks = self.tracks();
        let track = tracks.iter().find(|known| known.id == track)?;
        let outgoing = Outgoing::new(track.clone(), lane, peer);
        let ssrc = outgoing.ssrc();
        self.delivery.add(outgoing);
        Some(ssrc)
    }

    /// Whether the right to read was withdrawn.
    pub(super) fn is_revoked(&self) -> bool {
        self.reader.is_revoked()
    }

    pub(super) fn plays(&self) -> bool {
        self.delivery.plays()
    }

    pub(super) fn uses_udp(&self) -> bool {
        self.delivery.uses_udp()
    }

    /// Begins at the newest keyframe; playback of the client begins at the newest unit.
    pub(super) fn play(&mut self) -> Vec<Start> {
        let stream = self.reader.stream();
        let clock = newest_unit(&mut stream.subscribe(Join::NewestKeyframe, Backlog::Deep))
            .map_or_else(|| Clock::starting(stream.origin(), Instant::now()), |unit| Clock::of(&unit));
        self.down_since = None;
        self.delivery.play(self.reader.subscribe(Join::NewestKeyframe, Backlog::Live), clock)
    }

    pub(super) fn pause(&self) {
        self.delivery.pause();
    }

    /// Sends units until the session must end. Nothing is lost when it is given up and called again.
    pub(super) async fn run(&self) -> Ending {
        self.delivery.run().await
    }

    /// Looks after reports and the state of the stream, about once a second.
    pub(super) fn tick(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        let up = self.reader.stream().state().is_up();
        self.down_since = if up { None } else { self.down_since.or(Some(now)) };
        if self.down_since.is_some_and(|since| now.duration_since(since) >= OFFLINE_MAX) {
            return Err(Ending::Wanted("the stream has been down for 10 s"));
        }
        self.delivery.report_if_due(now)
    }

    /// Takes a report of the client.
    pub(super) fn report(&self, data: &[u8]) {
        if self.delivery.report(data) {
            self.reader.stream().request_keyframe();
        }
    }

    /// Tells the client that nothing more comes.
    pub(super) async fn say_goodbye(&self, limit: Duration) {
        self.delivery.say_goodbye(limit).await;
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
