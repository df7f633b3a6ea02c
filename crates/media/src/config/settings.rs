//! The one log of configuration changes: check, store, then let the hub follow.
//!
//! Changes come one after the other. Each is checked as a whole, is safe in the store before it is answered, and only
//! then becomes what the hub runs. What the server's file says lies below what users have set, so both survive the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{CameraId, PathName};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{
    Global, Keys, Path, Paths, Pattern,
    keys::{GLOBAL, PATH},
    overlay, secrets,
    store::{Change, ConfigStore, Stored},
};
use crate::{Error, Hub};

/// The most path entries.
const ENTRIES_MAX: usize = 20_000;
/// The most characters of a pattern.
const PATTERN_LENGTH_MAX: usize = 1_000;
/// The most memory a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The entry for every name that no other fits.
const ALL_OTHERS: &str = "all_others";

/// The old name of the key with the address of an authentication server.
const OLD_CALLBACK: &str = "externalAuthenticationURL";

/// What the server's file says.
#[derive(Clone, Default)]
pub struct Base {
    /// How the server runs: addresses, time limits, which faces are on. Users read these and cannot change them.
    pub running: Keys,
    /// Path entries.
    pub entries: Vec<BaseEntry>,
}

/// A path entry of the server's file.
#[derive(Clone)]
pub struct BaseEntry {
    /// A path name, `~pattern` or `all_others`.
    pub name: String,
    /// Its keys, as in the control API.
    pub keys: Keys,
    /// The camera whose stream it is, where it is one's.
    pub camera: Option<CameraId>,
}

impl BaseEntry {
    /// Whether it can be an entry: its name, its keys and their values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, [`Error::Malformed`] for the name.
    pub fn check(&self) -> Result<(), Error> {
        Name::parse(canonical(&self.name))?;
        let keys = checked_path(&self.name, self.keys.clone())?;
        read(&self.name, &Keys::new(), &Own { keys, camera: self.camera }).map(drop)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for BaseEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Changes that happen all or none, in this order: delete, add, replace, patch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bulk {
    /// New entries.
    pub add: BTreeMap<String, Keys>,
    /// Keys over those of entries there are.
    pub patch: BTreeMap<String, Keys>,
    /// Entries, new or in place of those there are.
    pub replace: BTreeMap<String, Keys>,
    /// Entries to go.
    pub delete: Vec<String>,
}

/// The configuration while the server runs. Cloning gives another handle.
#[derive(Clone)]
pub struct Settings(Arc<Shared>);

struct Shared {
    store: Arc<dyn ConfigStore>,
    hub: Hub,
    /// Held from check to apply, so that changes come one after the other.
    log: Arc<tokio::sync::Mutex<()>>,
    /// Changes on their way: one that is stored is also applied, even if its caller has gone.
    tasks: TaskTracker,
    state: Mutex<State>,
    global: watch::Sender<Arc<Global>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// Lays what `store` holds over `base` and lets `hub` follow.
    ///
    /// # Errors
    /// [`Error::Config`] for what `base` or the store says wrong, naming the entry; [`Error::Store`].
    pub async fn open(store: Arc<dyn ConfigStore>, base: Base, hub: Hub) -> Result<Self, Error> {
        let mut state = State::of_base(base)?;
        let stored = store.load().await?;
        let next = state.next(&stored, true)?;
        let global = watch::Sender::new(Arc::new(next.global.clone()));
        hub.apply(next.paths.clone());
        state.commit(stored, next);
        let log = Arc::default();
        let shared = Shared { store, hub, log, tasks: TaskTracker::new(), state: Mutex::new(state), global };
        Ok(Self(Arc::new(shared)))
    }

    /// What of the global configuration has an effect.
    #[must_use]
    pub fn global(&self) -> Arc<Global> {
        Arc::clone(&self.0.global.borrow())
    }

    /// Follows the global configuration.
    #[must_use]
    pub fn watch_global(&self) -> watch::Receiver<Arc<Global>> {
        self.0.global.subscribe()
    }

    /// Every global key as a client reads it.
    #[must_use]
    pub fn get_global(&self) -> Keys {
        let state = self.state();
        overlay::shown_global(&state.running, &state.set.global)
    }

    /// Every key of the path defaults as a client reads it.
    #[must_use]
    pub fn get_defaults(&self) -> Keys {
        overlay::shown_path([&self.state().set.defaults])
    }

    /// One path entry with every key and its `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Keys> {
        let state = self.state();
        let name = canonical(name);
        Some(state.shown(name, &state.set.own(&state.base, name)?))
    }

    /// All path entries in the order of their names, each with every key and its `name`: those from `skip` on, at most
    /// `take`, and how many there are in all.
    #[must_use]
    pub fn list(&self, skip: usize, take: usize) -> (Vec<Keys>, usize) {
        let state = self.state();
        let names = state.names();
        let shown = names.iter().skip(skip).take(take);
        let shown = shown.filter_map(|name| Some(state.shown(name, &state.set.own(&state.base, name)?)));
        (shown.collect(), names.len())
    }

    /// Sets global keys; the others stay.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Store`].
    pub async fn patch_global(&self, keys: Keys) -> Result<(), Error> {
        self.change(|draft| draft.patch_global(keys)).await
    }

    /// Sets keys of the path defaults; the others stay.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Store`].
    pub async fn patch_defaults(&self, keys: Keys) -> Result<(), Error> {
        self.change(|draft| draft.patch_defaults(keys)).await
    }

    /// Adds a path entry.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the name is wrong or taken, [`Error::Config`], [`Error::Store`].
    pub async fn add(&self, name: &str, keys: Keys) -> Result<(), Error> {
        self.change(|draft| draft.add(name, keys)).await
    }

    /// Sets keys of a path entry; the others stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Config`], [`Error::Store`].
    pub async fn patch(&self, name: &str, keys: Keys) -> Result<(), Error> {
        self.change(|draft| draft.patch(name, keys)).await
    }

    /// Puts an entry in place of the one there is, or adds it.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the name is wrong, [`Error::Config`], [`Error::Store`].
    pub async fn replace(&self, name: &str, keys: Keys) -> Result<(), Error> {
        self.change(|draft| draft.replace(name, keys)).await
    }

    /// Takes an entry away.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.change(|draft| draft.delete(name)).await
    }

