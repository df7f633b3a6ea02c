//! Which cameras exist: what a wall session looks an id up in.

use domain::{Camera, CameraId, CameraStatus};

/// The cameras this process knows.
pub trait Catalogue: Send + Sync {
    /// The camera of this id.
    fn camera(&self, id: CameraId) -> Option<Camera>;
    /// All cameras, in a stable order.
    fn cameras(&self) -> Vec<Camera>;
    /// What the system that a camera hangs on says of it; `None` where it hangs on none or nothing is known.
    fn reported(&self, _id: CameraId) -> Option<CameraStatus> {
        None
    }
}
