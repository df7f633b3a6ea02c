use std::{collections::BTreeMap, ops::Range, time::Duration};

use domain::{CameraId, WallTime};
use futures_util::future::BoxFuture;

use crate::{
    Applied, Camera, CameraFilter, Credentials, Details, Error, Folder, FolderId, Listed, Page, Server, ServerId,
    StatusChange, SyncPage,
};

/// Settings documents with one prefix.
pub const SETTINGS_MAX: usize = 100_000;

/// What a method of the catalogue answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// How much of the history of a camera's status is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes older than this, counted back from the newest, end.
    pub history_age: Duration,
    /// Changes of one camera at most; the oldest end first.
    pub history_per_camera: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { history_age: Duration::from_secs(90 * 24 * 3_600), history_per_camera: 10_000 }
    }
}

/// A named document of settings. It is stored sealed, since it may name passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Counts its changes, from 1.
    pub revision: i64,
    /// The document; what it means is its owner's.
    pub body: String,
}

/// A settings document that takes a new body, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsChange {
    /// The document.
    pub name: String,
    /// What it says from now on; `None` removes it.
    pub body: Option<String>,
}

/// The durable catalogue. A change that is answered survives a crash; a change happens wholly or not at all.
pub trait Catalogue: Send + Sync {
    /// The camera of this id.
    fn camera(&self, id: CameraId) -> Answer<'_, Option<Camera>>;

    /// Cameras by filter, in the order of their English names.
    fn cameras(&self, filter: CameraFilter, page: Page) -> Answer<'_, Listed<Camera>>;

    /// How many cameras fit the filter.
    fn count_cameras(&self, filter: CameraFilter) -> Answer<'_, u64>;

    /// Adds or changes a camera that no synchronisation brings. `server` is where its credentials are.
    fn put_camera(&self, id: CameraId, server: Option<ServerId>, details: Details, now: WallTime) -> Answer<'_, ()>;

    /// Removes a camera with its history. The only way a camera ends.
    fn remove_camera(&self, id: CameraId) -> Answer<'_, ()>;

    /// Adds or changes a folder made by an operator.
    fn put_folder(&self, folder: Folder) -> Answer<'_, ()>;

    /// All folders, page by page, in the order of their English names.
    fn folders(&self, page: Page) -> Answer<'_, Listed<Folder>>;

    /// Removes a folder; what lay in it stays, folders below it become roots.
    fn remove_folder(&self, id: FolderId) -> Answer<'_, ()>;

    /// Adds or changes a server. Its credentials stay as they are.
    fn put_server(&self, server: Server) -> Answer<'_, ()>;

    /// The server of this id.
    fn server(&self, id: ServerId) -> Answer<'_, Option<Server>>;

    /// All servers, page by page, in the order of their names.
    fn servers(&self, page: Page) -> Answer<'_, Listed<Server>>;

    /// Removes a server that no camera and no folder refers to.
    fn remove_server(&self, id: ServerId) -> Answer<'_, ()>;

    /// Seals and stores credentials in place of those before; `None` forgets them.
    fn set_credentials(&self, id: ServerId, credentials: Option<Credentials>) -> Answer<'_, ()>;

    /// The credentials of a server in clear. Only for the connector that logs in with them, never for an answer to a client.
    fn open_credentials_for_connector(&self, id: ServerId) -> Answer<'_, Option<Credentials>>;

    /// Takes one page of a synchronisation. Cameras are added or changed; only the end of a whole synchronisation concludes
    /// something of missing ones, as [`Ending`](crate::Ending) says, and one that is [`Complete`](crate::Ending::Complete)
    /// only if it listed a camera. The status of a camera is not touched.
    fn apply_sync(&self, server: ServerId, page: SyncPage, now: WallTime) -> Answer<'_, Applied>;

    /// Appends to the history of a camera's status; the newest is the camera's status.
    fn record_status(&self, camera: CameraId, change: StatusChange) -> Answer<'_, ()>;

    /// Changes of a camera's status from `range.start` up to, without, `range.end`, the oldest first, `limit` at most.
    fn status_history(&self, camera: CameraId, range: Range<WallTime>, limit: u32) -> Answer<'_, Vec<StatusChange>>;

    /// The settings document of this name.
    fn settings(&self, name: String) -> Answer<'_, Option<Settings>>;

    /// The settings documents whose names begin with `prefix`, by name; [`SETTINGS_MAX`] at most, more is an error.
    fn settings_under(&self, prefix: String) -> Answer<'_, BTreeMap<String, Settings>>;

    /// Stores and removes documents, all or none, whatever revision they are at.
    fn change_settings(&self, changes: Vec<SettingsChange>) -> Answer<'_, ()>;

    /// Stores a settings document if it is still at revision `expected` (0: if there is none), and answers the new revision.
    fn put_settings(&self, name: String, expected: i64, body: String) -> Answer<'_, i64>;
}
