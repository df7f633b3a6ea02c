use domain::{ErrorKind, PathName};

/// Why the engine refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a configured path nor a pattern fits the name.
    #[error("path {0} is not configured")]
    NotConfigured(PathName),
    /// The path exists, but nothing feeds it.
    #[error("no stream is available on path {0}")]
    NoStream(PathName),
    /// The source did not deliver in time.
    #[error("the source of path {path} is not ready: {reason}")]
    SourceNotReady {
        /// The path.
        path: PathName,
        /// What the source's state says.
        reason: String,
    },
    /// Another publisher holds the path and may not be replaced, or the path has a source of its own.
    #[error("path {path} cannot be published to: {reason}")]
    Occupied {
        /// The path.
        path: PathName,
        /// Why not.
        reason: &'static str,
    },
    /// A limit is reached.
    #[error("{what} is limited to {limit}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Who is asking is not known.
    #[error("authentication is required")]
    Unauthenticated,
    /// Who is asking may not do this.
    #[error("access is denied")]
    Forbidden,
    /// What the other side asks for or sends cannot be used.
    #[error("{0}")]
    Unsupported(String),
    /// What the other side sent breaks the protocol.
    #[error("{0}")]
    Malformed(String),
    /// The thing with this id is gone.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// A configuration value is refused.
    #[error("{key}: {reason}")]
    Config {
        /// The key as the user wrote it.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The configuration could not be stored.
    #[error("cannot store the configuration")]
    Store(#[source] std::io::Error),
    /// A socket could not be opened or has failed.
    #[error("{action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The engine is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotConfigured(_) | Self::NoStream(_) | Self::SourceNotReady { .. } | Self::NotFound(_) => {
                ErrorKind::NotFound
            }
            Self::Occupied { .. } => ErrorKind::Conflict,
            Self::Limit { .. } => ErrorKind::Exhausted,
            Self::Unauthenticated => ErrorKind::Unauthenticated,
            Self::Forbidden => ErrorKind::Forbidden,
            Self::Unsupported(_) | Self::Malformed(_) | Self::Config { .. } => ErrorKind::Invalid,
            Self::Store(_) | Self::Io { .. } | Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }
}
