//! The catalogue in memory: what everybody who looks a camera up reads.
//!
//! A [`Snapshot`] never changes; after each change of the catalogue a new one takes its place, and who follows
//! [`Directory::watch`] is told. Looking up costs no query. Whoever changes cameras through the directory finds the change
//! in it, and the paths of the streams where they belong ([`Directory::lead`]), when the call returns; a change by another
//! process shows after the next [`Directory::refresh`].

mod rtsp;
mod snapshot;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use db::{Applied, CameraFilter, Catalogue, Ending, Page, Presence, Server, ServerId, ServerKind, SyncId, SyncPage};
use domain::{Camera, CameraId, CameraStatus, WallTime};
use media::config::{BaseEntry, Settings};
use tokio::sync::watch;
use uuid::Uuid;

use crate::Error;
pub use rtsp::rtsp_details;
use rtsp::{CREDENTIALS, Userinfo};
pub use snapshot::{Folder, Snapshot};

/// Cameras of one page of an import.
const IMPORT_PAGE: usize = 500;

/// A camera that a listing names: its details, and user and password for each of its streams.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its identity.
    pub id: CameraId,
    /// What is said of it. The addresses of its streams may carry user and password: they are sealed apart.
    pub details: db::Details,
}

/// The cameras. Cloning gives another handle.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

struct Shared {
    catalogue: Arc<dyn Catalogue>,
    now: watch::Sender<Arc<Snapshot>>,
    /// Who serves the streams. Held while a new snapshot is made, so that an older one never takes the place of a newer one.
    led: tokio::sync::Mutex<Option<Led>>,
    /// What the systems say of their cameras.
    reported: Mutex<BTreeMap<CameraId, CameraStatus>>,
}

/// The configuration of paths that follows the cameras.
struct Led {
    settings: Settings,
    /// The entries beside those of cameras.
    others: Vec<BaseEntry>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("cameras", &self.snapshot().cameras().len()).finish_non_exhaustive()
    }
}

impl Directory {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// [`Error::Catalogue`], [`Error::Credentials`].
    pub async fn open(catalogue: Arc<dyn Catalogue>) -> Result<Self, Error> {
        let now = watch::Sender::new(Arc::default());
        let led = tokio::sync::Mutex::default();
        let directory = Self(Arc::new(Shared { catalogue, now, led, reported: Mutex::default() }));
        directory.refresh().await?;
        Ok(directory)
    }

