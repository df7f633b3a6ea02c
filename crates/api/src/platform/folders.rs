//! The folders that cameras lie in.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State as With, rejection::QueryRejection},
};
use domain::CameraId;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::{camera::wrong, problem::Problem};

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// A folder of cameras. Folders form a tree; a camera lies in any number of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Folder {
    /// The same across restarts.
    #[schema(format = Uuid)]
    id: String,
    /// The folder it lies in.
    parent_id: Option<String>,
    /// The server that brought it; null for one made by an operator.
    server_id: Option<String>,
    /// English name.
    name: String,
    /// Arabic name; the English one where there is none.
    name_ar: String,
    /// The cameras that lie in it itself, in the order of their names.
    #[schema(value_type = Vec<String>)]
    cameras: Vec<CameraId>,
}

/// A page of folders.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FolderList {
    /// In the order of their English names.
    folders: Vec<Folder>,
    /// How many there are in all.
    total: usize,
}

/// The folders, page by page. The tree is in their `parent_id`.
#[utoipa::path(get, path = "/api/v1/folders", params(
    ("limit" = Option<u32>, Query, description = "at most so many; 100 by default, 1000 at most"),
    ("offset" = Option<u32>, Query, description = "after so many"),
), responses((status = 200, description = "as it is now", body = FolderList), (status = 400, description = "a parameter is wrong")))]
pub(crate) async fn folders(
    With(state): With<State>,
    query: Result<Query<BTreeMap<String, String>>, QueryRejection>,
) -> Result<Json<FolderList>, Problem> {
    let Query(query) = query.map_err(|_| wrong("query"))?;
    let (mut limit, mut offset) = (LIMIT, 0);
    for (name, value) in query {
        let number = value.parse::<usize>();
        match name.as_str() {
            "limit" => limit = number.ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or_else(|| wrong("limit"))?,
            "offset" => offset = number.map_err(|_| wrong("offset"))?,
            "token" | "jwt" => {}
            other => return Err(wrong(other)),
        }
    }
    let known = state.directory.snapshot();
    let folders = known.folders().iter().skip(offset).take(limit).map(shown).collect();
    Ok(Json(FolderList { folders, total: known.folders().len() }))
}

fn shown(folder: &vms::Folder) -> Folder {
    let stored = &folder.stored;
    let name_ar = if stored.name_ar.is_empty() { &stored.name } else { &stored.name_ar };
    Folder {
        id: stored.id.to_string(),
        parent_id: stored.parent.map(|parent| parent.to_string()),
        server_id: stored.server.map(|server| server.to_string()),
        name: stored.name.clone(),
        name_ar: name_ar.clone(),
        cameras: folder.cameras.clone(),
    }
}
