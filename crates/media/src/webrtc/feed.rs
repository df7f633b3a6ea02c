//! One stream as the media thread sees it: a single wake for all its viewers, and what is known of its pictures.

use std::{
    collections::HashMap,
    pin::pin,
    time::{Duration, Instant},
};

use media_proto::{AccessUnit, Codec, Track, TrackKind, h265};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{offer::VideoTypes, payload};
use crate::{
    Pulled, Stream, Subscription,
    stream::{Backlog, Join},
};

/// The camera is asked for a keyframe at most this often.
const REQUEST_EVERY: Duration = Duration::from_secs(1);
/// Wakes that wait for the thread; a feed has at most one.
pub(super) const WAKES: usize = 1024;

/// Which session shows a stream where.
pub(super) type Viewer = (u64, Place);

/// Where in a session a stream is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The one picture of a WHEP session.
    Whole,
    /// A slot of a wall.
    Slot(usize),
}

/// All streams that somebody views.
#[derive(Debug)]
pub(super) struct Feeds {
    feeds: HashMap<usize, Feed>,
    tasks: JoinSet<()>,
    wake: mpsc::Sender<usize>,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Feed {
    observer: Subscription,
    viewers: Vec<Viewer>,
    task: AbortHandle,
    video: Option<Track>,
    has_other_profile: bool,
    order: Order,
    requested: Option<Instant>,
    pub(super) meter: Meter,
}

impl Feeds {
    pub(super) fn new(wake: mpsc::Sender<usize>) -> Self {
        Self { feeds: HashMap::new(), tasks: JoinSet::new(), wake }
    }

    /// Lets a viewer be woken by a stream.
    pub(super) fn watch(&mut self, stream: &Stream, viewer: Viewer) {
        while self.tasks.try_join_next().is_some() {}
        let key = stream.key();
        let feed = self.feeds.entry(key).or_insert_with(|| {
            let task = self.tasks.spawn(tell(stream.clone(), key, self.wake.clone()));
            Feed::new(stream, task)
        });
        feed.viewers.push(viewer);
        feed.observe();
    }

    /// Wakes a viewer no longer.
    pub(super) fn unwatch(&mut self, key: usize, viewer: Viewer) {
        let Some(feed) = self.feeds.get_mut(&key) else {
            return;
        };
        if let Some(at) = feed.viewers.iter().position(|known| *known == viewer) {
            feed.viewers.swap_remove(at);
        }
        if feed.viewers.is_empty() {
            feed.task.abort();
            self.feeds.remove(&key);
        }
    }

    pub(super) fn get(&self, key: usize) -> Option<&Feed> {
        self.feeds.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Feed> {
        self.feeds.get_mut(&key)
    }
}

impl Feed {
    fn new(stream: &Stream, task: AbortHandle) -> Self {
        Self {
            observer: stream.subscribe(Join::NewestKeyframe, Backlog::Live),
            viewers: Vec::new(),
            task,
            video: None,
            has_other_profile: false,
            order: Order::default(),
            requested: None,
            meter: Meter::default(),
        }
    }

    pub(super) fn viewers(&self) -> Vec<Viewer> {
        self.viewers.clone()
    }

    /// Looks at what has come, once for all viewers.
    pub(super) fn observe(&mut self) {
        while let Some(pulled) = self.observer.try_pull() {
            match pulled {
                Pulled::Described(description) => {
                    self.video = description.tracks.iter().find(|track| track.kind() == TrackKind::Video).cloned();
                    self.has_other_profile = self.video.as_ref().is_some_and(has_other_profile);
                    self.order = self.video.as_ref().map(Order::of).unwrap_or_default();
                }
                Pulled::Unit(unit) => self.seen(&unit),
                Pulled::Gap(_) => {}
                Pulled::End => return,
            }
        }
    }

    fn seen(&mut self, unit: &AccessUnit) {
        let Some(video) = self.video.as_ref().filter(|video| video.id == unit.head().track) else {
            return;
        };
        self.order.see(unit, &video.codec);
        self.meter.count(unit);
    }

    /// Why its video cannot be sent by WebRTC to a peer that takes these codecs, if so.
    pub(super) fn obstacle(&self, types: VideoTypes) -> Option<&'static str> {
        obstacle(self.video.as_ref(), types)
            .or(self.has_other_profile.then_some(OTHER_PROFILE))
            .or(self.order.is_broken.then_some(B_FRAMES))
    }

    /// Asks the camera for a keyframe, but not too often.
    pub(super) fn request_keyframe(&mut self, now: Instant) {
        if self.requested.is_none_or(|at| now.saturating_duration_since(at) >= REQUEST_EVERY) {
            self.requested = Some(now);
            self.observer.stream().request_keyframe();
        }
    }
}

const OTHER_PROFILE: &str = "the video is H.265 of another profile than Main, which is the one taken by WebRTC";
const B_FRAMES: &str = "the video has B-frames, which browsers cannot show by WebRTC";

/// Why video of this track cannot be sent by WebRTC to a peer that takes these codecs, if so.
fn obstacle(video: Option<&Track>, types: VideoTypes) -> Option<&'static str> {
    let codec = &video?.codec;
    match codec {
        _ if types.of(codec).is_some() => None,
        Codec::H264 { .. } => {
            Some("the video is H.264, which this browser did not offer to take with packetization-mode 1")
        }
        Codec::H265 { .. } => Some("the video is H.265, which this browser did not offer to take"),
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => {
            Some("the video has a codec that WebRTC does not carry")
        }
    }
}

