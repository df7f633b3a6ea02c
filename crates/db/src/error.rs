use domain::ErrorKind;

/// Why the catalogue refuses or fails. No text carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is not one that the catalogue keeps.
    #[error("{what} {why}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The named thing does not exist.
    #[error("there is no {what} {id}")]
    NotFound {
        /// `camera`, `folder`, `server`.
        what: &'static str,
        /// Its id as text.
        id: String,
    },
    /// A settings document was changed in between.
    #[error("settings {name} are at revision {found}, not {expected}")]
    Revision {
        /// The name of the document.
        name: String,
        /// What the caller built upon; 0 is "no document".
        expected: i64,
        /// What is stored; 0 is "no document".
        found: i64,
    },
    /// A page of a synchronisation does not follow the one before it.
    #[error("page {page} of the synchronisation does not follow the one before it")]
    OutOfStep {
        /// Its number.
        page: u32,
    },
    /// A camera or folder belongs to another server, or to none.
    #[error("{what} {id} does not belong to this server")]
    Foreign {
        /// `camera` or `folder`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A folder would lie inside itself, or too deep.
    #[error("folder {id} would lie inside itself or more than {} levels deep", crate::folder::DEPTH_MAX)]
    FolderTree {
        /// Its id.
        id: String,
    },
    /// The change contradicts what is stored: a path is taken, or something else still refers to the thing.
    #[error("the change contradicts what is stored")]
    Contradiction(#[source] sqlx::Error),
    /// What is sealed cannot be opened: another key, another row, or damage.
    #[error("the {what} cannot be opened with this key")]
    Sealed {
        /// Whose credentials, or which settings.
        what: String,
    },
    /// A migration that was applied has been edited since.
    #[error("migration {version} of the database differs from the one of this program: one of them was edited")]
    MigrationEdited {
        /// Its number.
        version: i64,
    },
    /// The database was written by a newer program.
    #[error("the database is at migration {found}, this program knows {known}: install a newer version")]
    MigrationUnknown {
        /// The number found.
        found: i64,
        /// The newest number that this program knows.
        known: i64,
    },
    /// The database server cannot be used.
    #[error("the database server {why}")]
    Unsuitable {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A stored value cannot be read.
    #[error("the stored {what} cannot be read")]
    Damaged {
        /// The field.
        what: &'static str,
    },
    /// The engine failed.
    #[error("the database of the catalogue failed")]
    Database(#[source] sqlx::Error),
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::Unsuitable { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Revision { .. }
            | Self::OutOfStep { .. }
            | Self::Foreign { .. }
            | Self::FolderTree { .. }
            | Self::Contradiction(_)
            | Self::MigrationEdited { .. }
            | Self::MigrationUnknown { .. } => ErrorKind::Conflict,
            Self::Sealed { .. } | Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Database(source) => kind_of(source),
        }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let contradicts = source
            .as_database_error()
            .is_some_and(|error| error.is_unique_violation() || error.is_foreign_key_violation());
        if contradicts { Self::Contradiction(source) } else { Self::Database(source) }
    }
}

fn kind_of(source: &sqlx::Error) -> ErrorKind {
    if matches!(source, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
    {
        return ErrorKind::Unavailable;
    }
    let code = source.as_database_error().and_then(|error| error.code());
    code.as_deref().map_or(ErrorKind::Internal, kind_of_code)
}

/// SQLite's extended result codes are decimal numbers of at most four digits, PostgreSQL's SQLSTATE has five characters.
fn kind_of_code(code: &str) -> ErrorKind {
    if code.len() == 5 {
        return match code.get(..2) {
            // Connection, operator intervention, serialisation and deadlock: later it may work.
            Some("08" | "57" | "40") => ErrorKind::Unavailable,
            Some("53") => ErrorKind::Exhausted,
            Some("XX") => ErrorKind::Corrupt,
            Some(_) | None => ErrorKind::Internal,
        };
    }
    // The low byte is the primary code (https://sqlite.org/rescode.html).
    match code.parse::<u32>().map(|code| code & 0xff) {
        // BUSY, LOCKED, IOERR, CANTOPEN
        Ok(5 | 6 | 10 | 14) => ErrorKind::Unavailable,
        // CORRUPT, NOTADB
        Ok(11 | 26) => ErrorKind::Corrupt,
        // FULL
        Ok(13) => ErrorKind::Exhausted,
        Ok(_) | Err(_) => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_have_kinds() {
        for (code, kind) in [
            ("5", ErrorKind::Unavailable),
            ("517", ErrorKind::Unavailable),
            ("11", ErrorKind::Corrupt),
            ("26", ErrorKind::Corrupt),
            ("13", ErrorKind::Exhausted),
            ("1", ErrorKind::Internal),
            ("57P01", ErrorKind::Unavailable),
            ("53300", ErrorKind::Exhausted),
            ("42601", ErrorKind::Internal),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
