//! How many cameras are being connected to at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{CONNECTS, CONNECTS_PER_HOST};

/// The places for connections whose tracks are not set up yet.
#[derive(Debug)]
pub(super) struct Herd {
    all: Arc<Semaphore>,
    /// Hosts somebody holds or awaits a place at; the others are forgotten with the next call.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Herd {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(CONNECTS)), hosts: Mutex::default() }
    }
}

/// A held place. Dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Herd {
    /// Waits for a place at a host.
    pub(super) async fn enter(&self, host: &str) -> Place {
        let host = self.host(host);
        // The host first: whoever waits for a slow one must not keep the others out.
        let _host = host.acquire_owned().await.expect("the semaphore is never closed");
        let _all = Arc::clone(&self.all).acquire_owned().await.expect("the semaphore is never closed");
        Place { _host, _all }
    }

    fn host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        if let Some(semaphore) = hosts.get(host).and_then(Weak::upgrade) {
            return semaphore;
        }
        let semaphore = Arc::new(Semaphore::new(CONNECTS_PER_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_host_takes_four_and_all_of_them_sixty_four() {
        let herd = Herd::default();
        let mut places = Vec::new();
        for host in 0..CONNECTS / CONNECTS_PER_HOST {
            // A task that never yields is refused free places too.
            tokio::task::yield_now().await;
            for _ in 0..CONNECTS_PER_HOST {
                places.push(herd.enter(&host.to_string()).now_or_never().unwrap());
            }
            assert!(herd.enter(&host.to_string()).now_or_never().is_none());
        }
        tokio::task::yield_now().await;
        assert!(herd.enter("another").now_or_never().is_none());
        places.pop();
        places.push(herd.enter("another").now_or_never().unwrap());
        places.clear();
        drop(herd.enter("last").now_or_never().unwrap());
        assert!(herd.hosts.lock().unwrap().len() <= 2);
    }
}
