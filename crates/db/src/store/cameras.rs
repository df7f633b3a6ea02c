use std::collections::BTreeMap;

use domain::{AgencyId, CameraId, PathName, Position, Rendition, WallTime};

use super::{count_of, listed, parsed};
use crate::{
    Camera, CameraFilter, Cursor, Details, Error, FolderId, Listed, Page, ServerId, Stream, SyncId,
    camera::{rendition_text, status_of, status_text},
    engine::{Row, Statement, Tx, Value, values},
    text::{self, sort_key},
};

/// Arguments 1 to 6 are the filter; `$search` is what the engine's index answers.
macro_rules! filtered {
    ($select:literal, $search:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM camera c WHERE ($1 IS NULL OR c.agency = $1) AND ($2 IS NULL OR c.server_id = $2)
            AND ($3 IS NULL OR c.status = $3)
            AND ($4 = 'any' OR ($4 = 'present') = (c.vanished_us IS NULL))
            AND ($5 IS NULL OR c.id IN (
                WITH RECURSIVE tree (id) AS (
                    SELECT id FROM folder WHERE id = $5
                    UNION SELECT folder.id FROM folder JOIN tree ON folder.parent_id = tree.id)
                SELECT camera_id FROM camera_folder JOIN tree ON folder_id = tree.id))
            AND ($6 IS NULL OR ",
            $search,
            ") ",
            $rest
        )
    };
}

macro_rules! on_both {
    ($select:literal, $rest:literal) => {
        Statement {
            sqlite: filtered!($select, "c.no IN (SELECT rowid FROM camera_fts WHERE camera_fts MATCH $6)", $rest),
            postgres: filtered!($select, "c.words @@ CAST($6 AS tsquery)", $rest),
        }
    };
}

const LIST: Statement = on_both!("c.*", "AND ($7 IS NULL OR (c.sort, c.id) > ($7, $8)) ORDER BY c.sort, c.id LIMIT $9");
const COUNT: Statement = on_both!("count(*) AS n", "");

const STREAMS: Statement = Statement {
    sqlite: "SELECT camera_id, rendition, path, address FROM stream
        WHERE camera_id IN (SELECT value FROM json_each($1)) ORDER BY camera_id, rendition",
    postgres: "SELECT camera_id, rendition, path, address FROM stream
        WHERE camera_id IN (SELECT jsonb_array_elements_text(CAST($1 AS jsonb))) ORDER BY camera_id, rendition",
};
const FOLDERS: Statement = Statement {
    sqlite: "SELECT camera_id, folder_id FROM camera_folder WHERE camera_id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT camera_id, folder_id FROM camera_folder
        WHERE camera_id IN (SELECT jsonb_array_elements_text(CAST($1 AS jsonb)))",
};

const PUT: &str =
    "INSERT INTO camera (id, server_id, hardware, agency, name, name_ar, sort, tokens, latitude, longitude,
    place, vendor, model, capabilities, status, seen_sync, updated_us, recorder, metadata)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'ONLINE', $15, $16, $17, $18)
    ON CONFLICT (id) DO UPDATE SET server_id = excluded.server_id, hardware = excluded.hardware,
    agency = excluded.agency, recorder = excluded.recorder, metadata = excluded.metadata, missed = 0, name = excluded.name, name_ar = excluded.name_ar, sort = excluded.sort,
    tokens = excluded.tokens, latitude = excluded.latitude, longitude = excluded.longitude, place = excluded.place,
    vendor = excluded.vendor, model = excluded.model, capabilities = excluded.capabilities, vanished_us = NULL,
    seen_sync = coalesce(excluded.seen_sync, camera.seen_sync), updated_us = excluded.updated_us";

pub(super) async fn get(tx: &mut Tx, id: CameraId) -> Result<Option<Camera>, Error> {
    let row = tx.row("SELECT * FROM camera WHERE id = $1", values![id.to_string()]).await?;
    Ok(complete(tx, row.into_iter().collect()).await?.pop())
}

pub(super) async fn list(tx: &mut Tx, filter: CameraFilter, page: Page) -> Result<Listed<Camera>, Error> {
    let limit = page.checked_limit()?;
    let (sort, id) = page.after();
    let Some(mut values) = filter_values(&filter, tx) else { return Ok(Listed { items: Vec::new(), next: None }) };
    values.extend(values![sort, id, limit + 1]);
    let rows = tx.rows(LIST, values).await?;
    let cameras = complete(tx, rows).await?;
    Ok(listed(cameras, limit, |camera: &Camera| Cursor {
        sort: sort_key(&camera.details.name),
        id: camera.id.to_string(),
    }))
}

