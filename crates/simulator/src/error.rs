use std::path::PathBuf;

use domain::ErrorKind;

/// Why cameras could not be simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program that makes the clips cannot be started.
    #[error("cannot start ffmpeg, which makes the clips; is it installed?")]
    NoFfmpeg(#[source] std::io::Error),
    /// The program that makes the clips has failed.
    #[error("ffmpeg could not make {}: {said}", clip.display())]
    Ffmpeg {
        /// The clip.
        clip: PathBuf,
        /// The end of what it said.
        said: String,
    },
    /// A clip cannot be stored or read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A clip is not what it should be.
    #[error("{} is not a usable clip: {reason}; delete it and start again", path.display())]
    Clip {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no such camera.
    #[error("no camera {0}")]
    UnknownCamera(String),
    /// Two plans have the same id or picture number, or a port is beyond 65535.
    #[error("camera {id}: {reason}")]
    Plan {
        /// The camera.
        id: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A camera cannot be served.
    #[error("cannot serve camera {id}")]
    Serve {
        /// The camera.
        id: String,
        /// Why not.
        #[source]
        source: media::Error,
    },
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoFfmpeg(_) | Self::Io { .. } => ErrorKind::Unavailable,
            Self::Ffmpeg { .. } => ErrorKind::Internal,
            Self::Clip { .. } => ErrorKind::Corrupt,
            Self::UnknownCamera(_) => ErrorKind::NotFound,
            Self::Plan { .. } => ErrorKind::Invalid,
            Self::Serve { source, .. } => source.kind(),
        }
    }
}
