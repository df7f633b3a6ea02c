use std::ops::Range;

use domain::{CameraId, WallTime};

use crate::{
    Error, Limits, StatusChange,
    camera::{check_text, status_of, status_text},
    engine::{Tx, values},
    page::checked_limit,
};

/// Ends what exceeds the count. Each change adds one row, so a bounded bite keeps up.
const PRUNE_COUNT: &str = "DELETE FROM status_change WHERE no IN (
    SELECT no FROM status_change WHERE camera_id = $1 ORDER BY at_us DESC, no DESC LIMIT 1000 OFFSET $2)";
const PRUNE_AGE: &str = "DELETE FROM status_change WHERE camera_id = $1
    AND at_us < (SELECT max(at_us) FROM status_change WHERE camera_id = $1) - $2";

pub(super) async fn append(tx: &mut Tx, camera: CameraId, change: StatusChange, limits: Limits) -> Result<(), Error> {
    check_text("reason", &change.reason)?;
    let (id, at, status) = (camera.to_string(), change.at.unix_us(), status_text(change.status));
    if tx.row("SELECT id FROM camera WHERE id = $1", values![id.as_str()]).await?.is_none() {
        return Err(Error::not_found("camera", camera));
    }
    let add = "INSERT INTO status_change (camera_id, at_us, status, reason) VALUES ($1, $2, $3, $4)";
    tx.execute(add, values![id.as_str(), at, status, change.reason]).await?;
    let newest = "UPDATE camera SET status = $2, status_us = $3
        WHERE id = $1 AND (status_us IS NULL OR status_us <= $3)";
    tx.execute(newest, values![id.as_str(), status, at]).await?;
    let age = i64::try_from(limits.history_age.as_micros()).unwrap_or(i64::MAX / 4);
    tx.execute(PRUNE_AGE, values![id.as_str(), age]).await?;
    tx.execute(PRUNE_COUNT, values![id.as_str(), i64::from(limits.history_per_camera)]).await?;
    Ok(())
}

pub(super) async fn list(
    tx: &mut Tx,
    camera: CameraId,
    range: Range<WallTime>,
    limit: u32,
) -> Result<Vec<StatusChange>, Error> {
    let limit = checked_limit(limit)?;
    let ask = "SELECT at_us, status, reason FROM status_change
        WHERE camera_id = $1 AND at_us >= $2 AND at_us < $3 ORDER BY at_us, no LIMIT $4";
    let values = values![camera.to_string(), range.start.unix_us(), range.end.unix_us(), limit];
    let rows = tx.rows(ask, values).await?;
    let changes = rows.iter().map(|row| {
        let status = status_of(&row.get::<String>("status")?)?;
        Ok(StatusChange { at: WallTime::from_unix_us(row.get("at_us")?), status, reason: row.get("reason")? })
    });
    changes.collect()
}
