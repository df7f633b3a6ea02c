//! The packager of one path: pulls the stream, publishes editions, answers requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{PathName, WallTime};
use media_proto::{
    AccessUnit,
    hls::{Directives, RenditionReport, Variant},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Config, MuxerSnapshot, Resource,
    cutter::{Cut, Cutter, has_video},
    edition::{Edition, Form},
    publication::Publication,
    window::{Frame, Readiness},
};
use crate::{
    Error, Pulled,
    hub::Reader,
    stream::{Backlog, Join, Stream, wall_now},
};

/// The low-latency media playlist's name.
pub(super) const LOW_LATENCY: &str = "main_stream.m3u8";
/// The name of the media playlist of whole segments.
pub(super) const PLAIN: &str = "main_stream_fmp4.m3u8";
/// A playlist waits for the first segments for at most this long.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// A source that gives no picture for this long, or for [`OUTAGE_PICTURES`] pictures, is missed: gaps are published.
const OUTAGE_AFTER: Duration = Duration::from_secs(2);
const OUTAGE_PICTURES: u32 = 4;

/// What is published.
#[derive(Clone, Debug)]
enum Published {
    Nothing,
    Edition(Arc<Edition>),
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
    /// Paths of the camera's other streams.
    kin: Vec<PathName>,
    published: watch::Sender<Published>,
}

