//! The cameras: where they come from and what they can do.
//!
//! A camera hangs on a video management system, or it is a bare RTSP device that the configuration or an operator names.
//! Either way it lies in the durable catalogue (crate `db`); the [`Directory`] holds what the catalogue says in memory, for
//! all who look cameras up, and tells what each of their streams is fed from.

mod directory;
mod error;

pub use directory::{Directory, Folder, Listed, Snapshot, rtsp_details};
pub use error::Error;
