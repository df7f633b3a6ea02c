use domain::ErrorKind;

/// Why bytes of a video management system cannot be used. It never holds a value from the message, only names of
/// parts; the caller knows the peer and adds it to the log.
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
    /// A part without which the message says nothing is not there.
    #[error("{what} has no {part}")]
    Missing {
        /// What was read.
        what: &'static str,
        /// The name of the part, as the vendor spells it.
        part: &'static str,
    },
    /// A part is there and cannot be read.
    #[error("{what} has an unreadable {part}")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// The name of the part, as the vendor spells it.
        part: &'static str,
    },
    /// JSON that is not what it should be.
    #[error("{what} cannot be read at line {line}, column {column}")]
    Json {
        /// What was read.
        what: &'static str,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A message of a kind that this crate does not know.
    #[error("{what} {name:?} is not known")]
    Unknown {
        /// What was read.
        what: &'static str,
        /// What the peer calls it, cut to [`Error::NAME_CHARS_MAX`].
        name: String,
    },
    /// Something is larger than its limit.
    #[error("{what} exceeds {limit}")]
    TooLarge {
        /// What it is and in which unit.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// The most characters of a name that the peer chose.
    pub const NAME_CHARS_MAX: usize = 64;

    /// What the caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } | Self::Missing { .. } | Self::Unreadable { .. } | Self::Json { .. } => {
                ErrorKind::Corrupt
            }
            Self::Unknown { .. } => ErrorKind::Invalid,
            Self::TooLarge { .. } => ErrorKind::Exhausted,
        }
    }

    pub(crate) const fn malformed(what: &'static str, reason: &'static str) -> Self {
        Self::Malformed { what, reason }
    }

    pub(crate) fn unknown(what: &'static str, name: &str) -> Self {
        Self::Unknown { what, name: name.chars().take(Self::NAME_CHARS_MAX).collect() }
    }
}
