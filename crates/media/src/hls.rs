//! LL-HLS: one packager per path, made by the first request and dropped some time after the last.
//!
//! A packager pulls the stream once and cuts it into parts and segments of fragmented MP4 (H.264, H.265, AAC, Opus; other
//! tracks are left out). What it publishes is immutable and shared by all viewers; a request waits on a watch, never on a
//! lock. While the source is away the playlist goes on with gaps; when pictures come again they follow a discontinuity. Once
//! the path itself is gone, the playlist ends.
//! The main stream of a camera lists the sub stream as a second rendition when that runs, too.

mod cutter;
mod edition;
mod packager;
mod publication;
mod sounds;
mod window;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{Camera, PathName, SessionId, WallTime};
use media_proto::hls::{Directives, multivariant};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{Error, Hub, admission::Permit, catalogue::Catalogue, config::Global, hub::ReaderKind, stream::wall_now};

pub use edition::Text;
use packager::{LOW_LATENCY, PLAIN, Packager};
use window::Frame;

/// Requests that may wait at a time, over all paths.
const WAITING_MAX: usize = 20_000;
/// A segment is cut without a keyframe when it would be longer than this, or than half as much again as is configured.
const SEGMENT_MAX: Duration = Duration::from_secs(6);
/// The playlists of a path that is gone say so for at most this long, while somebody asks.
const ENDED_MAX: Duration = Duration::from_secs(300);
/// A multivariant playlist waits this long for the camera's other rendition.
const KIN_WAIT: Duration = Duration::from_secs(4);

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

impl Config {
    /// The longest a segment may be.
    fn segment_max(&self) -> Duration {
        SEGMENT_MAX.max(self.segment_duration.mul_f64(1.5))
    }
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
    Playlist(Text),
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
#[derive(Clone)]
pub struct Muxers(Arc<Shared>);

impl fmt::Debug for Muxers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muxers").field("packagers", &self.packagers().len()).finish_non_exhaustive()
    }
}

struct Shared {
    global: watch::Receiver<Arc<Global>>,
    hub: Hub,
    catalogue: Arc<dyn Catalogue>,
    /// Where the timelines of all packagers begin.
    epoch: Instant,
    stop: CancellationToken,
    tasks: TaskTracker,
    packagers: Mutex<BTreeMap<PathName, Arc<Packager>>>,
    waiting: AtomicUsize,
}

impl Muxers {
    /// No packagers yet. Each is made by what `global` says then, and keeps to it; `catalogue` tells which streams are of one
    /// camera; `stop` ends the packagers.
    #[must_use]
    pub fn new(
        global: watch::Receiver<Arc<Global>>,
        hub: Hub,
        catalogue: Arc<dyn Catalogue>,
        stop: CancellationToken,
    ) -> Self {
        let (packagers, waiting) = (Mutex::default(), AtomicUsize::new(0));
        let (epoch, tasks) = (Instant::now(), TaskTracker::new());
        Self(Arc::new(Shared { global, hub, catalogue, epoch, stop, tasks, packagers, waiting }))
    }

