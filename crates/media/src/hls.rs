//! LL-HLS: one packager per path, made by the first request and dropped some time after the last.
//!
//! A packager pulls the stream once and cuts it into parts and segments of fragmented MP4 (H.264, H.265, AAC, Opus; other
//! tracks are left out). What it publishes is immutable and shared by all viewers; a request waits on a watch, never on a
//! lock. A source outage leaves the playlist standing; when pictures come again they follow a discontinuity.

mod cutter;
mod packager;
mod sounds;
mod window;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{PathName, SessionId, WallTime};
use media_proto::hls::Directives;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{Error, Hub, admission::Permit, config::Global, hub::ReaderKind, stream::wall_now};

use packager::Packager;

/// Requests that may wait at a time, over all paths.
const WAITING_MAX: usize = 20_000;

/// How packagers cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Segments in a playlist.
    pub segment_count: usize,
    /// The least length of a segment.
    pub segment_duration: Duration,
    /// The length of a part, which is made to fit whole pictures.
    pub part_duration: Duration,
    /// The most bytes of a segment; it is cut early.
    pub segment_max_bytes: usize,
    /// How long a packager lives after its last request.
    pub close_after: Duration,
}

impl From<&Global> for Config {
    fn from(global: &Global) -> Self {
        Self {
            segment_count: usize::try_from(global.hls_segment_count).unwrap_or(usize::MAX),
            segment_duration: global.hls_segment_duration,
            part_duration: global.hls_part_duration,
            segment_max_bytes: usize::try_from(global.hls_segment_max_bytes).unwrap_or(usize::MAX),
            close_after: global.hls_muxer_close_after,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from(&Global::default())
    }
}

/// What a request gets.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A playlist: changes all the time.
    Playlist(String),
    /// Media: never changes under its name.
    Media(Bytes),
}

/// A packager, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct MuxerSnapshot {
    /// Its path.
    pub path: PathName,
    /// When it was made.
    pub created: WallTime,
    /// When the last request came.
    pub last_request: WallTime,
    /// Bytes sent to viewers.
    pub outbound_bytes: u64,
    /// Units of the stream that it lost because it was slow.
    pub outbound_frames_discarded: u64,
}

/// All packagers. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct Muxers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    global: watch::Receiver<Arc<Global>>,
    hub: Hub,
    stop: CancellationToken,
    tasks: TaskTracker,
    packagers: Mutex<BTreeMap<PathName, Arc<Packager>>>,
    waiting: AtomicUsize,
}

impl Muxers {
    /// No packagers yet. Each is made by what `global` says then, and keeps to it; `stop` ends those to come.
    #[must_use]
    pub fn new(global: watch::Receiver<Arc<Global>>, hub: Hub, stop: CancellationToken) -> Self {
        let packagers = Mutex::default();
        let waiting = AtomicUsize::new(0);
        Self(Arc::new(Shared { global, hub, stop, tasks: TaskTracker::new(), packagers, waiting }))
    }

    /// Answers a request for `file` of a path: `index.m3u8`, `main_stream.m3u8`, or media that a playlist names.
    ///
    /// # Errors
    /// [`Error::NotConfigured`], [`Error::NoStream`] and [`Error::SourceNotReady`] as for every reader;
    /// [`Error::NotFound`] for a file that is not or no longer there; [`Error::Malformed`] for a wrong delivery directive;
    /// [`Error::Limit`] when too many requests wait or one has waited too long.
    pub async fn request(&self, path: &PathName, file: &str, query: &str) -> Result<Resource, Error> {
        let directives = Directives::parse(query).map_err(|error| Error::Malformed(error.to_string()))?;
        let packager = self.packager(path)?;
        packager.touch();
        let _waiting = Waiting::enter(&self.0.waiting)?;
        let resource = packager.answer(file, directives).await?;
        let bytes = match &resource {
            Resource::Playlist(text) => text.len(),
            Resource::Media(media) => media.len(),
        };
        packager.count_sent(bytes as u64);
        Ok(resource)
    }

    /// All packagers, in the order of their paths.
    #[must_use]
    pub fn list(&self) -> Vec<MuxerSnapshot> {
        self.packagers().values().map(|packager| packager.snapshot()).collect()
    }

    /// The packager of a path.
    #[must_use]
    pub fn get(&self, path: &PathName) -> Option<MuxerSnapshot> {
        self.packagers().get(path).map(|packager| packager.snapshot())
    }

    /// Waits for the tasks of all packagers, once they were told to stop.
    pub async fn stopped(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn packager(&self, path: &PathName) -> Result<Arc<Packager>, Error> {
        let mut packagers = self.packagers();
        if let Some(packager) = packagers.get(path) {
            return Ok(Arc::clone(packager));
        }
        let permit = Permit::new("hls".into(), ());
        let reader = self.0.hub.attach(path, permit, ReaderKind::HlsMuxer, SessionId::from_uuid(Uuid::new_v4()))?;
        let config = Config::from(&**self.0.global.borrow());
        let packager = Arc::new(Packager::new(path.clone(), config, wall_now()));
        packagers.insert(path.clone(), Arc::clone(&packager));
        let (muxers, running) = (self.clone(), Arc::clone(&packager));
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = running.run(&reader) => {}
                () = running.unused() => {}
                () = muxers.0.stop.cancelled() => {}
            }
            muxers.packagers().remove(running.path());
            running.close();
        });
        Ok(packager)
    }

    fn packagers(&self) -> MutexGuard<'_, BTreeMap<PathName, Arc<Packager>>> {
        self.0.packagers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the waiting requests.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Result<Self, Error> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(Error::Limit { what: "the number of waiting HLS requests", limit: WAITING_MAX as u64 });
        }
        Ok(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
