//! The words of the product as types: ids, agencies, cameras, paths, times, error kinds.
//!
//! Everything here is plain data that is checked once, when it is made. The crate does no I/O, reads no clock and knows
//! no wire format: ids and plain enums carry serde, whole objects do not.

mod agency;
mod camera;
mod error_kind;
mod id;
mod path_name;
mod secret;
mod wall_time;

pub use agency::AgencyId;
pub use camera::{Camera, CameraStatus, Position, Rendition};
pub use error_kind::ErrorKind;
pub use id::{CameraId, ConnectionId, SessionId};
pub use path_name::PathName;
pub use secret::Secret;
pub use wall_time::WallTime;
