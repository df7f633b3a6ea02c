use crate::{Error, FolderId, ServerId, camera::check_text};

/// Levels of folders below each other.
pub(crate) const DEPTH_MAX: usize = 32;

/// A folder of cameras. Folders form a tree; a camera lies in any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its identity.
    pub id: FolderId,
    /// The folder it lies in.
    pub parent: Option<FolderId>,
    /// The server whose synchronisation brought it; `None` for one made by an operator.
    pub server: Option<ServerId>,
    /// English name.
    pub name: String,
    /// Arabic name, may be empty.
    pub name_ar: String,
}

impl Folder {
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_text("name of the folder", &self.name)?;
        check_text("Arabic name of the folder", &self.name_ar)
    }
}