pub(super) async fn count(tx: &mut Tx, filter: CameraFilter) -> Result<u64, Error> {
    let Some(values) = filter_values(&filter, tx) else { return Ok(0) };
    count_of(tx.row(COUNT, values).await?.as_ref())
}

/// `None` when a text is given that has no word: it finds nothing.
fn filter_values(filter: &CameraFilter, tx: &Tx) -> Option<Vec<Value>> {
    let mut search = None;
    if !filter.text.trim().is_empty() {
        let query = text::Query::new(&filter.text)?;
        search = Some(tx.pick(query.fts5(), query.tsquery()));
    }
    Some(values![
        filter.agency.as_ref().map(|agency| agency.as_str().to_owned()),
        filter.server.map(|server| server.to_string()),
        filter.status.map(|status| status_text(status).to_owned()),
        filter.presence.as_str(),
        filter.folder.map(|folder| folder.to_string()),
        search,
    ])
}

pub(super) async fn put(
    tx: &mut Tx,
    id: CameraId,
    server: Option<ServerId>,
    details: Details,
    now: WallTime,
) -> Result<(), Error> {
    upsert(tx, id, server, &details, now, None).await?;
    tx.execute("DELETE FROM camera_folder WHERE camera_id = $1", values![id.to_string()]).await?;
    for folder in details.folders {
        let add = "INSERT INTO camera_folder (camera_id, folder_id) SELECT $1, id FROM folder WHERE id = $2";
        if tx.execute(add, values![id.to_string(), folder.to_string()]).await? == 0 {
            return Err(Error::not_found("folder", folder));
        }
    }
    Ok(())
}

/// Whether a camera that had vanished is back.
pub(super) async fn put_synced(
    tx: &mut Tx,
    id: CameraId,
    server: ServerId,
    details: &Details,
    now: WallTime,
    sync: SyncId,
) -> Result<bool, Error> {
    let returned = upsert(tx, id, Some(server), details, now, Some(sync)).await?;
    let remove = "DELETE FROM camera_folder WHERE camera_id = $1
        AND folder_id IN (SELECT id FROM folder WHERE server_id = $2)";
    tx.execute(remove, values![id.to_string(), server.to_string()]).await?;
    for folder in &details.folders {
        let add = "INSERT INTO camera_folder (camera_id, folder_id)
            SELECT $1, id FROM folder WHERE id = $2 AND server_id = $3";
        if tx.execute(add, values![id.to_string(), folder.to_string(), server.to_string()]).await? == 0 {
            return Err(Error::Foreign { what: "folder", id: folder.to_string() });
        }
    }
    Ok(returned)
}

async fn upsert(
    tx: &mut Tx,
    id: CameraId,
    server: Option<ServerId>,
    details: &Details,
    now: WallTime,
    sync: Option<SyncId>,
) -> Result<bool, Error> {
    details.check()?;
    let (id, server) = (id.to_string(), server.map(|server| server.to_string()));
    let known =
        tx.row("SELECT server_id, name_ar, vanished_us FROM camera WHERE id = $1", values![id.as_str()]).await?;
    let mut name_ar = details.name_ar.clone();
    let mut returned = false;
    if let Some(row) = known {
        if sync.is_some() && row.get::<Option<String>>("server_id")? != server {
            return Err(Error::Foreign { what: "camera", id });
        }
        returned = row.get::<Option<i64>>("vanished_us")?.is_some();
        name_ar = name_ar.or(row.get("name_ar")?);
    }
    let searched = [&details.name, &details.place, &details.vendor, &details.model].map(String::as_str);
    let tokens = text::tokens(searched.into_iter().chain(name_ar.as_deref()));
    let capabilities = serde_json::to_string(&details.capabilities);
    let metadata = serde_json::to_string(&details.metadata);
    let values = values![
        id.as_str(),
        server,
        details.hardware.as_str(),
        details.agency.as_str(),
        details.name.as_str(),
        name_ar,
        sort_key(&details.name),
        tokens,
        details.position.map(|position| position.latitude),
        details.position.map(|position| position.longitude),
        details.place.as_str(),
        details.vendor.as_str(),
        details.model.as_str(),
        capabilities.map_err(|_| Error::Invalid { what: "capabilities", why: "cannot be written" })?,
        sync.map(|sync| sync.to_string()),
        now.unix_us(),
        details.recorder.as_str(),
        metadata.map_err(|_| Error::Invalid { what: "metadata", why: "cannot be written" })?,
    ];
    tx.execute(PUT, values).await?;
    tx.execute("DELETE FROM stream WHERE camera_id = $1", values![id.as_str()]).await?;
    for stream in &details.streams {
        let add = "INSERT INTO stream (camera_id, rendition, path, address) VALUES ($1, $2, $3, $4)";
        let rendition = rendition_text(stream.rendition);
        tx.execute(add, values![id.as_str(), rendition, stream.path.as_str(), stream.address.as_str()]).await?;
    }
    Ok(returned)
}

