//! Which cameras exist: what a wall session looks an id up in.

use domain::{Camera, CameraId};

/// The cameras this process knows. The configuration is one until the database comes.
pub trait Catalogue: Send + Sync {
    /// The camera of this id.
    fn camera(&self, id: CameraId) -> Option<Camera>;
    /// All cameras, in a stable order.
    fn cameras(&self) -> Vec<Camera>;
}
