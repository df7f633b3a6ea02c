use crate::Error;

/// Items of one answer at most.
pub const LIST_MAX: u32 = 500;

/// Where the next page begins. It stays valid when items come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) sort: String,
    pub(crate) id: String,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// [`Listed::next`] of the page before; `None` for the first page.
    pub after: Option<Cursor>,
    /// 1 to [`LIST_MAX`].
    pub limit: u32,
}

impl Page {
    /// The first page.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    pub(crate) fn checked_limit(&self) -> Result<i64, Error> {
        checked_limit(self.limit)
    }

    pub(crate) fn after(&self) -> (Option<String>, Option<String>) {
        self.after.as_ref().map_or((None, None), |cursor| (Some(cursor.sort.clone()), Some(cursor.id.clone())))
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In the order of the names, then the ids.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

pub(crate) fn checked_limit(limit: u32) -> Result<i64, Error> {
    if (1..=LIST_MAX).contains(&limit) {
        Ok(i64::from(limit))
    } else {
        Err(Error::Invalid { what: "limit", why: "must be from 1 to 500" })
    }
}
