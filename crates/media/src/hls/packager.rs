//! The packager of one path: pulls the stream, publishes windows, answers requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{PathName, WallTime};
use media_proto::hls::{Directives, Opening};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Config, MuxerSnapshot, Resource,
    cutter::{Cut, Cutter, Init, SEGMENT_MAX, has_video},
    window::{Frame, MEDIA_PLAYLIST, Part, Readiness, Segment, Window},
};
use crate::{
    Error, Pulled,
    hub::Reader,
    stream::{Backlog, Join, wall_now},
};

/// A playlist waits for the first segment for at most this long.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// Initialisation segments kept; older ones belong to segments that are gone.
const INITS_MAX: usize = 10_000;

/// What is published.
#[derive(Clone, Debug)]
enum Published {
    Nothing,
    Window(Arc<Window>),
    /// The stream cannot be had or shown, with the reason.
    Failed(Arc<Error>),
}

#[derive(Debug)]
pub(super) struct Packager {
    path: PathName,
    config: Config,
    created: WallTime,
    last_request: AtomicI64,
    sent: AtomicU64,
    discarded: AtomicU64,
    published: watch::Sender<Published>,
}

impl Packager {
    pub(super) fn new(path: PathName, config: Config, now: WallTime) -> Self {
        Self {
            path,
            config,
            created: now,
            last_request: AtomicI64::new(now.unix_us()),
            sent: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
            published: watch::Sender::new(Published::Nothing),
        }
    }

    pub(super) fn path(&self) -> &PathName {
        &self.path
    }

    pub(super) fn touch(&self) {
        self.last_request.store(wall_now().unix_us(), Ordering::Relaxed);
    }

    pub(super) fn count_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> MuxerSnapshot {
        MuxerSnapshot {
            path: self.path.clone(),
            created: self.created,
            last_request: WallTime::from_unix_us(self.last_request.load(Ordering::Relaxed)),
            outbound_bytes: self.sent.load(Ordering::Relaxed),
            outbound_frames_discarded: self.discarded.load(Ordering::Relaxed),
        }
    }

    /// Ends when no request came for `close_after`.
    pub(super) async fn unused(&self) {
        loop {
            let last = WallTime::from_unix_us(self.last_request.load(Ordering::Relaxed));
            let idle = wall_now().duration_since(last);
            let Some(rest) = self.config.close_after.checked_sub(idle).filter(|rest| !rest.is_zero()) else { return };
            sleep(rest).await;
        }
    }

    /// Tells those who wait that nothing more comes.
    pub(super) fn close(&self) {
        self.published.send_if_modified(|published| {
            let waits = matches!(published, Published::Nothing);
            if waits {
                *published = Published::Failed(Arc::new(Error::NoStream(self.path.clone())));
            }
            waits
        });
    }

    /// Pulls the stream until it ends or cannot be shown.
    pub(super) async fn run(&self, reader: &Reader) {
        if let Err(error) = self.package(reader).await {
            self.published.send_replace(Published::Failed(Arc::new(error)));
        }
    }

    async fn package(&self, reader: &Reader) -> Result<(), Error> {
        let tracks = reader.ready().await?.tracks;
        let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Deep);
        let unfit = || {
            let found = if has_video(&tracks) { "its video is neither H.264 nor H.265" } else { "it has no video" };
            Error::Unsupported(format!("path {} cannot be shown as HLS: {found}", self.path))
        };
        let mut cutter = Cutter::new(self.config.clone(), &tracks).ok_or_else(unfit)?;
        let mut publication = Publication::new(self.created);
        loop {
            match subscription.pull().await {
                Pulled::Described(_) => {}
                Pulled::Unit(unit) => {
                    for cut in cutter.push(&unit) {
                        if publication.take(cut, &cutter, &self.config) {
                            let window = publication.window();
                            cutter.limit_segments(Duration::from_secs(window.frame.target_duration_s));
                            self.published.send_replace(Published::Window(window));
                        }
                    }
                }
                Pulled::Gap(units) => {
                    self.discarded.fetch_add(units, Ordering::Relaxed);
                    cutter.note_gap();
                }
                Pulled::End => return Ok(()),
            }
        }
    }

    pub(super) async fn answer(&self, file: &str, directives: Directives) -> Result<Resource, Error> {
        match file {
            "index.m3u8" => Ok(Resource::Playlist(self.window(FIRST_WAIT, |_| Ok(true)).await?.variant())),
            MEDIA_PLAYLIST => {
                let limit = if directives.msn.is_some() { SEGMENT_MAX * 3 } else { FIRST_WAIT };
                let window = self.window(limit, |window| match window.readiness(directives) {
                    Readiness::Ready => Ok(true),
                    Readiness::Wait => Ok(false),
                    Readiness::TooFarAhead => Err(Error::Malformed("the playlist is asked for too far ahead".into())),
                });
                Ok(Resource::Playlist(window.await?.playlist()))
            }
            media => {
                let known = |window: &Window| Ok(window.media(media).is_some() || !window.is_hinted(media));
                let window = self.window(SEGMENT_MAX, known).await?;
                window.media(media).map(Resource::Media).ok_or(Error::NotFound("this HLS file"))
            }
        }
    }

    /// Waits for a window that fits.
    async fn window(
        &self,
        limit: Duration,
        fits: impl Fn(&Window) -> Result<bool, Error>,
    ) -> Result<Arc<Window>, Error> {
        let mut published = self.published.subscribe();
        let waiting = async {
            loop {
                let now = published.borrow_and_update().clone();
                match now {
                    Published::Failed(error) => return Err(copy(&error, &self.path)),
                    Published::Window(window) if fits(&window)? => return Ok(window),
                    Published::Window(_) | Published::Nothing => {}
                }
                if published.changed().await.is_err() {
                    return Err(Error::NoStream(self.path.clone()));
                }
            }
        };
        match timeout(limit, waiting).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::SourceNotReady {
                path: self.path.clone(),
                reason: format!("nothing new within {} s", limit.as_secs()),
            }),
        }
    }
}

