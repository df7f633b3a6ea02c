use std::{collections::BTreeMap, str::FromStr};

use crate::{AgencyId, CameraId, PathName, WallTime};

/// One encoding a camera offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendition {
    /// The full picture.
    Main,
    /// The small picture for walls: at most 640×360, 15 frames per second, no B-frames.
    Sub,
}

impl Rendition {
    /// `main` or `sub`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Sub => "sub",
        }
    }
}

impl FromStr for Rendition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Main, Self::Sub].into_iter().find(|rendition| rendition.as_str() == text).ok_or(())
    }
}

/// A point on the earth (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// Whether pictures of a camera can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CameraStatus {
    /// Pictures arrive, or nobody asked for them and nothing says they would not.
    Online,
    /// The camera does not answer, or has gone silent.
    Offline,
    /// The camera answers, but refuses or sends what cannot be used.
    Error,
}

/// A device of an agency.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Stable identity.
    pub id: CameraId,
    /// English name.
    pub name: String,
    /// Arabic name.
    pub name_ar: String,
    /// The owner.
    pub agency: AgencyId,
    /// The path of the main stream, if there is one.
    pub main: Option<PathName>,
    /// The path of the sub stream, if there is one.
    pub sub: Option<PathName>,
    /// Whether it can be turned.
    pub has_ptz: bool,
    /// Where it stands.
    pub position: Option<Position>,
    /// Where it stands, in words; may be empty.
    pub place: String,
    /// The recording server it hangs on, by name.
    pub recording_server: Option<String>,
    /// What else its source says of it, as it says it; shown to clients.
    pub metadata: BTreeMap<String, String>,
    /// When it was written last.
    pub updated: WallTime,
}

impl Camera {
    /// A camera of which no more is known than its name and its owner.
    #[must_use]
    pub fn new(id: CameraId, name: &str, agency: AgencyId) -> Self {
        Self {
            id,
            name: name.to_owned(),
            name_ar: name.to_owned(),
            agency,
            main: None,
            sub: None,
            has_ptz: false,
            position: None,
            place: String::new(),
            recording_server: None,
            metadata: BTreeMap::new(),
            updated: WallTime::from_unix_us(0),
        }
    }

    /// The path name under which a camera's stream is served: `camera_{id}` and `camera_{id}_sub`.
    #[must_use]
    pub fn path_of(id: CameraId, rendition: Rendition) -> PathName {
        let name = match rendition {
            Rendition::Main => format!("camera_{id}"),
            Rendition::Sub => format!("camera_{id}_sub"),
        };
        PathName::new(&name).expect("a UUID has only characters that a path name allows")
    }

    /// The path of one rendition.
    #[must_use]
    pub fn path(&self, rendition: Rendition) -> Option<&PathName> {
        match rendition {
            Rendition::Main => self.main.as_ref(),
            Rendition::Sub => self.sub.as_ref(),
        }
    }
}
