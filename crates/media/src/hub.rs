//! The streams under their path names, and what feeds them.
//!
//! Configuration is desired state: [`Hub::apply`] compares it with what runs and touches only what differs. A path whose
//! source is a camera has a supervisor that connects, watches and reconnects; a path whose source is a publisher waits
//! for one. Readers are guards: the count of an on-demand source cannot leak.

mod path;
mod snapshot;
mod supervisor;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use domain::{PathName, SessionId};
use media_proto::{AccessUnit, Track};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Error, Stream,
    admission::{Action, Admission, Caller, Permit, Request},
    config,
    measures::Measures,
    source::Connector,
    stream::{Backlog, Description, Join, Subscription},
};

use path::Path;
pub use snapshot::{PathSnapshot, PublisherKind, ReaderKind, SourceSnapshot};

/// The engine's registry of paths. Cloning gives another handle.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    admission: Arc<dyn Admission>,
    connector: Arc<dyn Connector>,
    registry: Mutex<Registry>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    measures: Measures,
}

#[derive(Default)]
struct Registry {
    desired: Arc<config::Paths>,
    paths: BTreeMap<PathName, Arc<Path>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("paths", &self.registry().paths.len()).finish_non_exhaustive()
    }
}

impl Hub {
    /// An empty hub that asks `admission` about callers and lets `connector` reach cameras.
    #[must_use]
    pub fn new(admission: Arc<dyn Admission>, connector: Arc<dyn Connector>) -> Self {
        Self(Arc::new(Shared {
            admission,
            connector,
            registry: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            measures: Measures::default(),
        }))
    }

    /// Makes what runs follow `desired`. Paths that do not differ are not touched; readers of a path whose source
    /// differs are ended and may come again.
    pub fn apply(&self, desired: config::Paths) {
        let desired = Arc::new(desired);
        let mut registry = self.registry();
        registry.desired = Arc::clone(&desired);
        registry.paths.retain(|name, path| match desired.find(name) {
            Some((entry, config)) if path.takes(&entry, &config) => true,
            Some(_) | None => {
                path.close();
                false
            }
        });
        for (name, config) in &desired.exact {
            if !registry.paths.contains_key(name) {
                let path = self.open_path(name, name.as_str().to_owned(), Arc::clone(config));
                registry.paths.insert(name.clone(), path);
            }
        }
    }

    /// Asks whether the caller may do this on this path.
    ///
    /// # Errors
    /// What the admission says: [`Error::Unauthenticated`], [`Error::Forbidden`], [`Error::Limit`].
    pub async fn admit(&self, caller: &Caller, action: Action, path: &PathName) -> Result<Permit, Error> {
        let camera = self.registry().desired.find(path).and_then(|(_, config)| config.camera);
        self.0.admission.admit(Request { caller, action, path, camera }).await
    }

    /// Whether the admission can check digests at present.
    #[must_use]
    pub fn takes_digests(&self) -> bool {
        self.0.admission.takes_digests()
    }

    /// Takes a place among the readers of a path, which wakes an on-demand source. Does not wait for pictures.
    ///
    /// # Errors
    /// [`Error::NotConfigured`], [`Error::Limit`] for `maxReaders`, [`Error::ShuttingDown`].
    pub fn attach(&self, name: &PathName, permit: Permit, kind: ReaderKind, id: SessionId) -> Result<Reader, Error> {
        let path = self.with_path(name, |path| path.add_reader(id, kind))?.0;
        Ok(Reader { hub: self.clone(), path, id, kind, since: Instant::now(), permit: Arc::new(permit) })
    }

    /// What its viewers meet.
    #[must_use]
    pub fn measures(&self) -> &Measures {
        &self.0.measures
    }

    /// Whether the configuration has a path of this name.
    #[must_use]
    pub fn is_configured(&self, name: &PathName) -> bool {
        self.registry().desired.find(name).is_some()
    }

    /// Says whether a publisher could take over a path now. Nothing is taken over.
    ///
    /// # Errors
    /// What [`Hub::publish`] says.
    pub fn may_publish(&self, name: &PathName) -> Result<(), Error> {
        let registry = self.registry();
        if let Some(path) = registry.paths.get(name) {
            return path.may_publish();
        }
        let (_, config) = registry.desired.find(name).ok_or_else(|| Error::NotConfigured(name.clone()))?;
        if config.source == config::Source::Publisher { Ok(()) } else { Err(path::has_a_source(name)) }
    }

    /// Takes over a path as its publisher.
    ///
    /// # Errors
    /// [`Error::NotConfigured`]; [`Error::Occupied`] when the path has a source of its own, or a publisher that
    /// `overridePublisher` protects.
    pub fn publish(
        &self,
        name: &PathName,
        permit: Permit,
        kind: PublisherKind,
        id: SessionId,
        tracks: &[Track],
    ) -> Result<Publisher, Error> {
        let (path, replaced) = self.with_path(name, |path| path.add_publisher(id, kind, tracks))?;
        self.0.tasks.spawn(supervisor::watch_publisher(Arc::clone(&path), replaced.clone()));
        Ok(Publisher { hub: self.clone(), path, id, replaced, permit })
    }

    /// All paths in the order of their names.
    #[must_use]
    pub fn paths(&self) -> Vec<PathSnapshot> {
        self.registry().paths.values().map(|path| path.snapshot()).collect()
    }

    /// One path.
    #[must_use]
    pub fn path_snapshot(&self, name: &PathName) -> Option<PathSnapshot> {
        self.registry().paths.get(name).map(|path| path.snapshot())
    }