/// Whether a decoder of H.265's main profile, which is what is negotiated, cannot decode it.
fn has_other_profile(video: &Track) -> bool {
    let Codec::H265 { sps, .. } = &video.codec else {
        return false;
    };
    h265::Sps::parse(sps).is_some_and(|sps| !sps.is_main())
}

/// Why a stream cannot be sent by WebRTC to a peer that takes these codecs, as far as its ring shows.
pub(super) fn obstacle_in(stream: &Stream, types: VideoTypes) -> Option<&'static str> {
    let description = stream.description();
    let video = description.tracks.iter().find(|track| track.kind() == TrackKind::Video);
    if let Some(reason) = obstacle(video, types) {
        return Some(reason);
    }
    let video = video?;
    if has_other_profile(video) {
        return Some(OTHER_PROFILE);
    }
    let held = stream.held();
    let pictures = held.iter().filter(|unit| unit.head().track == video.id);
    let few = pictures.clone().nth(ENOUGH_PICTURES).is_none();
    let mut order = Order::of(video);
    pictures.for_each(|unit| order.see(unit, &video.codec));
    (order.is_broken || few && announces_reordering(video)).then_some(B_FRAMES)
}

/// Whether pictures are shown in another order than they are sent.
///
/// In H.264 the slices say so. In H.265 they do not, as a slice of two references need not look ahead: there the times
/// of the pictures do, where the parameter sets allow for it.
#[derive(Debug, Default)]
struct Order {
    is_strict: bool,
    newest_us: Option<i64>,
    is_broken: bool,
}

impl Order {
    fn of(video: &Track) -> Self {
        let is_strict = video.codec.video().is_some_and(|video| video.max_num_reorder == Some(0));
        Self { is_strict, ..Self::default() }
    }

    fn see(&mut self, unit: &AccessUnit, codec: &Codec) {
        if self.is_broken {
            return;
        }
        self.is_broken = match codec {
            Codec::H265 { .. } => {
                let us = unit.head().pts.to_us();
                let newest = self.newest_us.filter(|_| !unit.head().discontinuity);
                self.newest_us = Some(newest.map_or(us, |newest| newest.max(us)));
                !self.is_strict && newest.is_some_and(|newest| us < newest)
            }
            Codec::H264 { .. }
            | Codec::Aac { .. }
            | Codec::Opus { .. }
            | Codec::G711 { .. }
            | Codec::Generic { .. } => payload::has_b_slice(unit, codec),
        };
    }
}

/// With fewer pictures at hand, what the parameter sets announce counts: a stream that has just begun shows no B-frame
/// yet.
const ENOUGH_PICTURES: usize = 5;

fn announces_reordering(video: &Track) -> bool {
    video.codec.video().and_then(|video| video.max_num_reorder).is_some_and(|frames| frames > 0)
}

/// Rates of a stream's video, measured on media time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    begun_us: Option<i64>,
    frames: u32,
    bytes: usize,
    keyframe_us: Option<i64>,
    /// Frames per second.
    pub(super) fps: f32,
    /// Kilobits per second.
    pub(super) kbps: u32,
    /// From keyframe to keyframe.
    pub(super) gop_ms: Option<u32>,
}

impl Meter {
    /// Rates are taken over this much media time.
    const WINDOW_US: i64 = 2_000_000;

    fn count(&mut self, unit: &AccessUnit) {
        let us = unit.head().pts.to_us();
        if unit.head().keyframe {
            let since = self.keyframe_us.replace(us).map(|before| us.saturating_sub(before));
            self.gop_ms = since.and_then(|us| u32::try_from(us / 1000).ok()).or(self.gop_ms);
        }
        let begun = *self.begun_us.get_or_insert(us);
        let span = us.saturating_sub(begun);
        if !(0..Self::WINDOW_US).contains(&span) {
            if span > 0 {
                self.fps = (f64::from(self.frames) * 1e6 / span as f64) as f32;
                self.kbps = u32::try_from(self.bytes as i64 * 8_000 / span).unwrap_or(u32::MAX);
            }
            self.begun_us = Some(us);
            self.frames = 0;
            self.bytes = 0;
        }
        self.frames += 1;
        self.bytes += unit.size();
    }
}

/// Tells the thread of every push; pushes that come while it is busy count as one.
async fn tell(stream: Stream, key: usize, wake: mpsc::Sender<usize>) {
    loop {
        let mut next = pin!(stream.next_push());
        next.as_mut().enable();
        if wake.send(key).await.is_err() {
            return;
        }
        next.await;
    }
}
