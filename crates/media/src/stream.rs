//! The recent past of one stream, and the cursors that read it.
//!
//! A source pushes each access unit once; every reader pulls at its own pace through a [`Subscription`]. A push never
//! waits for a reader. A reader that falls behind is put forward to the newest keyframe and told how many units it lost.
//! Who begins at a CRA or BLA picture of H.265 gets none of the pictures after it that refer to what was before.
//!
//! Limits: the ring keeps the current and the previous GOP. Beyond [`PREVIOUS_GOP_BYTES`] or [`PREVIOUS_GOP_AGE`] the
//! previous one goes; beyond [`CURRENT_GOP_BYTES`] the current one goes too, a keyframe is asked for and the truncation
//! is counted. Readers that have not read it yet continue at the next keyframe.

mod ring;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use domain::WallTime;
use media_proto::{AccessUnit, Track, TrackKind};
use tokio::sync::{Notify, futures::Notified, watch};

use crate::measures::Meter;
use ring::{Read, Ring};

/// The previous GOP goes when the ring is larger than this.
pub const PREVIOUS_GOP_BYTES: usize = 8 << 20;
/// The previous GOP goes when it began longer ago than this.
pub const PREVIOUS_GOP_AGE: Duration = Duration::from_secs(12);
/// The current GOP goes when the ring is larger than this.
pub const CURRENT_GOP_BYTES: usize = 32 << 20;
/// A live reader further behind than this continues at the newest keyframe.
pub const LIVE_BACKLOG: Duration = Duration::from_secs(2);

/// The recent past of one stream. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Stream(Arc<Shared>);

/// Told of each push by whoever pushes, and on its time: what one that keeps up does itself needs no task to be woken.
pub(crate) trait Observer: std::fmt::Debug + Send + Sync {
    /// A unit was pushed, or the stream was described or has ended; `rank` observers were told before this one. Must not
    /// wait, and must not subscribe or ask the hub for anything.
    fn pushed(&self, rank: usize);
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    ring: Mutex<Ring>,
    pushed: Notify,
    /// Replaced as a whole, so that none is told under the lock.
    observers: Mutex<Arc<[Weak<dyn Observer>]>>,
    keyframe_wanted: Notify,
    state: watch::Sender<State>,
    /// The source waits for its turn to connect.
    queued: watch::Sender<bool>,
    up_since: Mutex<Option<WallTime>>,
    counters: Counters,
}

/// What a stream consists of at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The tracks; empty until the source has delivered for the first time.
    pub tracks: Arc<[Track]>,
    /// Grows by one whenever the tracks or their parameters change.
    pub version: u64,
}

/// What the source of a stream is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// An on-demand source that nobody watches.
    Idle,
    /// The source is being reached.
    Connecting,
    /// Access units arrive.
    Online,
    /// The source is connected, but no video unit came for a while.
    Stalled {
        /// When the last one came.
        since: Instant,
    },
    /// Nothing arrives.
    Offline {
        /// What went wrong, for operators.
        reason: String,
    },
}

impl State {
    /// Whether readers are let in.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self {
            Self::Online | Self::Stalled { .. } => true,
            Self::Idle | Self::Connecting | Self::Offline { .. } => false,
        }
    }
}

/// Numbers of a stream, counted since it was made.
#[derive(Debug, Default)]
pub struct Counters {
    /// Payload bytes received.
    pub inbound_bytes: AtomicU64,
    /// Units that could not be used.
    pub inbound_units_in_error: AtomicU64,
    /// Payload bytes sent to readers.
    pub outbound_bytes: AtomicU64,
    /// Units that readers lost because they were slow.
    pub skipped_units: AtomicU64,
    /// Times a GOP was too large to keep.
    pub gops_truncated: AtomicU64,
}

/// Where a new reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// At the newest keyframe held, so that a picture shows at once.
    NewestKeyframe,
    /// At the oldest keyframe held, to learn of the past what can be learnt.
    OldestKeyframe,
    /// With the next keyframe to come.
    NextKeyframe,
}

