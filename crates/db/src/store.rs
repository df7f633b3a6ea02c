//! The catalogue in SQL, on either engine.

use std::{collections::BTreeMap, ops::Range};

use domain::{CameraId, WallTime};

use crate::{
    Answer, Applied, Camera, CameraFilter, Catalogue, Credentials, Details, Error, Folder, FolderId, Limits, Listed,
    Page, SealingKey, Server, ServerId, Settings, SettingsChange, StatusChange, SyncPage,
    engine::Pools,
    migrate::{MIGRATIONS, migrate},
};

mod cameras;
mod folders;
mod history;
mod servers;
mod settings;
mod sync;

#[derive(Debug)]
struct Store {
    pools: Pools,
    key: SealingKey,
    limits: Limits,
}

/// Brings the database to the newest schema.
pub(crate) async fn open(pools: Pools, key: SealingKey, limits: Limits) -> Result<impl Catalogue + use<>, Error> {
    migrate(&pools, MIGRATIONS).await?;
    Ok(Store { pools, key, limits })
}

/// What a transaction answers once it is kept.
macro_rules! written {
    ($store:ident, |$tx:ident| $work:expr) => {
        Box::pin(async move {
            let mut $tx = $store.pools.write().await?;
            let answer = $work.await?;
            $tx.commit().await?;
            Ok(answer)
        })
    };
}

macro_rules! read {
    ($store:ident, |$tx:ident| $work:expr) => {
        Box::pin(async move {
            let mut $tx = $store.pools.read().await?;
            $work.await
        })
    };
}

impl Catalogue for Store {
    fn camera(&self, id: CameraId) -> Answer<'_, Option<Camera>> {
        read!(self, |tx| cameras::get(&mut tx, id))
    }

    fn cameras(&self, filter: CameraFilter, page: Page) -> Answer<'_, Listed<Camera>> {
        read!(self, |tx| cameras::list(&mut tx, filter, page))
    }

    fn count_cameras(&self, filter: CameraFilter) -> Answer<'_, u64> {
        read!(self, |tx| cameras::count(&mut tx, filter))
    }

    fn put_camera(&self, id: CameraId, server: Option<ServerId>, details: Details, now: WallTime) -> Answer<'_, ()> {
        written!(self, |tx| cameras::put(&mut tx, id, server, details, now))
    }

    fn remove_camera(&self, id: CameraId) -> Answer<'_, ()> {
        written!(self, |tx| cameras::remove(&mut tx, id))
    }

    fn put_folder(&self, folder: Folder) -> Answer<'_, ()> {
        written!(self, |tx| folders::put(&mut tx, folder))
    }

    fn folders(&self, page: Page) -> Answer<'_, Listed<Folder>> {
        read!(self, |tx| folders::list(&mut tx, page))
    }

    fn remove_folder(&self, id: FolderId) -> Answer<'_, ()> {
        written!(self, |tx| folders::remove(&mut tx, id))
    }

    fn put_server(&self, server: Server) -> Answer<'_, ()> {
        written!(self, |tx| servers::put(&mut tx, server))
    }

    fn server(&self, id: ServerId) -> Answer<'_, Option<Server>> {
        read!(self, |tx| servers::get(&mut tx, id))
    }

    fn servers(&self, page: Page) -> Answer<'_, Listed<Server>> {
        read!(self, |tx| servers::list(&mut tx, page))
    }

    fn remove_server(&self, id: ServerId) -> Answer<'_, ()> {
        written!(self, |tx| servers::remove(&mut tx, id))
    }

    fn set_credentials(&self, id: ServerId, credentials: Option<Credentials>) -> Answer<'_, ()> {
        Box::pin(async move {
            let sealed = credentials.map(|credentials| self.key.seal(id, &credentials)).transpose()?;
            let mut tx = self.pools.write().await?;
            servers::set_sealed(&mut tx, id, sealed).await?;
            tx.commit().await
        })
    }

    fn open_credentials_for_connector(&self, id: ServerId) -> Answer<'_, Option<Credentials>> {
        Box::pin(async move {
            let mut tx = self.pools.read().await?;
            let sealed = servers::sealed(&mut tx, id).await?;
            sealed.map(|sealed| self.key.open(id, &sealed)).transpose()
        })
    }

    fn apply_sync(&self, server: ServerId, page: SyncPage, now: WallTime) -> Answer<'_, Applied> {
        written!(self, |tx| sync::apply(&mut tx, server, page, now))
    }

    fn record_status(&self, camera: CameraId, change: StatusChange) -> Answer<'_, ()> {
        written!(self, |tx| history::append(&mut tx, camera, change, self.limits))
    }

    fn status_history(&self, camera: CameraId, range: Range<WallTime>, limit: u32) -> Answer<'_, Vec<StatusChange>> {
        read!(self, |tx| history::list(&mut tx, camera, range, limit))
    }

    fn settings(&self, name: String) -> Answer<'_, Option<Settings>> {
        read!(self, |tx| settings::get(&mut tx, &self.key, &name))
    }

    fn settings_under(&self, prefix: String) -> Answer<'_, BTreeMap<String, Settings>> {
        read!(self, |tx| settings::under(&mut tx, &self.key, &prefix))
    }

    fn change_settings(&self, changes: Vec<SettingsChange>) -> Answer<'_, ()> {
        written!(self, |tx| settings::change(&mut tx, &self.key, changes))
    }

    fn put_settings(&self, name: String, expected: i64, body: String) -> Answer<'_, i64> {
        written!(self, |tx| settings::put(&mut tx, &self.key, name, expected, body))
    }
}

/// Cuts a list that was asked for one item more than wanted, so that the end is known.
fn listed<T>(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> crate::Cursor) -> Listed<T> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Listed { items, next }
}

/// Reads an id or another checked text out of a stored one.
fn parsed<T>(what: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    parse(text).ok_or(Error::Damaged { what })
}

fn count_of(row: Option<&crate::engine::Row>) -> Result<u64, Error> {
    let count: i64 = row.ok_or(Error::Damaged { what: "count" })?.get("n")?;
    u64::try_from(count).map_err(|_| Error::Damaged { what: "count" })
}
