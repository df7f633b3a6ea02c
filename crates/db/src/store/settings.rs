use std::collections::BTreeMap;

use crate::{
    Error, SETTINGS_MAX, SealingKey, Settings, SettingsChange,
    credentials::Bound,
    engine::{Row, Tx, values},
};

/// Bytes of a document.
const BODY_MAX: usize = 4 << 20;
/// Bytes of a document's name. An index row of PostgreSQL holds no more than 2,704.
const NAME_MAX: usize = 2_048;

pub(super) async fn get(tx: &mut Tx, key: &SealingKey, name: &str) -> Result<Option<Settings>, Error> {
    let row = tx.row("SELECT name, revision, body FROM settings WHERE name = $1", values![name]).await?;
    Ok(row.map(|row| document(&row, key)).transpose()?.map(|(_, settings)| settings))
}

pub(super) async fn under(tx: &mut Tx, key: &SealingKey, prefix: &str) -> Result<BTreeMap<String, Settings>, Error> {
    let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    let limit = i64::try_from(SETTINGS_MAX).unwrap_or(i64::MAX).saturating_add(1);
    let ask = "SELECT name, revision, body FROM settings WHERE substr(name, 1, CAST($2 AS INTEGER)) = $1 LIMIT $3";
    let rows = tx.rows(ask, values![prefix, length, limit]).await?;
    if rows.len() > SETTINGS_MAX {
        return Err(Error::Invalid { what: "settings", why: "are more than 100,000 documents" });
    }
    rows.iter().map(|row| document(row, key)).collect()
}

pub(super) async fn change(tx: &mut Tx, key: &SealingKey, changes: Vec<SettingsChange>) -> Result<(), Error> {
    for SettingsChange { name, body } in changes {
        match body {
            Some(body) => {
                let sealed = seal(key, &name, body)?;
                let put = "INSERT INTO settings (name, revision, body) VALUES ($1, 1, $2) \
                           ON CONFLICT (name) DO UPDATE SET revision = settings.revision + 1, body = excluded.body";
                tx.execute(put, values![name, sealed]).await?;
            }
            None => {
                tx.execute("DELETE FROM settings WHERE name = $1", values![name]).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn put(
    tx: &mut Tx,
    key: &SealingKey,
    name: String,
    expected: i64,
    body: String,
) -> Result<i64, Error> {
    let sealed = seal(key, &name, body)?;
    let changed = if expected == 0 {
        let add = "INSERT INTO settings (name, revision, body) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING";
        tx.execute(add, values![name.as_str(), sealed]).await?
    } else {
        let change = "UPDATE settings SET revision = revision + 1, body = $3 WHERE name = $1 AND revision = $2";
        tx.execute(change, values![name.as_str(), expected, sealed]).await?
    };
    if changed == 1 {
        return Ok(expected + 1);
    }
    let found = get(tx, key, &name).await?.map_or(0, |settings| settings.revision);
    Err(Error::Revision { name, expected, found })
}

fn document(row: &Row, key: &SealingKey) -> Result<(String, Settings), Error> {
    let (name, sealed): (String, Vec<u8>) = (row.get("name")?, row.get("body")?);
    let body = key.open_bytes(Bound::Settings(&name), &sealed)?;
    let body = String::from_utf8(body).map_err(|_| Error::Damaged { what: "settings" })?;
    Ok((name, Settings { revision: row.get("revision")?, body }))
}

fn seal(key: &SealingKey, name: &str, body: String) -> Result<Vec<u8>, Error> {
    if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
        let why = "is empty, longer than 2,048 bytes or has a NUL character";
        return Err(Error::Invalid { what: "name of the settings", why });
    }
    if body.len() > BODY_MAX {
        return Err(Error::Invalid { what: "settings", why: "are longer than 4 MiB" });
    }
    key.seal_bytes(Bound::Settings(name), body.into_bytes())
}