    /// Answers a request for `file` of a path: `index.m3u8` or `index_fmp4.m3u8` (without low latency), and what these name.
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
        let resource = match file {
            "index.m3u8" | "index_fmp4.m3u8" if packager.is_ended() => return Err(Error::NotConfigured(path.clone())),
            "index.m3u8" => self.index(&packager, LOW_LATENCY).await?,
            "index_fmp4.m3u8" => self.index(&packager, PLAIN).await?,
            _ => {
                let (resource, waited) = packager.answer(file, directives, &self.running(packager.kin())).await?;
                if let Some(there_since) = waited {
                    self.0.hub.measures().hls_delivery.add(there_since.elapsed());
                }
                resource
            }
        };
        let bytes = match &resource {
            Resource::Playlist(text) => text.plain().len(),
            Resource::Media(media) => media.len(),
        };
        packager.count_sent(bytes as u64);
        Ok(resource)
    }

    /// The multivariant playlist. That of a main stream also lists the sub stream when it runs; that of a sub stream is
    /// asked for by those who want the small picture, and lists it alone.
    async fn index(&self, packager: &Packager, file: &str) -> Result<Resource, Error> {
        let mut variants = vec![packager.variant(file, packager).await?];
        if let Some(other) = self.lesser(packager.path()).and_then(|sub| self.packager(&sub).ok()) {
            other.touch();
            let known = timeout(KIN_WAIT, other.variant(file, packager)).await;
            variants.extend(known.ok().and_then(Result::ok).filter(|_| other.frame() == packager.frame()));
        }
        Ok(Resource::Playlist(Text::new(multivariant(&variants))))
    }

    /// The sub stream of a main stream, when it runs.
    fn lesser(&self, path: &PathName) -> Option<PathName> {
        let camera = self.camera(path)?;
        let sub = camera.sub.filter(|_| camera.main.as_ref() == Some(path))?;
        self.0.hub.path_snapshot(&sub).filter(|sub| sub.is_ready()).map(|_| sub)
    }

    fn camera(&self, path: &PathName) -> Option<Camera> {
        let of = |camera: &Camera| camera.main.as_ref() == Some(path) || camera.sub.as_ref() == Some(path);
        self.0.catalogue.cameras().into_iter().find(of)
    }

    /// The paths whose renditions the multivariant playlist of this one may list.
    #[must_use]
    pub fn others(&self, path: &PathName) -> Vec<PathName> {
        self.lesser(path).into_iter().collect()
    }

    /// The paths of the other streams of a path's camera.
    fn kin(&self, path: &PathName) -> Vec<PathName> {
        let streams = self.camera(path).into_iter().flat_map(|camera| [camera.main, camera.sub]).flatten();
        streams.filter(|other| other != path).collect()
    }

    /// The packagers of these paths, those there are.
    fn running(&self, paths: &[PathName]) -> Vec<Arc<Packager>> {
        if paths.is_empty() {
            return vec![];
        }
        let packagers = self.packagers();
        paths.iter().filter_map(|path| packagers.get(path).cloned()).collect()
    }

    /// What the packager of another stream of the same camera has decided.
    fn kin_frame(&self, packager: &Packager) -> Option<Frame> {
        self.running(packager.kin()).iter().find_map(|other| other.frame())
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
        // One that has ended makes room when the path is there again.
        let serves = |packager: &&Arc<Packager>| !packager.is_ended() || !self.0.hub.is_configured(path);
        if let Some(packager) = self.packagers().get(path).filter(serves) {
            return Ok(Arc::clone(packager));
        }
        let kin = self.kin(path);
        let mut packagers = self.packagers();
        if let Some(packager) = packagers.get(path).filter(serves) {
            return Ok(Arc::clone(packager));
        }
        let permit = Permit::new("hls".into(), ());
        let reader = self.0.hub.attach(path, permit, ReaderKind::HlsMuxer, SessionId::from_uuid(Uuid::new_v4()))?;
        let config = Config::from(&**self.0.global.borrow());
        let packager = Arc::new(Packager::new(path.clone(), config, kin, wall_now()));
        packagers.insert(path.clone(), Arc::clone(&packager));
        let (muxers, running) = (self.clone(), Arc::clone(&packager));
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = running.run(&reader, muxers.0.epoch, || muxers.kin_frame(&running)) => {}
                () = running.unused() => {}
                () = muxers.0.stop.cancelled() => {}
            }
            drop(reader);
            if running.is_ended() {
                tokio::select! {
                    () = running.unused() => {}
                    () = sleep(ENDED_MAX) => {}
                    () = muxers.0.stop.cancelled() => {}
                }
            }
            muxers.forget(&running);
            running.close();
        });
        Ok(packager)
    }

    fn forget(&self, packager: &Arc<Packager>) {
        let mut packagers = self.packagers();
        if packagers.get(packager.path()).is_some_and(|known| Arc::ptr_eq(known, packager)) {
            packagers.remove(packager.path());
        }
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
