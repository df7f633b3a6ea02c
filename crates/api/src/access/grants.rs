//! What callers were let in for and still use, so that a change of the configuration can take it back.
//!
//! As many as there are permits: each belongs to a session of some server, which has a limit of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use media::{
    admission::{Caller, Permit},
    config::access::Action,
};
use tokio_util::sync::CancellationToken;

/// All grants in use. Cloning gives another handle.
#[derive(Clone, Default)]
pub(super) struct Grants(Arc<Mutex<Listed>>);

#[derive(Default)]
struct Listed {
    next: u64,
    used: BTreeMap<u64, Arc<Grant>>,
}

/// One of them.
pub(super) struct Grant {
    pub(super) caller: Caller,
    pub(super) action: Action,
    pub(super) path: String,
    revoked: CancellationToken,
}

impl Grant {
    /// Takes it back.
    pub(super) fn revoke(&self) {
        self.revoked.cancel();
    }
}

/// Forgets a grant with its permit.
struct Used {
    grants: Weak<Mutex<Listed>>,
    id: u64,
}

impl Drop for Used {
    fn drop(&mut self) {
        if let Some(grants) = self.grants.upgrade() {
            lock(&grants).used.remove(&self.id);
        }
    }
}

impl Grants {
    /// A permit of `user` that is known here as long as it is held.
    pub(super) fn permit(&self, user: String, caller: &Caller, action: Action, path: &str) -> Permit {
        let revoked = CancellationToken::new();
        let grant = Grant { caller: caller.clone(), action, path: path.to_owned(), revoked: revoked.clone() };
        let mut listed = lock(&self.0);
        let id = listed.next;
        listed.next += 1;
        listed.used.insert(id, Arc::new(grant));
        Permit::revocable(user, revoked, Used { grants: Arc::downgrade(&self.0), id })
    }

    pub(super) fn all(&self) -> Vec<Arc<Grant>> {
        lock(&self.0).used.values().cloned().collect()
    }
}

fn lock(listed: &Mutex<Listed>) -> MutexGuard<'_, Listed> {
    listed.lock().unwrap_or_else(PoisonError::into_inner)
}
