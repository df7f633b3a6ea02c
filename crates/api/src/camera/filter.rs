//! Which cameras a client asks for.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Camera, CameraId, CameraStatus, ErrorKind};
use vms::Directory;

use super::View;
use crate::problem::Problem;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// What the query of a list says.
#[derive(Debug)]
pub(crate) struct Filter {
    source: Option<String>,
    status: Option<CameraStatus>,
    text: Option<String>,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl Filter {
    /// `limit` items at most, where the query names no limit itself.
    pub(crate) fn of_query(query: BTreeMap<String, String>, limit: Option<usize>) -> Result<Self, Problem> {
        let mut filter = Self { source: None, status: None, text: None, limit: limit.unwrap_or(LIMIT), offset: 0 };
        for (name, value) in query {
            match name.as_str() {
                // An empty choice of a form is no choice.
                "source" | "status" | "q" if value.is_empty() => {}
                "source" => filter.source = Some(value),
                "status" => filter.status = Some(status(&value).ok_or_else(|| wrong("status"))?),
                "q" => filter.text = Some(value.to_lowercase()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
                    filter.limit = limit.ok_or_else(|| wrong("limit"))?;
                }
                "offset" => filter.offset = value.parse().map_err(|_| wrong("offset"))?,
                "token" | "jwt" => {}
                other => return Err(wrong(other)),
            }
        }
        Ok(filter)
    }

    /// The cameras of `all` that fit, in their order, with their states.
    pub(crate) async fn fitting<'a>(
        &self,
        directory: &Directory,
        view: &View,
        all: &'a [Camera],
    ) -> Result<Vec<(&'a Camera, CameraStatus)>, Problem> {
        let found = match &self.text {
            Some(text) => directory.search(text).await?,
            None => BTreeSet::new(),
        };
        let fitting = all.iter().filter(|camera| self.takes(camera, &found));
        let with_status = fitting.map(|camera| (camera, view.status(camera)));
        Ok(with_status.filter(|(_, status)| self.status.is_none_or(|wanted| wanted == *status)).collect())
    }

    /// `found` has the cameras in which the words of the text are.
    fn takes(&self, camera: &Camera, found: &BTreeSet<CameraId>) -> bool {
        let fits = |text: &str| {
            found.contains(&camera.id)
                || camera.name.to_lowercase().contains(text)
                || camera.name_ar.to_lowercase().contains(text)
                || camera.id.to_string().contains(text)
        };
        self.source.as_deref().is_none_or(|source| source == camera.agency.as_str())
            && self.text.as_deref().is_none_or(fits)
    }
}

fn status(text: &str) -> Option<CameraStatus> {
    match text {
        "ONLINE" => Some(CameraStatus::Online),
        "OFFLINE" => Some(CameraStatus::Offline),
        "ERROR" => Some(CameraStatus::Error),
        _ => None,
    }
}

/// The refusal of a parameter.
pub(crate) fn wrong(parameter: &str) -> Problem {
    let text = format!("the parameter {parameter} is wrong");
    let text_ar = format!("قيمة المعامل {parameter} غير صالحة");
    Problem::new(ErrorKind::Invalid, "INVALID_PARAMETER", text, text_ar).with("parameter", parameter)
}