    /// The durable catalogue behind it.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<dyn Catalogue> {
        &self.0.catalogue
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.now.borrow())
    }

    /// Follows what is known.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.now.subscribe()
    }

    /// Reads the catalogue anew.
    ///
    /// # Errors
    /// [`Error::Catalogue`], [`Error::Credentials`], [`Error::Paths`]; then what was known stays.
    pub async fn refresh(&self) -> Result<(), Error> {
        let led = self.0.led.lock().await;
        let snapshot = Arc::new(Snapshot::read(self.0.catalogue.as_ref()).await?);
        if let Some(led) = led.as_ref() {
            led.follow(&snapshot).await?;
        }
        self.0.now.send_if_modified(|now| {
            let differs = **now != *snapshot;
            *now = snapshot;
            differs
        });
        Ok(())
    }

    /// From now on the paths follow the cameras; `others` are the entries beside those of cameras.
    ///
    /// # Errors
    /// [`Error::Paths`].
    pub async fn lead(&self, settings: Settings, others: Vec<BaseEntry>) -> Result<(), Error> {
        let mut led = self.0.led.lock().await;
        let new = Led { settings, others };
        new.follow(&self.snapshot()).await?;
        *led = Some(new);
        Ok(())
    }

    /// The cameras whose name, place, make or model has these words, in Arabic or English; the last word may be unfinished.
    ///
    /// # Errors
    /// [`Error::Catalogue`].
    pub async fn search(&self, text: &str) -> Result<BTreeSet<CameraId>, Error> {
        let filter = || CameraFilter { text: text.to_owned(), presence: Presence::Present, ..CameraFilter::default() };
        let mut found = BTreeSet::new();
        let mut page = Page::first(db::LIST_MAX);
        loop {
            let listed = self.0.catalogue.cameras(filter(), page).await;
            let listed = listed.map_err(catalogue("cannot search the cameras"))?;
            found.extend(listed.items.iter().map(|camera| camera.id));
            let Some(next) = listed.next else { return Ok(found) };
            page = Page { after: Some(next), limit: db::LIST_MAX };
        }
    }

    /// Takes a whole listing, such as that of the configuration file: cameras that an earlier one had and this one has not
    /// are marked as vanished, not deleted.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Stream`]; [`Error::Catalogue`], also when a camera belongs to another listing.
    pub async fn import(&self, name: &str, listed: Vec<Listed>) -> Result<Applied, Error> {
        let id = ServerId::from_uuid(CameraId::derived("listing", name).as_uuid());
        let (kind, address) = (ServerKind::Rtsp, String::new());
        let server = Server { id, kind, name: name.to_owned(), address, has_credentials: false, synced: None };
        self.0.catalogue.put_server(server).await.map_err(catalogue("cannot add the listing of cameras"))?;
        let mut parted = Vec::with_capacity(listed.len());
        for camera in listed {
            let (details, userinfo) = rtsp::parted(camera.id, camera.details)?;
            self.keep_userinfo(camera.id, userinfo).await?;
            parted.push((camera.id, details));
        }
        let applied = self.apply(id, parted).await.map_err(catalogue("cannot import the listing of cameras"))?;
        self.refresh().await?;
        Ok(applied)
    }

    async fn apply(&self, server: ServerId, cameras: Vec<(CameraId, db::Details)>) -> Result<Applied, db::Error> {
        let sync = SyncId::from_uuid(Uuid::new_v4());
        let mut pages: Vec<Vec<_>> = cameras.chunks(IMPORT_PAGE).map(<[_]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let last = pages.len() - 1;
        let mut all = Applied::default();
        for (number, cameras) in (0..).zip(pages) {
            let is_last = usize::try_from(number).is_ok_and(|number| number == last);
            let ending = if is_last { Ending::Exact } else { Ending::Partial };
            let page = SyncPage { sync, number, folders: Vec::new(), cameras, ending };
            let applied = self.0.catalogue.apply_sync(server, page, now()).await?;
            all.cameras += applied.cameras;
            all.returned += applied.returned;
            all.vanished += applied.vanished;
        }
        Ok(all)
    }

    /// Adds or changes one camera that no listing brings.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Stream`]; [`Error::Catalogue`].
    pub async fn put(&self, camera: Listed) -> Result<(), Error> {
        let (details, userinfo) = rtsp::parted(camera.id, camera.details)?;
        self.keep_userinfo(camera.id, userinfo).await?;
        let put = self.0.catalogue.put_camera(camera.id, None, details, now()).await;
        put.map_err(catalogue("cannot keep the camera"))?;
        self.refresh().await
    }

    /// Removes a camera with its history.
    ///
    /// # Errors
    /// [`Error::Catalogue`], also when there is no such camera.
    pub async fn remove(&self, id: CameraId) -> Result<(), Error> {
        self.0.catalogue.remove_camera(id).await.map_err(catalogue("cannot remove the camera"))?;
        self.keep_userinfo(id, Userinfo::default()).await?;
        self.refresh().await
    }

    async fn keep_userinfo(&self, camera: CameraId, userinfo: Userinfo) -> Result<(), Error> {
        let body = (!userinfo.is_empty()).then(|| userinfo.to_json());
        let name = format!("{CREDENTIALS}{camera}");
        if body.is_none() && !self.snapshot().has_userinfo(camera) {
            return Ok(());
        }
        let change = db::SettingsChange { name, body };
        let kept = self.0.catalogue.change_settings(vec![change]).await;
        kept.map_err(catalogue("cannot keep the credentials of the camera"))
    }

    /// Keeps what the system that a camera hangs on says of it; `None` when it says nothing any more.
    pub fn report(&self, camera: CameraId, status: Option<CameraStatus>) {
        let mut reported = self.0.reported.lock().unwrap_or_else(PoisonError::into_inner);
        match status {
            Some(status) => reported.insert(camera, status),
            None => reported.remove(&camera),
        };
    }
}

impl Led {
    async fn follow(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let entries = self.others.iter().cloned().chain(snapshot.entries()).collect();
        self.settings.rebase(entries).await.map_err(Error::Paths)
    }
}

impl media::catalogue::Catalogue for Directory {
    fn camera(&self, id: CameraId) -> Option<Camera> {
        self.snapshot().camera(id).cloned()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.snapshot().cameras().to_vec()
    }

    fn reported(&self, id: CameraId) -> Option<CameraStatus> {
        self.0.reported.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }
}

/// The time of the machine.
pub(crate) fn now() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_unix_us(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The error of a step of the catalogue.
pub(crate) fn catalogue(doing: &'static str) -> impl Fn(db::Error) -> Error {
    move |source| Error::Catalogue { doing, source }
}

#[cfg(test)]
mod tests;