/// What a reader that falls behind gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// More than [`LIVE_BACKLOG`] behind: the newest keyframe.
    Live,
    /// Everything the ring still holds (recorder).
    Deep,
}

/// What [`Subscription::pull`] found.
#[derive(Clone, Debug)]
pub enum Pulled {
    /// The tracks, first and whenever they change; units that follow belong to them.
    Described(Description),
    /// The next unit.
    Unit(AccessUnit),
    /// This many units are lost to this reader; a keyframe follows.
    Gap(u64),
    /// The stream is gone for good.
    End,
}

impl Stream {
    /// An empty stream whose media time starts at `origin`.
    #[must_use]
    pub fn new(origin: Instant) -> Self {
        Self(Arc::new(Shared {
            origin,
            ring: Mutex::default(),
            pushed: Notify::new(),
            observers: Mutex::new(Arc::new([])),
            keyframe_wanted: Notify::new(),
            state: watch::Sender::new(State::Idle),
            queued: watch::Sender::new(false),
            up_since: Mutex::new(None),
            counters: Counters::default(),
        }))
    }

    /// The instant at which the media time of every track is zero.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.0.origin
    }

    /// Says what the stream consists of. The same tracks again change nothing.
    pub fn describe(&self, tracks: &[Track]) {
        self.ring().describe(tracks);
        self.tell();
    }

    /// What the stream consists of.
    #[must_use]
    pub fn description(&self) -> Description {
        self.ring().description().clone()
    }

    /// Appends one unit. Never waits for anyone.
    pub fn push(&self, unit: AccessUnit) {
        self.append(unit);
    }

    /// Appends one unit of a source and notes that the source is up.
    pub fn push_online(&self, unit: AccessUnit) {
        let shows_life = self.append(unit);
        if shows_life && *self.0.state.borrow() != State::Online {
            self.set_state(State::Online);
        }
    }

    /// Appends one unit; whether it shows that the source is alive.
    fn append(&self, unit: AccessUnit) -> bool {
        self.0.counters.inbound_bytes.fetch_add(unit.size() as u64, Ordering::Relaxed);
        let pushed = self.ring().push(unit);
        if pushed.truncated {
            self.0.counters.gops_truncated.fetch_add(1, Ordering::Relaxed);
            self.request_keyframe();
        }
        self.tell();
        pushed.shows_life
    }

    /// Tells all readers that there is something new.
    fn tell(&self) {
        let observers = Arc::clone(&self.observers());
        for (rank, observer) in observers.iter().filter_map(Weak::upgrade).enumerate() {
            observer.pushed(rank);
        }
        self.0.pushed.notify_waiters();
    }

    /// Tells `observer` of each push as long as it lives.
    pub(crate) fn observe(&self, observer: Weak<dyn Observer>) {
        let mut observers = self.observers();
        let living = observers.iter().filter(|known| known.strong_count() > 0).cloned();
        *observers = living.chain([observer]).collect();
    }

    /// Waits for the next push, change or end. Enable it before looking for what is there: an output that serves many
    /// subscriptions wakes once for all of them.
    pub fn next_push(&self) -> Notified<'_> {
        self.0.pushed.notified()
    }

    /// Tells streams apart as long as a handle to each is held.
    #[must_use]
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Ends the stream for all readers.
    pub fn end(&self) {
        self.ring().end();
        self.tell();
    }

    /// A new cursor.
    #[must_use]
    pub fn subscribe(&self, join: Join, backlog: Backlog) -> Subscription {
        let cursor = self.ring().join(join);
        if cursor.awaits_keyframe() {
            self.request_keyframe();
        }
        Subscription { stream: self.clone(), cursor, backlog, meter: None }
    }

    /// Asks the source for a keyframe. The source side limits the rate.
    pub fn request_keyframe(&self) {
        self.0.keyframe_wanted.notify_one();
    }

    /// Waits until someone wants a keyframe. For the one source task of this stream.
    pub async fn keyframe_wanted(&self) {
        self.0.keyframe_wanted.notified().await;
    }

    /// What the source is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Follows what the source is doing.
    #[must_use]
    pub fn watch_state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Says whether the source waits for its turn to connect.
    pub(crate) fn set_queued(&self, queued: bool) {
        self.0.queued.send_if_modified(|now| std::mem::replace(now, queued) != queued);
    }

    /// Follows whether the source waits for its turn to connect.
    pub(crate) fn watch_queue(&self) -> watch::Receiver<bool> {
        self.0.queued.subscribe()
    }

    /// Says what the source is doing. For the source's supervisor.
    pub fn set_state(&self, state: State) {
        self.0.state.send_if_modified(|now| {
            let changed = *now != state;
            if now.is_up() != state.is_up() {
                let up_since = state.is_up().then(wall_now);
                *self.0.up_since.lock().unwrap_or_else(PoisonError::into_inner) = up_since;
            }
            if changed {
                *now = state;
            }
            changed
        });
    }

    /// Since when the stream can be read without a break.
    #[must_use]
    pub fn up_since(&self) -> Option<WallTime> {
        *self.0.up_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the newest unit of a track of this kind arrived.
    #[must_use]
    pub fn last_arrival(&self, kind: TrackKind) -> Option<Instant> {
        self.ring().last_arrival(kind)
    }

    /// When the newest unit arrived that shows the source to be alive: a video unit where there is video, else any.
    #[must_use]
    pub fn last_sign_of_life(&self) -> Option<Instant> {
        self.ring().last_sign_of_life()
    }

    /// The frame interval of the video as seen lately.
    #[must_use]
    pub fn video_interval(&self) -> Option<Duration> {
        self.ring().video_interval()
    }

    /// The numbers of this stream.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// The access units held, the oldest first: for looking at what the stream is like. Readers subscribe.
    #[must_use]
    pub fn held(&self) -> Vec<AccessUnit> {
        self.ring().held()
    }

    /// Bytes of access units held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.ring().bytes()
    }

    fn observers(&self) -> MutexGuard<'_, Arc<[Weak<dyn Observer>]>> {
        self.0.observers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cursor in a stream's ring. It holds no unit of its own.
