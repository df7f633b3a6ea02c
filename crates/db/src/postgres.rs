//! The catalogue on PostgreSQL 15 or newer, encoded in UTF-8.

use std::{str::FromStr as _, time::Duration};

use domain::Secret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{
    Catalogue, Error, Limits, SealingKey,
    engine::{Pools, values},
    store,
};

/// Connections of one process.
const CONNECTIONS: u32 = 8;
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one statement may take, and how long it may wait for a lock.
const TIMEOUTS: [(&str, &str); 2] = [("statement_timeout", "30s"), ("lock_timeout", "10s")];
/// PostgreSQL 15 as `server_version_num`.
const VERSION_MIN: i32 = 150_000;

/// Opens the catalogue at an address such as `postgres://user:password@host:5432/database`.
///
/// # Errors
/// When the address cannot be read, the server cannot be reached or is unsuitable, or the schema does not fit this program.
pub async fn open(address: &Secret, key: SealingKey, limits: Limits) -> Result<impl Catalogue + use<>, Error> {
    store::open(pools(address).await?, key, limits).await
}

pub(crate) async fn pools(address: &Secret) -> Result<Pools, Error> {
    // The cause may quote the address, and with it the password.
    let options = PgConnectOptions::from_str(address.expose())
        .map_err(|_| Error::Invalid { what: "address of the database", why: "cannot be read" })?
        .application_name("cctv")
        .options(TIMEOUTS);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    let pools = Pools::Postgres(pool.connect_with(options).await?);
    check(&pools).await?;
    Ok(pools)
}

async fn check(pools: &Pools) -> Result<(), Error> {
    let ask = "SELECT current_setting('server_version_num')::int AS version, \
               current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby";
    let mut tx = pools.read().await?;
    let Some(row) = tx.row(ask, values![]).await? else {
        return Err(Error::Unsuitable { why: "does not say what it is" });
    };
    if row.get::<i32>("version")? < VERSION_MIN {
        return Err(Error::Unsuitable { why: "is older than PostgreSQL 15" });
    }
    if row.get::<String>("encoding")? != "UTF8" {
        return Err(Error::Unsuitable { why: "does not encode the database in UTF-8" });
    }
    if row.get::<bool>("standby")? {
        return Err(Error::Unsuitable { why: "is a standby and takes no changes" });
    }
    Ok(())
}
