//! Where changes of the configuration are kept, so that they survive a restart.
//!
//! A change names slots and their new contents, so applying it twice ends in the same state.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Keys;
use crate::Error;

/// New contents of some slots of the configuration; a slot that is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// What the user has set of the global configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Keys>,
    /// What the user has set of the path defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Keys>,
    /// What the user has done to path entries; `None` takes an entry's slot away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, Option<Stored>>,
}

/// What a user has done to one path entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Keys over those of the server's file.
    Patched(Keys),
    /// Keys in place of any in the server's file.
    Replaced(Keys),
    /// An entry of the server's file that is not wanted.
    Deleted,
}

impl Change {
    /// This change followed by a newer one, as one.
    pub fn absorb(&mut self, newer: Self) {
        self.global = newer.global.or(self.global.take());
        self.defaults = newer.defaults.or(self.defaults.take());
        self.paths.extend(newer.paths);
    }
}

/// Keeps changes. Only one holder writes at a time.
pub trait ConfigStore: Send + Sync {
    /// All changes so far as one.
    fn load(&self) -> BoxFuture<'_, Result<Change, Error>>;
    /// Keeps a change. When this answers, the change survives a crash.
    fn append(&self, change: Change) -> BoxFuture<'_, Result<(), Error>>;
}

/// Keeps changes for as long as it lives: for servers that forget, and for tests.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Change>);

impl MemoryStore {
    fn kept(&self) -> MutexGuard<'_, Change> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConfigStore for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Change, Error>> {
        Box::pin(ready(Ok(self.kept().clone())))
    }

    fn append(&self, change: Change) -> BoxFuture<'_, Result<(), Error>> {
        self.kept().absorb(change);
        Box::pin(ready(Ok(())))
    }
}
