//! The durable catalogue: cameras with their streams, folders, the servers they hang on, the history of their status,
//! settings documents, and search by name in Arabic and English.
//!
//! [`Catalogue`] is the one trait; [`sqlite`] and [`postgres`] open it on an engine, and both engines pass the same suite.
//! What is acknowledged survives a crash. Every list has a limit, every error a kind ([`Error::kind`]).
//!
//! A camera that a server no longer lists is marked vanished; only [`Catalogue::remove_camera`] deletes one. Credentials
//! and settings are sealed with a key of the caller; credentials come back by
//! [`Catalogue::open_credentials_for_connector`] alone. The catalogue reads no clock: times are given by the caller.

mod camera;
mod catalogue;
mod credentials;
mod engine;
mod error;
mod folder;
mod id;
mod migrate;
mod page;
pub mod postgres;
mod server;
pub mod sqlite;
mod store;
pub mod text;

#[cfg(test)]
mod tests;

pub use camera::{Camera, CameraFilter, Details, Presence, StatusChange, Stream};
pub use catalogue::{Answer, Catalogue, Limits, SETTINGS_MAX, Settings, SettingsChange};
pub use credentials::{Credentials, SealingKey};
pub use error::Error;
pub use folder::Folder;
pub use id::{FolderId, ServerId, SyncId};
pub use page::{Cursor, LIST_MAX, Listed, Page};
pub use server::{Applied, Ending, Server, ServerKind, SyncPage};
