//! Brings a database to the newest schema. Each migration has a number and a file for each engine, and is applied once;
//! a database that a newer program wrote, or a migration that was edited after it was applied, is refused.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{
    Error,
    engine::{Lock, Pools, Statement, Tx, values},
};

pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) sql: Statement,
}

/// In their order, without a gap.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: Statement {
        sqlite: include_str!("migrations/sqlite/0001_catalogue.sql"),
        postgres: include_str!("migrations/postgres/0001_catalogue.sql"),
    },
}];

/// Applies what is missing, in one transaction.
pub(crate) async fn migrate(pools: &Pools, migrations: &[Migration]) -> Result<(), Error> {
    let mut tx = pools.write().await?;
    tx.lock(Lock::Migrations).await?;
    let table = "CREATE TABLE IF NOT EXISTS schema_migration (version BIGINT PRIMARY KEY, checksum TEXT NOT NULL)";
    tx.execute(table, values![]).await?;
    let applied = tx.rows("SELECT version, checksum FROM schema_migration ORDER BY version", values![]).await?;
    let known = migrations.last().map_or(0, |last| last.version);
    if let Some(newest) = applied.last() {
        let found = newest.get("version")?;
        if found > known {
            return Err(Error::MigrationUnknown { found, known });
        }
    }
    for (at, migration) in migrations.iter().enumerate() {
        let version = migration.version;
        let checksum = checksum(tx.pick(migration.sql.sqlite, migration.sql.postgres));
        match applied.get(at) {
            Some(row) if row.get::<i64>("version")? == version && row.get::<String>("checksum")? == checksum => {}
            Some(_) => return Err(Error::MigrationEdited { version }),
            None => apply(&mut tx, migration, checksum).await?,
        }
    }
    tx.commit().await
}

async fn apply(tx: &mut Tx, migration: &Migration, checksum: String) -> Result<(), Error> {
    tx.script(migration.sql).await?;
    let note = "INSERT INTO schema_migration (version, checksum) VALUES ($1, $2)";
    tx.execute(note, values![migration.version, checksum]).await?;
    Ok(())
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a string succeeds");
        hex
    })
}
