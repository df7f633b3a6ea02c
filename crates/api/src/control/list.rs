//! Pages of lists: `page` from 0, `itemsPerPage` 100 unless asked otherwise.

use axum::Json;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Error;
use crate::caller::percent_decoded;

const ITEMS_PER_PAGE: usize = 100;

/// A parameter of a query, with its escapes read.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value))
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The page, from 0.
    #[param(rename = "page", required = false)]
    number: usize,
    /// How many on a page; 100 unless said otherwise.
    #[param(rename = "itemsPerPage", required = false)]
    size: usize,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed<T> {
    /// How many there are on all pages.
    item_count: usize,
    /// How many pages.
    page_count: usize,
    /// Those of this page.
    items: Vec<T>,
}

impl Page {
    pub(super) fn of_query(query: Option<&str>) -> Result<Self, Error> {
        let pairs = || query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
        let value = |name| pairs().find(|(key, _)| *key == name).map(|(_, value)| value.parse::<u32>());
        let number = value("page").transpose().map_err(|_| Error::bad("invalid page"))?.unwrap_or(0);
        let size = match value("itemsPerPage") {
            None => ITEMS_PER_PAGE,
            Some(Ok(size)) if size > 0 => size as usize,
            Some(_) => return Err(Error::bad("invalid items per page")),
        };
        Ok(Self { number: number as usize, size })
    }

    pub(super) fn skip(self) -> usize {
        self.number.saturating_mul(self.size)
    }

    pub(super) fn size(self) -> usize {
        self.size
    }

    /// The part of `all` that is asked for; nothing past its end.
    pub(super) fn cut<T>(self, all: &[T]) -> &[T] {
        let rest = all.get(self.skip()..).unwrap_or_default();
        rest.get(..self.size).unwrap_or(rest)
    }

    pub(super) fn answer<T: Serialize>(self, total: usize, items: impl IntoIterator<Item = T>) -> Json<Value> {
        let items: Vec<T> = items.into_iter().collect();
        Json(json!(Listed { item_count: total, page_count: total.div_ceil(self.size), items }))
    }
}
