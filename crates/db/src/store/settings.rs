use crate::{
    Error, Settings,
    camera::check_text,
    engine::{Tx, values},
};

/// Bytes of a document.
const BODY_MAX: usize = 4 << 20;

pub(super) async fn get(tx: &mut Tx, name: &str) -> Result<Option<Settings>, Error> {
    let row = tx.row("SELECT revision, body FROM settings WHERE name = $1", values![name]).await?;
    row.map(|row| Ok(Settings { revision: row.get("revision")?, body: row.get("body")? })).transpose()
}

pub(super) async fn put(tx: &mut Tx, name: String, expected: i64, body: String) -> Result<i64, Error> {
    check_text("name of the settings", &name)?;
    if body.len() > BODY_MAX || body.contains('\0') {
        return Err(Error::Invalid { what: "settings", why: "are longer than 4 MiB or have a NUL character" });
    }
    let changed = if expected == 0 {
        let add = "INSERT INTO settings (name, revision, body) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING";
        tx.execute(add, values![name.as_str(), body]).await?
    } else {
        let change = "UPDATE settings SET revision = revision + 1, body = $3 WHERE name = $1 AND revision = $2";
        tx.execute(change, values![name.as_str(), expected, body]).await?
    };
    if changed == 1 {
        return Ok(expected + 1);
    }
    let found = get(tx, &name).await?.map_or(0, |settings| settings.revision);
    Err(Error::Revision { name, expected, found })
}