pub(super) async fn remove(tx: &mut Tx, id: CameraId) -> Result<(), Error> {
    match tx.execute("DELETE FROM camera WHERE id = $1", values![id.to_string()]).await? {
        0 => Err(Error::not_found("camera", id)),
        _ => Ok(()),
    }
}

/// Adds streams and folders to the rows of cameras.
async fn complete(tx: &mut Tx, rows: Vec<Row>) -> Result<Vec<Camera>, Error> {
    let mut cameras = rows.iter().map(camera).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<String> = cameras.iter().map(|camera| camera.id.to_string()).collect();
    let ids = serde_json::to_string(&ids).map_err(|_| Error::Damaged { what: "ids" })?;
    let mut streams: BTreeMap<String, Vec<Stream>> = BTreeMap::new();
    for row in tx.rows(STREAMS, values![ids.as_str()]).await? {
        streams.entry(row.get("camera_id")?).or_default().push(stream(&row)?);
    }
    let mut folders: BTreeMap<String, Vec<FolderId>> = BTreeMap::new();
    for row in tx.rows(FOLDERS, values![ids]).await? {
        let folder = parsed("id of a folder", &row.get::<String>("folder_id")?, |text| text.parse().ok())?;
        folders.entry(row.get("camera_id")?).or_default().push(folder);
    }
    for camera in &mut cameras {
        let id = camera.id.to_string();
        camera.details.streams = streams.remove(&id).unwrap_or_default();
        camera.details.folders = folders.remove(&id).unwrap_or_default().into_iter().collect();
    }
    Ok(cameras)
}

fn stream(row: &Row) -> Result<Stream, Error> {
    let rendition: String = row.get("rendition")?;
    let all = [Rendition::Main, Rendition::Sub];
    Ok(Stream {
        rendition: parsed("rendition", &rendition, |text| all.into_iter().find(|one| rendition_text(*one) == text))?,
        path: parsed("path", &row.get::<String>("path")?, PathName::new)?,
        address: row.get("address")?,
    })
}

fn camera(row: &Row) -> Result<Camera, Error> {
    let position = match (row.get::<Option<f64>>("latitude")?, row.get::<Option<f64>>("longitude")?) {
        (Some(latitude), Some(longitude)) => Some(Position { latitude, longitude }),
        (None, _) | (_, None) => None,
    };
    let capabilities: String = row.get("capabilities")?;
    let metadata: String = row.get("metadata")?;
    let details = Details {
        agency: parsed("agency", &row.get::<String>("agency")?, AgencyId::new)?,
        name: row.get("name")?,
        name_ar: row.get("name_ar")?,
        position,
        place: row.get("place")?,
        vendor: row.get("vendor")?,
        model: row.get("model")?,
        capabilities: parsed("capabilities", &capabilities, |text| serde_json::from_str(text).ok())?,
        streams: Vec::new(),
        hardware: row.get("hardware")?,
        recorder: row.get("recorder")?,
        metadata: parsed("metadata", &metadata, |text| serde_json::from_str(text).ok())?,
        folders: std::collections::BTreeSet::new(),
    };
    let server = row.get::<Option<String>>("server_id")?;
    Ok(Camera {
        id: parsed("id of a camera", &row.get::<String>("id")?, |text| text.parse().ok())?,
        server: server.map(|text| parsed("id of a server", &text, |text| text.parse().ok())).transpose()?,
        details,
        status: status_of(&row.get::<String>("status")?)?,
        missed: row.get::<i32>("missed")?.try_into().map_err(|_| Error::Damaged { what: "missed" })?,
        vanished: row.get::<Option<i64>>("vanished_us")?.map(WallTime::from_unix_us),
        updated: WallTime::from_unix_us(row.get("updated_us")?),
    })
}