impl Packager {
    pub(super) fn new(path: PathName, config: Config, kin: Vec<PathName>, now: WallTime) -> Self {
        Self {
            path,
            config,
            kin,
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

    pub(super) fn kin(&self) -> &[PathName] {
        &self.kin
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

    /// Pulls the stream until it ends or cannot be shown. `epoch` is where the timelines of all packagers begin; `kin_frame`
    /// says what another rendition of the camera has decided.
    pub(super) async fn run(&self, reader: &Reader, epoch: Instant, kin_frame: impl Fn() -> Option<Frame>) {
        if let Err(error) = self.package(reader, epoch, kin_frame).await {
            self.published.send_replace(Published::Failed(Arc::new(error)));
        }
    }

    async fn package(&self, reader: &Reader, epoch: Instant, kin: impl Fn() -> Option<Frame>) -> Result<(), Error> {
        let tracks = reader.ready().await?.tracks;
        let stream = reader.stream();
        let mut subscription = stream.subscribe(Join::OldestKeyframe, Backlog::Deep);
        let unfit = || {
            let found = if has_video(&tracks) { "its video is neither H.264 nor H.265" } else { "it has no video" };
            Error::Unsupported(format!("path {} cannot be shown as HLS: {found}", self.path))
        };
        let shift_us = shift_us(stream, epoch);
        let cutter = Cutter::new(self.config.clone(), &tracks, shift_us).ok_or_else(unfit)?;
        let publication = Publication::new(self.created, self.config.clone());
        let mut work = Work { cutter, publication, silence: Silence::new(), kin };
        loop {
            let news = tokio::select! {
                pulled = subscription.pull() => match pulled {
                    Pulled::Described(description) => work.described(&description.tracks),
                    Pulled::Unit(unit) => work.push(&unit, stream),
                    Pulled::Gap(units) => {
                        self.discarded.fetch_add(units, Ordering::Relaxed);
                        work.cutter.note_gap();
                        false
                    }
                    Pulled::End => {
                        // A path that only begins anew goes on under the same address.
                        if reader.path_is_gone() && work.end() {
                            self.publish(&work.publication);
                        }
                        return Ok(());
                    }
                },
                () = sleep_until(work.silence.due) => work.missed(),
            };
            if news {
                if self.current().is_none() {
                    reader.shows_first_picture();
                }
                self.publish(&work.publication);
            }
        }
    }

    fn publish(&self, publication: &Publication) {
        let edition = Edition::new(publication.window().clone());
        self.published.send_replace(Published::Edition(Arc::new(edition)));
    }

    /// Whether the path is gone and its playlists say so.
    pub(super) fn is_ended(&self) -> bool {
        self.current().is_some_and(|edition| edition.window.ended)
    }

    /// A media playlist or media, and since when it is there if it was waited for.
    pub(super) async fn answer(
        &self,
        file: &str,
        directives: Directives,
        kin: &[Arc<Self>],
    ) -> Result<(Resource, Option<std::time::Instant>), Error> {
        let form = match file {
            LOW_LATENCY => Form::LowLatency,
            PLAIN => Form::Plain,
            media => return self.media(media).await,
        };
        let low_latency = form == Form::LowLatency;
        let fits = |edition: &Edition| match edition.window.readiness(directives, low_latency) {
            Readiness::Ready => Ok(true),
            Readiness::Wait => Ok(false),
            Readiness::TooFarAhead => Err(Error::Malformed("the playlist is asked for too far ahead".into())),
        };
        let (edition, waited) = self.edition(|target| target * 3, fits).await?;
        let reports = || kin.iter().filter_map(|other| other.report(file, self)).collect();
        Ok((Resource::Playlist(edition.playlist(form, directives.skip, reports)), waited))
    }

    async fn media(&self, file: &str) -> Result<(Resource, Option<std::time::Instant>), Error> {
        let known = |edition: &Edition| Ok(edition.window.media(file).is_some() || !edition.window.is_hinted(file));
        let (edition, waited) = self.edition(|target| target * 3, known).await?;
        let media = edition.window.media(file).ok_or(Error::NotFound("this HLS file"))?;
        Ok((Resource::Media(media), waited))
    }

    /// What the multivariant playlist of `viewed` says of this rendition, once it is known.
    pub(super) async fn variant(&self, file: &str, viewed: &Self) -> Result<Variant, Error> {
        let (edition, _) = self.edition(|_| FIRST_WAIT, |_| Ok(true)).await?;
        Ok(edition.window.variant(uri(file, &self.path, &viewed.path)))
    }

    /// What the playlists of `viewed` say of this rendition, if both keep to the same durations.
    fn report(&self, file: &str, viewed: &Self) -> Option<RenditionReport> {
        let (own, other) = (self.current()?, viewed.current()?);
        let same = own.window.frame == other.window.frame;
        same.then(|| own.window.report(uri(file, &self.path, &viewed.path))).flatten()
    }

    /// What has been decided of the durations.
    pub(super) fn frame(&self) -> Option<Frame> {
        self.current().map(|edition| edition.window.frame)
    }

    fn current(&self) -> Option<Arc<Edition>> {
        match &*self.published.borrow() {
            Published::Edition(edition) => Some(Arc::clone(edition)),
            Published::Nothing | Published::Failed(_) => None,
        }
    }

    /// Waits for an edition that fits: for the first one as long as a source may need, for another as long as `limit` makes
    /// of the target duration. Says since when it is there if it was waited for.
    async fn edition(
        &self,
        limit: impl Fn(Duration) -> Duration,
        fits: impl Fn(&Edition) -> Result<bool, Error>,
    ) -> Result<(Arc<Edition>, Option<std::time::Instant>), Error> {
        let limit = self.current().map_or(FIRST_WAIT, |edition| limit(edition.window.frame.target_duration()));
        let mut published = self.published.subscribe();
        let waiting = async {
            let mut waited = false;
            loop {
                let now = published.borrow_and_update().clone();
                match now {
                    Published::Failed(error) => return Err(copy(&error, &self.path)),
                    Published::Edition(edition) if fits(&edition)? => {
                        let since = waited.then_some(edition.made);
                        return Ok((edition, since));
                    }
                    Published::Edition(_) | Published::Nothing => {}
                }
                waited = true;
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

/// What the task of a packager works on.
struct Work<K> {
    cutter: Cutter,
    publication: Publication,
    silence: Silence,
    kin: K,
}

impl<K: Fn() -> Option<Frame>> Work<K> {
    /// Takes cuts; true when there is something new to publish.
    fn take(&mut self, cuts: impl IntoIterator<Item = Cut>) -> bool {
        let mut news = false;
        for cut in cuts {
            if matches!(cut, Cut::Segment { .. }) {
                self.silence.ended();
            }
            news |= self.publication.take(cut, &mut self.cutter, &self.kin);
        }
        news
    }

    fn described(&mut self, tracks: &[media_proto::Track]) -> bool {
        let last = self.cutter.describe(tracks);
        self.take(last)
    }

    fn push(&mut self, unit: &AccessUnit, stream: &Stream) -> bool {
        if self.cutter.is_picture(unit) {
            self.silence.broken_by_picture(stream.video_interval());
        }
        let cuts = self.cutter.push(unit);
        self.take(cuts)
    }

    /// Nothing follows any more; true when there is something to publish.
    fn end(&mut self) -> bool {
        let last = self.cutter.pause();
        self.take(last);
        self.publication.end()
    }

    /// The source is silent: publishes the gap as far as it goes by now.
    fn missed(&mut self) -> bool {
        let Some(part) = self.publication.part_target() else {
            self.silence.due = Instant::now() + OUTAGE_AFTER;
            return false;
        };
        let last = self.silence.begin().then(|| self.cutter.pause()).flatten();
        let mut news = self.take(last);
        for _ in 0..self.silence.parts_due(part) {
            news |= self.publication.miss();
        }
        news
    }
}

/// How long no picture has come, and how much of that has been published as a gap.
struct Silence {
    last_picture: Instant,
    /// Set while gaps are published: how many parts.
    gap: Option<u32>,
    /// When to look again.
    due: Instant,
}

impl Silence {
    fn new() -> Self {
        let now = Instant::now();
        Self { last_picture: now, gap: None, due: now + OUTAGE_AFTER }
    }

    fn broken_by_picture(&mut self, interval: Option<Duration>) {
        if self.gap.is_none() {
            self.last_picture = Instant::now();
            let patience = interval.map_or(OUTAGE_AFTER, |interval| (interval * OUTAGE_PICTURES).max(OUTAGE_AFTER));
            self.due = self.last_picture + patience;
        }
    }

    /// Pictures can be shown again.
    fn ended(&mut self) {
        self.gap = None;
        self.broken_by_picture(None);
    }

    /// True when a gap begins with this.
    fn begin(&mut self) -> bool {
        let begins = self.gap.is_none();
        self.gap.get_or_insert(0);
        begins
    }

    /// The parts by which the gap has grown.
    fn parts_due(&mut self, part: Duration) -> u32 {
        let now = Instant::now();
        let silent = now.duration_since(self.last_picture).as_micros() / part.as_micros().max(1);
        let whole = u32::try_from(silent).unwrap_or(u32::MAX);
        let grown = whole.saturating_sub(self.gap.unwrap_or(0));
        self.gap = Some(whole);
        self.due = self.last_picture + part * whole.saturating_add(1);
        grown
    }
}

/// What is added to the media times of a stream, so that streams of one camera are in step.
fn shift_us(stream: &Stream, epoch: Instant) -> i64 {
    /// Streams may be a little older than the packagers, and decoding times must not be below zero.
    const BEFORE_US: i64 = 3_600_000_000;
    let (origin, epoch) = (stream.origin(), epoch.into_std());
    let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(0);
    let later = us(origin.saturating_duration_since(epoch));
    let earlier = us(epoch.saturating_duration_since(origin)).min(BEFORE_US / 2);
    BEFORE_US + later - earlier
}

/// Where the file of one path is, seen from a playlist of another.
fn uri(file: &str, path: &PathName, from: &PathName) -> String {
    if path == from {
        return file.to_owned();
    }
    let up = "../".repeat(from.as_str().split('/').count());
    format!("{up}{path}/{file}")
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
