//! What the catalogue said at one moment.

use std::collections::BTreeMap;

use db::{CameraFilter, Catalogue, FolderId, Page, Presence, ServerId};
use domain::{Camera, CameraId, Rendition};
use media::config::{BaseEntry, VmsSource};

use super::{
    catalogue,
    rtsp::{CREDENTIALS, Userinfo, entry},
};
use crate::Error;

/// The cameras and folders of the catalogue at one moment.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot {
    /// In the order of their English names.
    cameras: Vec<Camera>,
    by_id: BTreeMap<CameraId, usize>,
    stored: BTreeMap<CameraId, Stored>,
    folders: Vec<Folder>,
}

/// What is known of a camera besides what everyone sees.
#[derive(Debug, PartialEq)]
struct Stored {
    server: Option<ServerId>,
    streams: Vec<db::Stream>,
    userinfo: Userinfo,
}

/// A folder of cameras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// What the catalogue says of it.
    pub stored: db::Folder,
    /// The cameras that lie in it itself, in the order of their names.
    pub cameras: Vec<CameraId>,
}

impl Snapshot {
    /// Cameras that have vanished are left out.
    pub(super) async fn read(from: &dyn Catalogue) -> Result<Self, Error> {
        let mut snapshot = Self::default();
        let secrets = from.settings_under(CREDENTIALS.to_owned()).await;
        let secrets = secrets.map_err(catalogue("cannot read the credentials of the cameras"))?;
        let mut in_folders: BTreeMap<FolderId, Vec<CameraId>> = BTreeMap::new();
        for camera in all_cameras(from).await? {
            let id = camera.id;
            let userinfo = match secrets.get(&format!("{CREDENTIALS}{id}")) {
                Some(document) => Userinfo::of_json(id, &document.body)?,
                None => Userinfo::default(),
            };
            for folder in &camera.details.folders {
                in_folders.entry(*folder).or_default().push(id);
            }
            let stored = Stored { server: camera.server, streams: camera.details.streams.clone(), userinfo };
            snapshot.stored.insert(id, stored);
            snapshot.by_id.insert(id, snapshot.cameras.len());
            snapshot.cameras.push(seen(camera));
        }
        for folder in all_folders(from).await? {
            let cameras = in_folders.remove(&folder.id).unwrap_or_default();
            snapshot.folders.push(Folder { stored: folder, cameras });
        }
        Ok(snapshot)
    }

    /// The cameras, in the order of their English names.
    #[must_use]
    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// The camera of this id.
    #[must_use]
    pub fn camera(&self, id: CameraId) -> Option<&Camera> {
        self.by_id.get(&id).and_then(|&at| self.cameras.get(at))
    }

    /// The server that a camera hangs on.
    #[must_use]
    pub fn server_of(&self, id: CameraId) -> Option<ServerId> {
        self.stored.get(&id)?.server
    }

    /// The folders, in the order of their English names.
    #[must_use]
    pub fn folders(&self) -> &[Folder] {
        &self.folders
    }

    /// Where a stream comes from, as the connector of its server reads it.
    #[must_use]
    pub fn address(&self, id: CameraId, rendition: Rendition) -> Option<&str> {
        let streams = &self.stored.get(&id)?.streams;
        streams.iter().find(|stream| stream.rendition == rendition).map(|stream| stream.address.as_str())
    }

    pub(super) fn has_userinfo(&self, id: CameraId) -> bool {
        self.stored.get(&id).is_some_and(|stored| !stored.userinfo.is_empty())
    }

    /// The path entries of all streams.
    #[must_use]
    pub fn entries(&self) -> Vec<BaseEntry> {
        let streams = self.stored.iter().flat_map(|(id, stored)| stored.streams.iter().map(move |s| (*id, stored, s)));
        streams
            .map(|(camera, stored, stream)| {
                let source = if stream.address.starts_with("rtsp://") {
                    stored.userinfo.complete(stream)
                } else {
                    VmsSource { camera, rendition: stream.rendition }.to_string()
                };
                entry(camera, stream, source)
            })
            .collect()
    }
}

/// A camera as everyone sees it.
fn seen(camera: db::Camera) -> Camera {
    let details = camera.details;
    let path = |rendition| details.streams.iter().find(|stream| stream.rendition == rendition).map(|s| s.path.clone());
    Camera {
        id: camera.id,
        main: path(Rendition::Main),
        sub: path(Rendition::Sub),
        name_ar: details.name_ar.unwrap_or_else(|| details.name.clone()),
        name: details.name,
        agency: details.agency,
        has_ptz: details.capabilities.contains("ptz"),
        position: details.position,
        place: details.place,
        recording_server: (!details.recorder.is_empty()).then_some(details.recorder),
        metadata: details.metadata,
        updated: camera.updated,
    }
}

async fn all_cameras(from: &dyn Catalogue) -> Result<Vec<db::Camera>, Error> {
    let mut all = Vec::new();
    let mut page = Page::first(db::LIST_MAX);
    loop {
        let filter = CameraFilter { presence: Presence::Present, ..CameraFilter::default() };
        let listed = from.cameras(filter, page).await.map_err(catalogue("cannot read the cameras"))?;
        all.extend(listed.items);
        let Some(next) = listed.next else { return Ok(all) };
        page = Page { after: Some(next), limit: db::LIST_MAX };
    }
}

async fn all_folders(from: &dyn Catalogue) -> Result<Vec<db::Folder>, Error> {
    let mut all = Vec::new();
    let mut page = Page::first(db::LIST_MAX);
    loop {
        let listed = from.folders(page).await.map_err(catalogue("cannot read the folders"))?;
        all.extend(listed.items);
        let Some(next) = listed.next else { return Ok(all) };
        page = Page { after: Some(next), limit: db::LIST_MAX };
    }
}
