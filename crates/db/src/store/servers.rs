use domain::WallTime;

use super::{listed, parsed};
use crate::{
    Cursor, Error, Listed, Page, Server, ServerId, ServerKind,
    camera::{check_address, check_text},
    engine::{Row, Tx, values},
    text::sort_key,
};

pub(super) async fn put(tx: &mut Tx, server: Server) -> Result<(), Error> {
    check_text("name of the server", &server.name)?;
    check_address(&server.address)?;
    let put = "INSERT INTO server (id, kind, name, address, sort) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE
        SET kind = excluded.kind, name = excluded.name, address = excluded.address, sort = excluded.sort";
    let sort = sort_key(&server.name);
    tx.execute(put, values![server.id.to_string(), server.kind.as_str(), server.name, server.address, sort]).await?;
    Ok(())
}

/// The sealed bytes stay behind: nothing but [`sealed`] reads them.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, kind, name, address, synced_us, sealed IS NOT NULL AS has_credentials FROM server ", $rest)
    };
}

pub(super) async fn get(tx: &mut Tx, id: ServerId) -> Result<Option<Server>, Error> {
    tx.row(select!("WHERE id = $1"), values![id.to_string()]).await?.as_ref().map(server).transpose()
}

pub(super) async fn list(tx: &mut Tx, page: Page) -> Result<Listed<Server>, Error> {
    let limit = page.checked_limit()?;
    let (sort, id) = page.after();
    let ask = select!("WHERE $1 IS NULL OR (sort, id) > ($1, $2) ORDER BY sort, id LIMIT $3");
    let rows = tx.rows(ask, values![sort, id, limit + 1]).await?;
    let servers = rows.iter().map(server).collect::<Result<_, _>>()?;
    Ok(listed(servers, limit, |server: &Server| Cursor { sort: sort_key(&server.name), id: server.id.to_string() }))
}

pub(super) async fn remove(tx: &mut Tx, id: ServerId) -> Result<(), Error> {
    match tx.execute("DELETE FROM server WHERE id = $1", values![id.to_string()]).await? {
        0 => Err(Error::not_found("server", id)),
        _ => Ok(()),
    }
}

pub(super) async fn set_sealed(tx: &mut Tx, id: ServerId, sealed: Option<Vec<u8>>) -> Result<(), Error> {
    match tx.execute("UPDATE server SET sealed = $2 WHERE id = $1", values![id.to_string(), sealed]).await? {
        0 => Err(Error::not_found("server", id)),
        _ => Ok(()),
    }
}

pub(super) async fn sealed(tx: &mut Tx, id: ServerId) -> Result<Option<Vec<u8>>, Error> {
    let row = tx.row("SELECT sealed FROM server WHERE id = $1", values![id.to_string()]).await?;
    row.ok_or_else(|| Error::not_found("server", id))?.get("sealed")
}

fn server(row: &Row) -> Result<Server, Error> {
    let kind: String = row.get("kind")?;
    Ok(Server {
        id: parsed("id of a server", &row.get::<String>("id")?, |text| text.parse().ok())?,
        kind: parsed("kind of a server", &kind, |text| ServerKind::ALL.into_iter().find(|kind| kind.as_str() == text))?,
        name: row.get("name")?,
        address: row.get("address")?,
        has_credentials: row.get("has_credentials")?,
        synced: row.get::<Option<i64>>("synced_us")?.map(WallTime::from_unix_us),
    })
}
