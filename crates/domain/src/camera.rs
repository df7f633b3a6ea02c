use std::collections::BTreeMap;

use crate::{AgencyId, CameraId, PathName};

/// One encoding a camera offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendition {
    /// The full picture.
    Main,
    /// The small picture for walls: at most 640×360, 15 frames per second, no B-frames.
    Sub,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What else its source says of it, as it says it; shown to clients.
    pub metadata: BTreeMap<String, String>,
}

impl Camera {
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