    /// Ends all sources and streams and waits for their tasks.
    pub async fn shutdown(&self) {
        self.0.stopping.cancel();
        for path in std::mem::take(&mut self.registry().paths).values() {
            path.close();
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Uses the path of this name, made if the configuration allows it, before anyone can find it unused.
    fn with_path<T>(
        &self,
        name: &PathName,
        enter: impl FnOnce(&Path) -> Result<T, Error>,
    ) -> Result<(Arc<Path>, T), Error> {
        if self.0.stopping.is_cancelled() {
            return Err(Error::ShuttingDown);
        }
        let mut registry = self.registry();
        if let Some(path) = registry.paths.get(name) {
            return Ok((Arc::clone(path), enter(path)?));
        }
        let (entry, config) = registry.desired.find(name).ok_or_else(|| Error::NotConfigured(name.clone()))?;
        let path = self.open_path(name, entry, config);
        match enter(&path) {
            Ok(entered) => {
                registry.paths.insert(name.clone(), Arc::clone(&path));
                Ok((path, entered))
            }
            Err(error) => {
                path.close();
                Err(error)
            }
        }
    }

    fn open_path(&self, name: &PathName, entry: String, config: Arc<config::Path>) -> Arc<Path> {
        let stream = Stream::new(Instant::now());
        let path = Arc::new(Path::new(name.clone(), entry, config, stream, self.0.stopping.child_token()));
        if let Some(source) = self.0.connector.connect(&path.config().source) {
            self.0.tasks.spawn(supervisor::run(Arc::clone(&path), source));
        }
        path
    }

    /// Forgets a path that exists only because someone used it, once nobody does.
    fn forget_if_unused(&self, path: &Arc<Path>) {
        let mut registry = self.registry();
        let listed = registry.paths.get(path.name()).is_some_and(|known| Arc::ptr_eq(known, path));
        if listed && !registry.desired.exact.contains_key(path.name()) && path.is_unused() {
            registry.paths.remove(path.name());
            path.close();
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the readers of a path. Dropping it gives the place and the permit back.
#[derive(Debug)]
pub struct Reader {
    hub: Hub,
    path: Arc<Path>,
    id: SessionId,
    kind: ReaderKind,
    since: Instant,
    permit: Arc<Permit>,
}

impl Reader {
    /// Waits until the stream can be read: its tracks are known and the source is up.
    ///
    /// # Errors
    /// [`Error::NoStream`] at once when nobody publishes; [`Error::SourceNotReady`] with the state's reason when the
    /// source is not there within `sourceOnDemandStartTimeout`.
    pub async fn ready(&self) -> Result<Description, Error> {
        self.path.ready().await
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        self.path.stream()
    }

    /// A cursor in the stream whose first picture and delays are measured.
    #[must_use]
    pub fn subscribe(&self, join: Join, backlog: Backlog) -> Subscription {
        let meter = self.hub.measures().meter(self.kind, self.since);
        self.stream().subscribe(join, backlog).measured(meter)
    }

    /// Counts the first picture of a reader whose cursor is not the viewer's own.
    pub(crate) fn shows_first_picture(&self) {
        self.hub.measures().hls.first_picture.add(self.since.elapsed());
    }

    /// Whether the configuration no longer has its path.
    pub(crate) fn path_is_gone(&self) -> bool {
        !self.hub.is_configured(self.path.name())
    }

    /// The path's name.
    #[must_use]
    pub fn path(&self) -> &PathName {
        self.path.name()
    }

    /// The name the reader was recognised under.
    #[must_use]
    pub fn user(&self) -> &str {
        self.permit.user()
    }

    /// A place on another path that this reader's permit covers, as that of a camera's main stream covers the sub stream.
    ///
    /// # Errors
    /// [`Error::NotConfigured`].
    pub fn beside(&self, name: &PathName, kind: ReaderKind) -> Result<Self, Error> {
        let path = self.hub.with_path(name, |path| path.add_reader(self.id, kind))?.0;
        let permit = Arc::clone(&self.permit);
        Ok(Self { hub: self.hub.clone(), path, id: self.id, kind, since: Instant::now(), permit })
    }

    /// Whether the right to read was withdrawn.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.permit.is_revoked()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.path.remove_reader(self.id);
        self.hub.forget_if_unused(&self.path);
    }
}

/// The right to feed a path. Dropping it ends the publication; readers stay for the next one.
#[derive(Debug)]
pub struct Publisher {
    hub: Hub,
    path: Arc<Path>,
    id: SessionId,
    replaced: CancellationToken,
    permit: Permit,
}

impl Publisher {
    /// The stream's origin of media time, for the depacketisers.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.path.stream().origin()
    }

    /// The stream that is fed.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        self.path.stream()
    }

    /// Says that tracks or their parameters have changed.
    pub fn describe(&self, tracks: &[Track]) {
        if !self.replaced.is_cancelled() {
            self.path.stream().describe(tracks);
        }
    }

    /// Appends a unit. Nothing happens once another publisher has taken over.
    pub fn push(&self, unit: AccessUnit) {
        if !self.replaced.is_cancelled() {
            self.path.stream().push_online(unit);
        }
    }

    /// Whether this publisher must go: another one has taken over, the path is gone, or the right was withdrawn.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.replaced.is_cancelled() || self.permit.is_revoked()
    }

    /// Whether the right to publish was withdrawn.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.permit.is_revoked()
    }

    /// Waits until this publisher must go: it was replaced, it fell silent, or the path is gone.
    pub async fn replaced(&self) {
        self.replaced.cancelled().await;
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.path.remove_publisher(self.id);
        self.hub.forget_if_unused(&self.path);
    }
}
