//! Cameras to test with, and places to keep them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use domain::{AgencyId, Camera as DomainCamera, CameraId, Rendition, WallTime};
use uuid::Uuid;

use crate::{Details, Error, Folder, FolderId, SealingKey, Server, ServerId, ServerKind, Stream, SyncId};

pub(super) fn key() -> SealingKey {
    SealingKey::new(&[42; 32])
}

pub(super) fn camera_id(n: u128) -> CameraId {
    CameraId::from_uuid(Uuid::from_u128(0xca << 64 | n))
}

pub(super) fn server_id(n: u128) -> ServerId {
    ServerId::from_uuid(Uuid::from_u128(0x5e << 64 | n))
}

pub(super) fn folder_id(n: u128) -> FolderId {
    FolderId::from_uuid(Uuid::from_u128(0xf0 << 64 | n))
}

pub(super) fn sync_id(n: u128) -> SyncId {
    SyncId::from_uuid(Uuid::from_u128(n))
}

pub(super) fn at(seconds: i64) -> WallTime {
    WallTime::from_unix_us(1_700_000_000_000_000 + seconds * 1_000_000)
}

pub(super) fn details(n: u128, name: &str, name_ar: &str) -> Details {
    Details {
        agency: AgencyId::new("METRO").unwrap(),
        name: name.to_owned(),
        name_ar: (!name_ar.is_empty()).then(|| name_ar.to_owned()),
        position: None,
        place: String::new(),
        vendor: "Axis".to_owned(),
        model: "P3245".to_owned(),
        capabilities: BTreeSet::from(["ptz".to_owned()]),
        streams: [Rendition::Main, Rendition::Sub].map(|rendition| stream(n, rendition)).to_vec(),
        hardware: format!("hardware-{n}"),
        recorder: "RS-METRO-01".to_owned(),
        metadata: BTreeMap::from([("picture_number".to_owned(), n.to_string())]),
        folders: BTreeSet::new(),
    }
}

fn stream(n: u128, rendition: Rendition) -> Stream {
    let path = DomainCamera::path_of(camera_id(n), rendition);
    Stream { rendition, path, address: format!("rtsp://10.0.0.1:554/{n}") }
}

pub(super) fn folder(n: u128, parent: Option<u128>, name: &str) -> Folder {
    Folder {
        id: folder_id(n),
        parent: parent.map(folder_id),
        server: None,
        name: name.to_owned(),
        name_ar: "مجلد".to_owned(),
    }
}

pub(super) fn server(n: u128, name: &str) -> Server {
    Server {
        id: server_id(n),
        kind: ServerKind::Milestone,
        name: name.to_owned(),
        address: "https://vms.example:443".to_owned(),
        has_credentials: false,
        synced: None,
    }
}

/// The error of what must be refused.
pub(super) fn refused<T>(answer: Result<T, Error>) -> Error {
    answer.err().expect("this must be refused")
}

/// A folder that is removed in the end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("cctv-db-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
