use domain::ErrorKind;

/// Why bytes of the media wire cannot be used. The caller knows the peer and the track and adds them to the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes break the format.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The bytes are of a form that is known and not supported.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Something is larger than its limit.
    #[error("{what} exceeds {limit} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } => ErrorKind::Corrupt,
            Self::Unsupported(_) => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Exhausted,
        }
    }

    pub(crate) const fn malformed(what: &'static str, reason: &'static str) -> Self {
        Self::Malformed { what, reason }
    }
}
