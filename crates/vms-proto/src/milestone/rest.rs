//! REST of the API gateway and the identity provider: discovery, tokens, configuration, tasks, bookmarks.
//!
//! A client builds paths and [`Query`]s, sends JSON from [`Object::json`] or a form from [`Grant::form`], and reads what
//! comes back with [`page`], [`object`], [`result`] or, when the HTTP status tells of a failure, [`Refusal::read`]. A
//! server does the reverse with the same types.
//!
//! Objects are read leniently, because releases and device drivers differ: unknown fields are passed over, a boolean or
//! a number may come as a text, and a field that is missing or unreadable is empty. An object without an id is left out
//! of its page and counted. Ids are compared in lower case.
//!
//! A body is limited to [`BODY_BYTES_MAX`]. The text of a refusal may be shown: it is cut and free of tokens.

#[macro_use]
mod object;
mod bookmark;
mod camera;
mod discovery;
mod envelope;
mod field;
mod gis;
mod query;
mod site;
mod task;
#[cfg(test)]
mod tests;
mod time_span;
mod token;

pub use bookmark::{Bookmark, EvidenceLock, RetentionOption};
pub use camera::{
    Camera, CameraGroup, Preset, PtzTimeouts, Settings, StreamSettings, StreamUse, Streams, codec_of_driver,
};
pub use discovery::{GatewayUris, OpenIdConfiguration};
pub use envelope::{Detail, Page, Refusal, object, page, result, tasks, write_object, write_page, write_result};
pub use gis::GisPoint;
pub use object::{Id, Object, Path, Relations};
pub use query::{Filter, Query, QueryPart};
pub use site::{ChildSite, EffectivePermissions, Hardware, License, RecordingServer, Site, SiteAddress, Storage};
pub use task::{
    GetSequences, PtzPosition, PtzSessionInfo, Sequences, SetPtzPosition, Still, StillSize, TaskName, TaskResult,
    TaskState,
};
pub use time_span::TimeSpan;
pub use token::{CONTENT_TYPE as TOKEN_CONTENT_TYPE, Client, Grant, TokenAnswer, TokenRefusal};

/// The most bytes of a body: a page of 500 cameras takes about one.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Below which path of the gateway the configuration lies.
pub const CONFIGURATION_PATH: &str = "/api/rest/v1";
/// Where a gateway tells about its system, without authentication.
pub const GATEWAY_URIS_PATH: &str = "/api/.well-known/uris";
/// Where an identity provider tells about itself, without authentication.
pub const OPENID_CONFIGURATION_PATH: &str = "/IDP/.well-known/openid-configuration";
/// Where an identity provider gives tokens, below the management server or below the gateway's `/API`.
pub const TOKEN_PATH: &str = "/IDP/connect/token";
