use domain::{CameraId, ErrorKind};

/// Why something with cameras cannot be done. No text carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue refuses or fails.
    #[error("{doing}")]
    Catalogue {
        /// What was tried, such as `cannot read the cameras`.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: db::Error,
    },
    /// The address of a stream is not one that can be pulled.
    #[error("the address of a stream must begin with rtsp:// and name a host")]
    Address,
    /// A stream of a camera cannot be served.
    #[error("a stream of camera {camera} cannot be served")]
    Stream {
        /// The camera.
        camera: CameraId,
        /// Why not.
        #[source]
        source: media::Error,
    },
    /// The paths cannot follow the cameras.
    #[error("the paths cannot follow the cameras")]
    Paths(#[source] media::Error),
    /// What the catalogue keeps of a camera's credentials is damaged.
    #[error("the stored credentials of camera {camera} cannot be read")]
    Credentials {
        /// The camera.
        camera: CameraId,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Catalogue { source, .. } => source.kind(),
            Self::Address => ErrorKind::Invalid,
            Self::Stream { source, .. } | Self::Paths(source) => source.kind(),
            Self::Credentials { .. } => ErrorKind::Corrupt,
        }
    }
}
