use domain::WallTime;

use super::{cameras, count_of, folders, servers};
use crate::{
    Applied, Ending, Error, ServerId, SyncPage,
    engine::{Tx, values},
    server::SYNC_PAGE_MAX,
};

/// A camera has vanished when so many whole listings in a row did not have it.
const LISTINGS_MISSED_MAX: i64 = 2;

pub(super) async fn apply(tx: &mut Tx, server: ServerId, page: SyncPage, now: WallTime) -> Result<Applied, Error> {
    if page.cameras.len() > SYNC_PAGE_MAX || page.folders.len() > SYNC_PAGE_MAX {
        return Err(Error::Invalid { what: "page", why: "has more than 1,000 cameras or folders" });
    }
    step(tx, server, &page).await?;
    for folder in &page.folders {
        if folder.server != Some(server) {
            return Err(Error::Foreign { what: "folder", id: folder.id.to_string() });
        }
        folders::upsert(tx, folder, Some(page.sync)).await?;
    }
    let mut applied = Applied::default();
    for (id, details) in &page.cameras {
        let returned = cameras::put_synced(tx, *id, server, details, now, page.sync).await?;
        applied.cameras += 1;
        applied.returned += u64::from(returned);
    }
    match page.ending {
        Ending::Partial => {}
        Ending::Complete | Ending::Exact => {
            (applied.missed, applied.vanished) = complete(tx, server, &page, now).await?;
        }
    }
    Ok(applied)
}

/// The row of the server is taken first, so two synchronisations of one server cannot interleave.
async fn step(tx: &mut Tx, server: ServerId, page: &SyncPage) -> Result<(), Error> {
    let (id, sync) = (server.to_string(), page.sync.to_string());
    let fits = if page.number == 0 {
        tx.execute("UPDATE server SET sync_id = $2, sync_next = 1 WHERE id = $1", values![id, sync]).await?
    } else {
        let follow = "UPDATE server SET sync_next = sync_next + 1 WHERE id = $1 AND sync_id = $2 AND sync_next = $3";
        tx.execute(follow, values![id, sync, i64::from(page.number)]).await?
    };
    if fits == 1 {
        return Ok(());
    }
    match servers::get(tx, server).await? {
        Some(_) => Err(Error::OutOfStep { page: page.number }),
        None => Err(Error::not_found("server", server)),
    }
}

/// Concludes from what was not listed. A listing without any camera is a loss of rights more often than the end of all
/// cameras: unless it is exact, it marks nothing. Says how many cameras are missed, and how many have vanished.
async fn complete(tx: &mut Tx, server: ServerId, page: &SyncPage, now: WallTime) -> Result<(u64, u64), Error> {
    let (id, sync) = (server.to_string(), page.sync.to_string());
    let end = "UPDATE server SET sync_id = NULL, synced_us = $2 WHERE id = $1";
    tx.execute(end, values![id.as_str(), now.unix_us()]).await?;
    let count = "SELECT count(*) AS n FROM camera WHERE server_id = $1 AND seen_sync = $2";
    let listed = count_of(tx.row(count, values![id.as_str(), sync.as_str()]).await?.as_ref())?;
    if listed == 0 && page.ending != Ending::Exact {
        return Ok((0, 0));
    }
    let folders = "DELETE FROM folder WHERE server_id = $1 AND seen_sync <> $2";
    tx.execute(folders, values![id.as_str(), sync.as_str()]).await?;
    // Cameras that no synchronisation ever brought have no `seen_sync`: an operator made them.
    let miss = "UPDATE camera SET missed = missed + 1 WHERE server_id = $1 AND vanished_us IS NULL AND seen_sync <> $2";
    let missed = tx.execute(miss, values![id.as_str(), sync]).await?;
    let missed_max = if page.ending == Ending::Exact { 1 } else { LISTINGS_MISSED_MAX };
    let mark = "UPDATE camera SET vanished_us = $2 WHERE server_id = $1 AND vanished_us IS NULL AND missed >= $3";
    let vanished = tx.execute(mark, values![id, now.unix_us(), missed_max]).await?;
    Ok((missed - vanished, vanished))
}