#[derive(Debug)]
pub struct Subscription {
    stream: Stream,
    cursor: ring::Cursor,
    backlog: Backlog,
    meter: Option<Meter>,
}

impl Subscription {
    /// The same cursor, measured by `meter`.
    pub(crate) fn measured(self, meter: Option<Meter>) -> Self {
        Self { meter, ..self }
    }

    /// Waits for the next unit, a changed description, a gap, or the end.
    pub async fn pull(&mut self) -> Pulled {
        loop {
            // Mostly this is called because something was pushed.
            if let Some(pulled) = self.try_pull() {
                return pulled;
            }
            let stream = self.stream.clone();
            let mut pushed = std::pin::pin!(stream.0.pushed.notified());
            // Before the look, or a push between look and wait is missed.
            pushed.as_mut().enable();
            if let Some(pulled) = self.try_pull() {
                return pulled;
            }
            pushed.await;
        }
    }

    /// The next unit, a changed description, a gap or the end, if there is one now.
    pub fn try_pull(&mut self) -> Option<Pulled> {
        let read = self.stream.ring().read(&mut self.cursor, self.backlog);
        Some(match read {
            Read::Nothing => {
                if let Some(meter) = &mut self.meter {
                    meter.took_all();
                }
                return None;
            }
            Read::Described(description) => Pulled::Described(description),
            Read::Unit(unit) => {
                if let Some(meter) = &mut self.meter {
                    meter.took(&unit);
                }
                Pulled::Unit(unit)
            }
            Read::End => Pulled::End,
            Read::Gap(units) => {
                self.stream.0.counters.skipped_units.fetch_add(units, Ordering::Relaxed);
                if self.cursor.awaits_keyframe() {
                    self.stream.request_keyframe();
                }
                Pulled::Gap(units)
            }
        })
    }

    /// Goes back to the newest keyframe held, for a viewer that lost its picture. False when none is held.
    pub fn rewind_to_keyframe(&mut self) -> bool {
        self.stream.ring().rewind(&mut self.cursor)
    }

    /// The stream this reads.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }
}

pub(crate) fn wall_now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_us(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