    /// Does several changes, all or none.
    ///
    /// # Errors
    /// What the single changes say.
    pub async fn bulk(&self, bulk: Bulk) -> Result<(), Error> {
        self.change(|draft| draft.bulk(bulk)).await
    }

    /// Puts other path entries in place of those of [`Base`]; what users have set stays over them. Not stored: whoever calls
    /// this says it anew after a restart.
    ///
    /// # Errors
    /// [`Error::Config`] naming the entry, [`Error::Limit`]; then everything stays as it was.
    pub async fn rebase(&self, entries: Vec<BaseEntry>) -> Result<(), Error> {
        let _turn = self.0.log.lock().await;
        let paths = self.state().rebased(checked_base(entries)?)?;
        self.0.hub.apply(paths);
        Ok(())
    }

    /// Check, then store and apply.
    async fn change(&self, make: impl FnOnce(&mut Draft<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let turn = Arc::clone(&self.0.log).lock_owned().await;
        let (change, next) = {
            let state = self.state();
            let mut draft = Draft { state: &state, change: Change::default() };
            make(&mut draft)?;
            let next = state.next(&draft.change, false)?;
            (draft.change, next)
        };
        let settings = self.clone();
        let done = self.0.tasks.spawn(async move {
            let _turn = turn;
            settings.keep(change, next).await
        });
        done.await.map_err(|failed| Error::Store(std::io::Error::other(failed)))?
    }

    async fn keep(&self, change: Change, next: Next) -> Result<(), Error> {
        self.0.store.append(change.clone()).await?;
        self.0.hub.apply(next.paths.clone());
        self.0.global.send_if_modified(|now| {
            let changed = **now != next.global;
            *now = Arc::new(next.global.clone());
            changed
        });
        self.state().commit(change, next);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is set at present and what it means.
struct State {
    running: Keys,
    base: BTreeMap<String, BaseEntry>,
    set: Set,
    paths: Paths,
}

/// What users have set, over the server's file.
#[derive(Default)]
struct Set {
    global: Keys,
    defaults: Keys,
    entries: BTreeMap<String, Stored>,
}

/// What the hub and the outputs get once a change is safe.
struct Next {
    global: Global,
    paths: Paths,
}

/// The keys of an entry itself, without those of the path defaults.
struct Own {
    keys: Keys,
    camera: Option<CameraId>,
}

impl Set {
    fn own(&self, base: &BTreeMap<String, BaseEntry>, name: &str) -> Option<Own> {
        own(base.get(name), self.entries.get(name))
    }
}

fn own(base: Option<&BaseEntry>, stored: Option<&Stored>) -> Option<Own> {
    let camera = base.and_then(|entry| entry.camera);
    match (base, stored) {
        (Some(base), None) => Some(Own { keys: base.keys.clone(), camera }),
        (Some(base), Some(Stored::Patched(keys))) => Some(Own { keys: overlay::merged(&base.keys, [keys]), camera }),
        (_, Some(Stored::Replaced(keys))) => Some(Own { keys: keys.clone(), camera }),
        // What was patched has gone from the server's file, and the patch with it.
        (None, None | Some(Stored::Patched(_))) | (_, Some(Stored::Deleted)) => None,
    }
}

impl State {
    fn of_base(base: Base) -> Result<Self, Error> {
        let entries = checked_base(base.entries)?;
        if let Some(name) = base.running.keys().find(|name| !GLOBAL.defaults().contains_key(*name)) {
            return Err(overlay::refused(name, "unknown key"));
        }
        Ok(Self { running: base.running, base: entries, set: Set::default(), paths: Paths::default() })
    }

    fn names(&self) -> Vec<&str> {
        let known: BTreeSet<&str> = self.base.keys().chain(self.set.entries.keys()).map(String::as_str).collect();
        let is_there = |name: &&str| match self.set.entries.get(*name) {
            Some(Stored::Deleted) => false,
            Some(Stored::Replaced(_)) => true,
            Some(Stored::Patched(_)) | None => self.base.contains_key(*name),
        };
        known.into_iter().filter(is_there).collect()
    }

    fn shown(&self, name: &str, own: &Own) -> Keys {
        let mut shown = overlay::shown_path([&self.set.defaults, &own.keys]);
        shown.insert("name".into(), name.into());
        shown
    }

    /// What would run after `change`; `all` reads every entry anew.
    fn next(&self, change: &Change, all: bool) -> Result<Next, Error> {
        let global = overlay::global(&self.running, change.global.as_ref().unwrap_or(&self.set.global))?;
        let defaults = change.defaults.as_ref().unwrap_or(&self.set.defaults);
        // The defaults must hold for a path of their own, whether or not there is one.
        overlay::path(&Keys::new(), &without(defaults, "sourceOnDemand"), true, None)?;
        let mut paths = if all { Paths::default() } else { self.paths.clone() };
        let names: BTreeSet<&str> = if all || change.defaults.is_some() {
            self.names().into_iter().chain(change.paths.keys().map(String::as_str)).collect()
        } else {
            change.paths.keys().map(String::as_str).collect()
        };
        for name in names {
            let stored = change.paths.get(name).map_or_else(|| self.set.entries.get(name), Option::as_ref);
            let path = own(self.base.get(name), stored).map(|own| read(name, defaults, &own)).transpose()?;
            put(&mut paths, name, path)?;
        }
        let count = paths.exact.len() + paths.patterns.len();
        if count > ENTRIES_MAX {
            return Err(Error::Limit { what: "the number of path entries", limit: ENTRIES_MAX as u64 });
        }
        Ok(Next { global, paths })
    }

    /// Takes other entries for those of the server's file, if they can be, and says what runs from now on.
    fn rebased(&mut self, base: BTreeMap<String, BaseEntry>) -> Result<Paths, Error> {
        let before = std::mem::replace(&mut self.base, base);
        match self.next(&Change::default(), true) {
            Ok(next) => {
                self.paths = next.paths;
                Ok(self.paths.clone())
            }
            Err(refused) => {
                self.base = before;
                Err(refused)
            }
        }
    }

    fn commit(&mut self, change: Change, next: Next) {
        if let Some(global) = change.global {
            self.set.global = global;
        }
        if let Some(defaults) = change.defaults {
            self.set.defaults = defaults;
        }
        for (name, stored) in change.paths {
            match stored {
                Some(stored) => self.set.entries.insert(name, stored),
                None => self.set.entries.remove(&name),
            };
        }
        self.paths = next.paths;
    }
}

fn checked_base(listed: Vec<BaseEntry>) -> Result<BTreeMap<String, BaseEntry>, Error> {
    let mut entries = BTreeMap::new();
    for mut entry in listed {
        entry.name = canonical(&entry.name).to_owned();
        Name::parse(&entry.name)?;
        entry.keys = checked_path(&entry.name, entry.keys)?;
        entries.insert(entry.name.clone(), entry);
    }
    Ok(entries)
}

fn read(name: &str, defaults: &Keys, own: &Own) -> Result<Path, Error> {
    let fixed_name = !name.starts_with('~') && name != ALL_OTHERS;
    overlay::path(defaults, &own.keys, fixed_name, own.camera)
}

fn without(keys: &Keys, name: &str) -> Keys {
    let mut keys = keys.clone();
    keys.remove(name);
    keys
}

/// Puts an entry into the typed configuration, or takes it out.
fn put(paths: &mut Paths, name: &str, path: Option<Path>) -> Result<(), Error> {
    let path = path.map(Arc::new);
    match Name::parse(name)? {
        Name::AllOthers => paths.all_others = path,
        Name::Exact(name) => {
            match path {
                Some(path) => paths.exact.insert(name, path),
                None => paths.exact.remove(&name),
            };
        }
        Name::Pattern(regex) => {
            let at = paths.patterns.binary_search_by(|pattern| pattern.name.as_str().cmp(name));
            match (at, path) {
                (Ok(at), None) => {
                    paths.patterns.remove(at);
                }
                (Err(_), None) => {}
                (Ok(at), Some(path)) => {
                    if let Some(pattern) = paths.patterns.get_mut(at) {
                        pattern.path = path;
                    }
                }
                (Err(at), Some(path)) => {
                    paths.patterns.insert(at, Pattern { name: name.to_owned(), regex, path });
                }
            }
        }
    }
    Ok(())
}

/// A name of an entry, read.
enum Name {
    Exact(PathName),
    Pattern(Regex),
    AllOthers,
}

impl Name {
    fn parse(name: &str) -> Result<Self, Error> {
        if name == ALL_OTHERS {
            return Ok(Self::AllOthers);
        }
        let Some(pattern) = name.strip_prefix('~') else {
            return PathName::new(name).map(Self::Exact).ok_or_else(invalid_name);
        };
        if pattern.is_empty() || pattern.len() > PATTERN_LENGTH_MAX {
            return Err(invalid_name());
        }
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
        compiled.map(Self::Pattern).map_err(|_| Error::Malformed(format!("invalid regular expression: {pattern}")))
    }
}

fn invalid_name() -> Error {
    Error::Malformed("invalid name".into())
}

fn not_configured() -> Error {
    Error::NotFound("path configuration")
}

fn canonical(name: &str) -> &str {
    if name == "all" { ALL_OTHERS } else { name }
}

/// The keys of an entry, checked; a `name` among them must be its own.
fn checked_path(name: &str, mut keys: Keys) -> Result<Keys, Error> {
    if let Some(given) = keys.remove("name")
        && given.as_str().map(canonical) != Some(name)
    {
        return Err(overlay::refused("name", "must be the name in the URL"));
    }
    overlay::checked(&PATH, &Keys::new(), keys)
}

/// A change in the making.
struct Draft<'a> {
    state: &'a State,
    change: Change,
}

impl Draft<'_> {
    fn patch_global(&mut self, mut keys: Keys) -> Result<(), Error> {
        // The old key names the server and chooses the method.
        if keys.get(OLD_CALLBACK).and_then(Value::as_str).is_some_and(|url| !url.is_empty()) {
            keys.entry("authMethod").or_insert_with(|| "http".into());
        }
        let mut keys = overlay::checked(&GLOBAL, &self.state.running, keys)?;
        let now = self.change.global.as_ref().unwrap_or(&self.state.set.global);
        secrets::restore(&mut keys, &overlay::merged(&self.state.running, [now]))?;
        self.change.global = Some(overlay::merged(now, [&keys]));
        Ok(())
    }

    fn patch_defaults(&mut self, keys: Keys) -> Result<(), Error> {
        let mut keys = overlay::checked(&PATH, &Keys::new(), keys)?;
        let now = self.change.defaults.as_ref().unwrap_or(&self.state.set.defaults);
        overlay::restore_password(&mut keys, now.get("source").and_then(Value::as_str))?;
        self.change.defaults = Some(overlay::merged(now, [&keys]));
        Ok(())
    }

    fn add(&mut self, name: &str, keys: Keys) -> Result<(), Error> {
        if self.own(canonical(name)).is_some() {
            return Err(Error::Malformed("path already exists".into()));
        }
        self.replace(name, keys)
    }

    fn patch(&mut self, name: &str, keys: Keys) -> Result<(), Error> {
        let name = canonical(name);
        let keys = self.entry_keys(name, keys)?;
        let stored = match self.stored(name) {
            Some(Stored::Replaced(now)) => Stored::Replaced(overlay::merged(now, [&keys])),
            Some(Stored::Patched(now)) if self.own(name).is_some() => Stored::Patched(overlay::merged(now, [&keys])),
            None if self.own(name).is_some() => Stored::Patched(keys),
            Some(Stored::Patched(_) | Stored::Deleted) | None => return Err(not_configured()),
        };
        self.change.paths.insert(name.to_owned(), Some(stored));
        Ok(())
    }

    fn replace(&mut self, name: &str, keys: Keys) -> Result<(), Error> {
        let name = canonical(name);
        Name::parse(name)?;
        let keys = self.entry_keys(name, keys)?;
        self.change.paths.insert(name.to_owned(), Some(Stored::Replaced(keys)));
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let name = canonical(name);
        if self.own(name).is_none() {
            return Err(not_configured());
        }
        let stored = self.state.base.contains_key(name).then_some(Stored::Deleted);
        self.change.paths.insert(name.to_owned(), stored);
        Ok(())
    }

    fn bulk(&mut self, bulk: Bulk) -> Result<(), Error> {
        for name in bulk.delete {
            self.delete(&name)?;
        }
        for (name, keys) in bulk.add {
            self.add(&name, keys)?;
        }
        for (name, keys) in bulk.replace {
            self.replace(&name, keys)?;
        }
        for (name, keys) in bulk.patch {
            self.patch(&name, keys)?;
        }
        Ok(())
    }

    fn entry_keys(&self, name: &str, keys: Keys) -> Result<Keys, Error> {
        let mut keys = checked_path(name, keys)?;
        let own = self.own(name).map(|own| own.keys);
        let defaults = self.change.defaults.as_ref().unwrap_or(&self.state.set.defaults);
        let source = own.as_ref().and_then(|own| own.get("source")).or_else(|| defaults.get("source"));
        overlay::restore_password(&mut keys, source.and_then(Value::as_str))?;
        Ok(keys)
    }

    fn stored(&self, name: &str) -> Option<&Stored> {
        self.change.paths.get(name).map_or_else(|| self.state.set.entries.get(name), Option::as_ref)
    }

    fn own(&self, name: &str) -> Option<Own> {
        own(self.state.base.get(name), self.stored(name))
    }
}

#[cfg(test)]
mod tests;
