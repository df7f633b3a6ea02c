use std::collections::{BTreeMap, BTreeSet};

use domain::{AgencyId, CameraId, CameraStatus, PathName, Position, Rendition, WallTime};

use crate::{Error, FolderId, ServerId};

/// Bytes of a name or another short text.
pub(crate) const TEXT_MAX: usize = 1_024;
/// Capabilities of a camera.
const CAPABILITIES_MAX: usize = 64;
/// Entries of the metadata of a camera.
const METADATA_MAX: usize = 64;
/// Folders that a camera lies in.
const FOLDERS_MAX: usize = 64;

/// One encoding of a camera and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Main or sub.
    pub rendition: Rendition,
    /// The media path that serves it; no two streams share one.
    pub path: PathName,
    /// Where it comes from, as the connector of its server reads it, such as an `rtsp://` address. Without credentials.
    pub address: String,
}

/// What a source says of a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    /// The owner.
    pub agency: AgencyId,
    /// English name.
    pub name: String,
    /// Arabic name. A `None` that is written keeps the name already known, for sources that have none.
    pub name_ar: Option<String>,
    /// Where it is.
    pub position: Option<Position>,
    /// Where it is, in words.
    pub place: String,
    /// Its make.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// What it can do: `ptz`, `audio`, …
    pub capabilities: BTreeSet<String>,
    /// At most one for each rendition.
    pub streams: Vec<Stream>,
    /// The id of its hardware on the server, as the server writes it.
    pub hardware: String,
    /// The name of the recording server it hangs on; empty where it hangs on none.
    pub recorder: String,
    /// What else its source says of it, as it says it; shown to clients.
    pub metadata: BTreeMap<String, String>,
    /// The folders it lies in. A synchronisation changes folders of its own server only.
    pub folders: BTreeSet<FolderId>,
}

/// A camera of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Its identity.
    pub id: CameraId,
    /// The server it hangs on.
    pub server: Option<ServerId>,
    /// What its source says of it.
    pub details: Details,
    /// The newest status.
    pub status: CameraStatus,
    /// How many whole listings of its server in a row did not have it.
    pub missed: u32,
    /// Since when its server no longer lists it.
    pub vanished: Option<WallTime>,
    /// When it was written last.
    pub updated: WallTime,
}

/// Whether vanished cameras are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// All.
    #[default]
    Any,
    /// Only those that are there.
    Present,
    /// Only those that vanished.
    Vanished,
}

impl Presence {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Present => "present",
            Self::Vanished => "vanished",
        }
    }
}

/// Which cameras are wanted; the empty filter takes all.
#[derive(Clone, Debug, Default)]
pub struct CameraFilter {
    /// Words of the name, the place, vendor or model, in Arabic or English. Each must be found; the last may be unfinished.
    pub text: String,
    /// Only those of an agency.
    pub agency: Option<AgencyId>,
    /// Only those in a folder or below it.
    pub folder: Option<FolderId>,
    /// Only those of a server.
    pub server: Option<ServerId>,
    /// Only those of a status.
    pub status: Option<CameraStatus>,
    /// Whether vanished ones are wanted.
    pub presence: Presence,
}

/// A change of a camera's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// When.
    pub at: WallTime,
    /// To what.
    pub status: CameraStatus,
    /// Why, in a few words; never a credential.
    pub reason: String,
}

impl Details {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let texts = [
            ("name", &self.name),
            ("place", &self.place),
            ("vendor", &self.vendor),
            ("model", &self.model),
            ("hardware", &self.hardware),
            ("recorder", &self.recorder),
        ];
        for (what, text) in texts {
            check_text(what, text)?;
        }
        check_text("Arabic name", self.name_ar.as_deref().unwrap_or_default())?;
        self.capabilities.iter().try_for_each(|capability| check_text("capability", capability))?;
        if self.capabilities.len() > CAPABILITIES_MAX {
            return Err(Error::Invalid { what: "capabilities", why: "are more than 64" });
        }
        if self.metadata.len() > METADATA_MAX {
            return Err(Error::Invalid { what: "metadata", why: "has more than 64 entries" });
        }
        self.metadata.iter().flat_map(|(name, text)| [name, text]).try_for_each(|text| check_text("metadata", text))?;
        if self.folders.len() > FOLDERS_MAX {
            return Err(Error::Invalid { what: "folders", why: "are more than 64" });
        }
        if let Some(Position { latitude, longitude }) = self.position
            && !((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
        {
            return Err(Error::Invalid { what: "position", why: "is not on the earth" });
        }
        let mut renditions = BTreeSet::new();
        for stream in &self.streams {
            check_address(&stream.address)?;
            if !renditions.insert(stream.rendition) {
                return Err(Error::Invalid { what: "streams", why: "have one rendition twice" });
            }
        }
        Ok(())
    }
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), Error> {
    // PostgreSQL keeps no NUL in a text.
    if text.contains('\0') {
        return Err(Error::Invalid { what, why: "has a NUL character" });
    }
    if text.len() > TEXT_MAX { Err(Error::Invalid { what, why: "is longer than 1,024 bytes" }) } else { Ok(()) }
}

/// Credentials have no place in an address: they are sealed beside it. A password may hold `/` unescaped, so an `@` is
/// refused wherever it stands before the query.
pub(crate) fn check_address(address: &str) -> Result<(), Error> {
    check_text("address", address)?;
    let before_query = address.split(['?', '#']).next().unwrap_or_default();
    if before_query.contains('@') {
        return Err(Error::Invalid { what: "address", why: "carries credentials or an @" });
    }
    Ok(())
}

pub(crate) const fn status_text(status: CameraStatus) -> &'static str {
    match status {
        CameraStatus::Online => "ONLINE",
        CameraStatus::Offline => "OFFLINE",
        CameraStatus::Error => "ERROR",
    }
}

pub(crate) fn status_of(text: &str) -> Result<CameraStatus, Error> {
    let all = [CameraStatus::Online, CameraStatus::Offline, CameraStatus::Error];
    all.into_iter().find(|status| status_text(*status) == text).ok_or(Error::Damaged { what: "status" })
}

pub(crate) const fn rendition_text(rendition: Rendition) -> &'static str {
    match rendition {
        Rendition::Main => "main",
        Rendition::Sub => "sub",
    }
}