/// The same refusal for one more request.
fn copy(error: &Error, path: &PathName) -> Error {
    if let Error::SourceNotReady { reason, .. } = error {
        return Error::SourceNotReady { path: path.clone(), reason: reason.clone() };
    }
    if let Error::Unsupported(reason) = error {
        return Error::Unsupported(reason.clone());
    }
    Error::NoStream(path.clone())
}

/// Builds windows out of cuts.
#[derive(Debug)]
struct Publication {
    /// Tenths of a second since 1970: segments are longer, so numbers grow from one packager to the next.
    base: u64,
    window: Option<Window>,
    /// The segment that is being made before the first window is published.
    first: Option<(Opening, Vec<Arc<Part>>)>,
    init: Option<Init>,
}

impl Publication {
    fn new(created: WallTime) -> Self {
        let base = u64::try_from(created.unix_us() / 100_000).unwrap_or(0);
        Self { base, window: None, first: None, init: None }
    }

    /// Takes a cut; true when there is a new window to publish.
    fn take(&mut self, cut: Cut, cutter: &Cutter, config: &Config) -> bool {
        match cut {
            Cut::Segment { wall, init } => self.begin(wall, init, cutter, config),
            Cut::Part { data, duration, independent } => {
                let part = Arc::new(Part { data, duration, independent });
                match (&mut self.window, &mut self.first) {
                    (Some(window), _) => {
                        if let Some(open) = &mut window.open {
                            open.parts.push(part);
                        }
                        true
                    }
                    (None, Some((_, parts))) => {
                        parts.push(part);
                        false
                    }
                    (None, None) => false,
                }
            }
        }
    }

    fn begin(&mut self, wall: WallTime, init: Option<Init>, cutter: &Cutter, config: &Config) -> bool {
        let Some(window) = &mut self.window else {
            return self.begin_first(wall, init, cutter, config);
        };
        window.close_segment();
        let discontinuity = init.is_some();
        if let Some(init) = init {
            if window.inits.len() < INITS_MAX {
                window.inits.push(init.data);
            }
            window.codecs = init.codecs;
            window.resolution = Some(init.resolution);
        }
        let opening =
            Opening { map_uri: map_uri(window.base, window.inits.len()), program_date_time: wall, discontinuity };
        window.open = Some(Segment { number: window.next, opening, parts: vec![] });
        window.next += 1;
        true
    }

    /// Nothing is published before the first segment is whole: its length sets the target duration for good.
    fn begin_first(&mut self, wall: WallTime, init: Option<Init>, cutter: &Cutter, config: &Config) -> bool {
        if let Some((opening, parts)) = self.first.take()
            && let Some(first) = self.init.take()
        {
            let length: Duration = parts.iter().map(|part| part.duration).sum();
            // A GOP may grow by half before segments are cut without a keyframe, which is then at six seconds.
            let target =
                length.mul_f64(1.5).max(config.segment_duration).as_secs_f64().ceil().min(SEGMENT_MAX.as_secs_f64());
            let frame = Frame {
                target_duration_s: (target as u64).max(1),
                part_target: cutter.part_target().max(parts.iter().map(|part| part.duration).max().unwrap_or_default()),
                segment_count: config.segment_count,
            };
            let mut window = Window {
                frame,
                base: self.base,
                inits: vec![first.data],
                codecs: first.codecs,
                resolution: Some(first.resolution),
                frame_rate: first.frame_rate,
                segments: std::collections::VecDeque::new(),
                open: Some(Segment { number: self.base, opening, parts }),
                next: self.base + 1,
            };
            window.close_segment();
            self.window = Some(window);
            return self.begin(wall, init, cutter, config);
        }
        self.init = init;
        let opening = Opening { map_uri: map_uri(self.base, 1), program_date_time: wall, discontinuity: false };
        self.first = Some((opening, vec![]));
        false
    }

    fn window(&self) -> Arc<Window> {
        Arc::new(self.window.clone().expect("it is asked for only after a cut that made one"))
    }
}

/// The newest initialisation segment's name.
fn map_uri(base: u64, count: usize) -> String {
    format!("init_{}.mp4", base + (count as u64).saturating_sub(1))
}
