//! The catalogue on SQLite: embedded, in a file (WAL, one writer, several readers, every commit synced) or in memory.

use std::{fs::OpenOptions, io, path::Path, time::Duration};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::{Catalogue, Error, Limits, SealingKey, engine::Pools, store};

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_millis(5_000);
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the catalogue in a file, which is made when absent.
///
/// # Errors
/// When the file cannot be opened or its schema does not fit this program.
pub async fn open(file: &Path, key: SealingKey, limits: Limits) -> Result<impl Catalogue + use<>, Error> {
    store::open(file_pools(file).await?, key, limits).await
}

/// Opens a catalogue that lives as long as the answer.
///
/// # Errors
/// When the engine fails.
pub async fn open_in_memory(key: SealingKey, limits: Limits) -> Result<impl Catalogue + use<>, Error> {
    store::open(memory_pools().await?, key, limits).await
}

pub(crate) async fn file_pools(file: &Path) -> Result<Pools, Error> {
    make_private(file).map_err(sqlx::Error::Io)?;
    let options = options().filename(file).journal_mode(SqliteJournalMode::Wal).create_if_missing(true);
    let writer = pool(1).connect_with(options.clone()).await?;
    let readers = pool(READERS).connect_with(options.create_if_missing(false).pragma("query_only", "ON")).await?;
    Ok(Pools::Sqlite { writer, readers })
}

pub(crate) async fn memory_pools() -> Result<Pools, Error> {
    // The database is the connection: there is one, and it never ends.
    let pool = pool(1).min_connections(1).idle_timeout(None).max_lifetime(None);
    let writer = pool.connect_with(options().in_memory(true)).await?;
    Ok(Pools::Sqlite { readers: writer.clone(), writer })
}

/// Makes the file when absent, readable by the owner alone; the files beside it get the same rights from SQLite.
fn make_private(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

fn options() -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT);
    options.synchronous(SqliteSynchronous::Full)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT)
}
