use super::{listed, parsed};
use crate::{
    Cursor, Error, Folder, FolderId, Listed, Page, SyncId,
    engine::{Lock, Row, Tx, values},
    folder::DEPTH_MAX,
    text::sort_key,
};

pub(super) async fn put(tx: &mut Tx, folder: Folder) -> Result<(), Error> {
    if folder.server.is_some() {
        return Err(Error::Invalid { what: "folder", why: "of a server is changed by its synchronisation only" });
    }
    upsert(tx, &folder, None).await
}

pub(super) async fn upsert(tx: &mut Tx, folder: &Folder, sync: Option<SyncId>) -> Result<(), Error> {
    folder.check()?;
    tx.lock(Lock::Folders).await?;
    let id = folder.id.to_string();
    if let Some(parent) = folder.parent {
        check_tree(tx, folder.id, parent).await?;
    }
    let put = "INSERT INTO folder (id, parent_id, server_id, name, name_ar, sort, seen_sync)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name,
        name_ar = excluded.name_ar, sort = excluded.sort, seen_sync = excluded.seen_sync
        WHERE folder.server_id IS NOT DISTINCT FROM excluded.server_id";
    let values = values![
        id.as_str(),
        folder.parent.map(|parent| parent.to_string()),
        folder.server.map(|server| server.to_string()),
        folder.name.as_str(),
        folder.name_ar.as_str(),
        sort_key(&folder.name),
        sync.map(|sync| sync.to_string()),
    ];
    match tx.execute(put, values).await? {
        0 => Err(Error::Foreign { what: "folder", id }),
        _ => Ok(()),
    }
}

/// Walks up from the parent: the folder must not come, and the way must be short.
async fn check_tree(tx: &mut Tx, folder: FolderId, parent: FolderId) -> Result<(), Error> {
    let folder = folder.to_string();
    let mut at = Some(parent.to_string());
    for _ in 1..DEPTH_MAX {
        let Some(id) = at else { return Ok(()) };
        if id == folder {
            return Err(Error::FolderTree { id });
        }
        let row = tx.row("SELECT parent_id FROM folder WHERE id = $1", values![id.as_str()]).await?;
        at = row.ok_or_else(|| Error::not_found("folder", id))?.get("parent_id")?;
    }
    if at.is_none() { Ok(()) } else { Err(Error::FolderTree { id: folder }) }
}

pub(super) async fn list(tx: &mut Tx, page: Page) -> Result<Listed<Folder>, Error> {
    let limit = page.checked_limit()?;
    let (sort, id) = page.after();
    let ask = "SELECT id, parent_id, server_id, name, name_ar FROM folder
        WHERE $1 IS NULL OR (sort, id) > ($1, $2) ORDER BY sort, id LIMIT $3";
    let rows = tx.rows(ask, values![sort, id, limit + 1]).await?;
    let folders = rows.iter().map(folder).collect::<Result<_, _>>()?;
    Ok(listed(folders, limit, |folder: &Folder| Cursor { sort: sort_key(&folder.name), id: folder.id.to_string() }))
}

pub(super) async fn remove(tx: &mut Tx, id: FolderId) -> Result<(), Error> {
    match tx.execute("DELETE FROM folder WHERE id = $1", values![id.to_string()]).await? {
        0 => Err(Error::not_found("folder", id)),
        _ => Ok(()),
    }
}

fn folder(row: &Row) -> Result<Folder, Error> {
    let id = |text: String| parsed("id of a folder", &text, |text| text.parse().ok());
    let server = |text: String| parsed("id of a server", &text, |text| text.parse().ok());
    Ok(Folder {
        id: id(row.get("id")?)?,
        parent: row.get::<Option<String>>("parent_id")?.map(id).transpose()?,
        server: row.get::<Option<String>>("server_id")?.map(server).transpose()?,
        name: row.get("name")?,
        name_ar: row.get("name_ar")?,
    })
}
