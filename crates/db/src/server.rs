use domain::{CameraId, WallTime};

use crate::{Details, Folder, ServerId, SyncId};

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// Milestone XProtect.
    Milestone,
    /// A device or recorder with ONVIF.
    Onvif,
    /// A bare RTSP source.
    Rtsp,
}

impl ServerKind {
    pub(crate) const ALL: [Self; 3] = [Self::Milestone, Self::Onvif, Self::Rtsp];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Milestone => "milestone",
            Self::Onvif => "onvif",
            Self::Rtsp => "rtsp",
        }
    }
}

/// A VMS or a bare device that cameras hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its identity.
    pub id: ServerId,
    /// What it speaks.
    pub kind: ServerKind,
    /// Its name for operators.
    pub name: String,
    /// Its address, without credentials.
    pub address: String,
    /// Whether credentials are stored. Ignored when a server is put.
    pub has_credentials: bool,
    /// When the last whole synchronisation ended. Ignored when a server is put.
    pub synced: Option<WallTime>,
}

/// Cameras and folders of one page at most.
pub(crate) const SYNC_PAGE_MAX: usize = 1_000;

/// A part of what a server lists.
#[derive(Clone, Debug)]
pub struct SyncPage {
    /// The synchronisation this page belongs to.
    pub sync: SyncId,
    /// Counted from 0. Page 0 begins a new synchronisation; every other must follow the one before.
    pub number: u32,
    /// Folders, parents before children.
    pub folders: Vec<Folder>,
    /// Cameras, at most 1,000 in a page.
    pub cameras: Vec<(CameraId, Details)>,
    /// Whether more follows.
    pub ending: Ending,
}

/// What is known after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// More follows, or the listing broke off: nothing is concluded from what is missing.
    Partial,
    /// This was the last page and every page before it came through. A camera that was not listed is missed; missed
    /// twice in a row, it has vanished: one listing may lack cameras for a moment, where rights or pages are lost.
    Complete,
    /// The same of a source that cannot lose any, such as a file: what was not listed has vanished, all of it if need be.
    Exact,
}

/// What a page changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Cameras listed in this page.
    pub cameras: u64,
    /// Among them cameras that had vanished and are back.
    pub returned: u64,
    /// Cameras that this synchronisation did not list, and that are not yet vanished.
    pub missed: u64,
    /// Cameras marked vanished by the end of this synchronisation.
    pub vanished: u64,
}
