//! What operators change through the control API, as settings documents of the catalogue: one for the global configuration,
//! one for the path defaults, one for each path entry.

use std::{io, sync::Arc};

use db::{Catalogue, SettingsChange};
use futures_util::future::BoxFuture;
use media::{
    Error,
    config::{Change, ConfigStore},
};
use serde::{Serialize, de::DeserializeOwned};

const PREFIX: &str = "media/";
const GLOBAL: &str = "media/global";
const DEFAULTS: &str = "media/defaults";
const PATHS: &str = "media/paths/";

/// The changes, kept in a catalogue.
pub(crate) struct Documents(Arc<dyn Catalogue>);

impl Documents {
    pub(crate) fn new(catalogue: Arc<dyn Catalogue>) -> Self {
        Self(catalogue)
    }

    async fn read(&self) -> Result<Change, Error> {
        let mut change = Change::default();
        for (name, document) in self.0.settings_under(PREFIX.to_owned()).await.map_err(cannot_store)? {
            match name.as_str() {
                GLOBAL => change.global = Some(parsed(&document.body)?),
                DEFAULTS => change.defaults = Some(parsed(&document.body)?),
                path => {
                    let Some(path) = path.strip_prefix(PATHS) else {
                        return Err(cannot_store(io::Error::other(format!(
                            "the settings have an unknown document {path}"
                        ))));
                    };
                    change.paths.insert(path.to_owned(), Some(parsed(&document.body)?));
                }
            }
        }
        Ok(change)
    }

    async fn write(&self, change: Change) -> Result<(), Error> {
        let mut documents = Vec::new();
        let mut set = |name: String, body: Option<String>| documents.push(SettingsChange { name, body });
        if let Some(global) = &change.global {
            set(GLOBAL.to_owned(), Some(written(global)?));
        }
        if let Some(defaults) = &change.defaults {
            set(DEFAULTS.to_owned(), Some(written(defaults)?));
        }
        for (path, stored) in &change.paths {
            set([PATHS, path].concat(), stored.as_ref().map(written).transpose()?);
        }
        self.0.change_settings(documents).await.map_err(cannot_store)
    }
}

impl ConfigStore for Documents {
    fn load(&self) -> BoxFuture<'_, Result<Change, Error>> {
        Box::pin(self.read())
    }

    fn append(&self, change: Change) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.write(change))
    }
}

fn parsed<T: DeserializeOwned>(body: &str) -> Result<T, Error> {
    serde_json::from_str(body).map_err(cannot_store)
}

fn written<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(cannot_store)
}

fn cannot_store(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Store(io::Error::other(cause))
}
