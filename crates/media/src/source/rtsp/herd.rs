//! How many cameras are being connected to at a time, and whose turn is next.
//!
//! Streams that somebody waits for go first, then those that wait longest. A host that is slow keeps nobody out but its
//! own streams. Whether somebody waits is asked when a place is free, so that a reader who comes later still counts.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{CONNECTS, CONNECTS_PER_HOST, Feed};

/// The places for connections whose tracks are not set up yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Herd(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Places taken, in all and by host.
    taken: usize,
    by_host: HashMap<String, usize>,
    /// In the order they came; one for each stream at most.
    waiting: Vec<Waiting>,
    next_ticket: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("State").field("taken", &self.taken).field("waiting", &waiting).finish_non_exhaustive()
    }
}

struct Waiting {
    ticket: u64,
    host: String,
    feed: Feed,
    granted: oneshot::Sender<Place>,
}

/// A held place. Dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Place {
    herd: Herd,
    host: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let granted = {
            let mut state = self.herd.state();
            state.taken = state.taken.saturating_sub(1);
            if let Some(count) = state.by_host.get_mut(&self.host) {
                *count -= 1;
                if *count == 0 {
                    state.by_host.remove(&self.host);
                }
            }
            state.grant()
        };
        self.herd.hand_out(granted);
    }
}

/// A stream that waits. Dropping it gives its turn up.
struct Turn<'a> {
    herd: &'a Herd,
    ticket: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.herd.state().waiting.retain(|waiting| waiting.ticket != self.ticket);
    }
}

impl Herd {
    /// Waits for a place at a host.
    pub(super) async fn enter(&self, host: &str, feed: &Feed) -> Place {
        let (granted, place) = oneshot::channel();
        let (turn, now) = {
            let mut state = self.state();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.push(Waiting { ticket, host: host.to_owned(), feed: feed.clone(), granted });
            (Turn { herd: self, ticket }, state.grant())
        };
        self.hand_out(now);
        let _queued = feed.queue();
        let place = place.await.expect("whoever waits is in the list until it has a place");
        drop(turn);
        place
    }

    /// Hands places over, outside the lock: one whose stream has gone comes back at once.
    fn hand_out(&self, granted: Vec<Waiting>) {
        for Waiting { host, granted, .. } in granted {
            drop(granted.send(Place { herd: self.clone(), host }));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes places for those whose turn it is.
    fn grant(&mut self) -> Vec<Waiting> {
        let mut granted = Vec::new();
        while self.taken < CONNECTS
            && let Some(at) = self.next()
        {
            let waiting = self.waiting.remove(at);
            self.taken += 1;
            *self.by_host.entry(waiting.host.clone()).or_default() += 1;
            granted.push(waiting);
        }
        granted
    }

    /// The first that somebody waits for, else the first, of those whose host has a free place.
    fn next(&self) -> Option<usize> {
        let has_place =
            |waiting: &Waiting| self.by_host.get(&waiting.host).is_none_or(|taken| *taken < CONNECTS_PER_HOST);
        let mut first = None;
        for (at, waiting) in self.waiting.iter().enumerate().filter(|(_, waiting)| has_place(waiting)) {
            if waiting.feed.is_wanted() {
                return Some(at);
            }
            first = first.or(Some(at));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::{
        sync::{mpsc, watch},
        task::JoinSet,
    };

    use super::*;
    use crate::Stream;

    fn feed(readers: &watch::Sender<usize>) -> Feed {
        Feed::new(Stream::new(super::super::now())).with_readers(readers.subscribe())
    }

    #[tokio::test]
    async fn a_host_takes_four_and_all_of_them_sixty_four() {
        let herd = Herd::default();
        let nobody = feed(&watch::Sender::new(0));
        let mut places = Vec::new();
        for host in 0..CONNECTS / CONNECTS_PER_HOST {
            // A task that never yields is refused free places too.
            tokio::task::yield_now().await;
            for _ in 0..CONNECTS_PER_HOST {
                places.push(herd.enter(&host.to_string(), &nobody).now_or_never().unwrap());
            }
            assert!(herd.enter(&host.to_string(), &nobody).now_or_never().is_none());
        }
        tokio::task::yield_now().await;
        assert!(herd.enter("another", &nobody).now_or_never().is_none());
        places.pop();
        places.push(herd.enter("another", &nobody).now_or_never().unwrap());
        places.clear();
        let state = herd.state();
        assert!(state.waiting.is_empty() && state.by_host.is_empty() && state.taken == 0);
    }

    #[tokio::test]
    async fn streams_that_somebody_waits_for_go_first_also_when_the_reader_comes_later() {
        let herd = Herd::default();
        let demand: Vec<_> = [0, 0, 1, 0].map(watch::Sender::new).into();
        let feeds: Vec<Feed> = demand.iter().map(feed).collect();
        let mut held: Vec<Place> = Vec::new();
        for _ in 0..CONNECTS_PER_HOST {
            held.push(herd.enter("h", &feeds[0]).await);
        }
        let (came, mut order) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for (at, feed) in feeds.into_iter().enumerate() {
            let (herd, came) = (herd.clone(), came.clone());
            let queue = feed.watch_queue();
            tasks.spawn(async move {
                let place = herd.enter("h", &feed).await;
                came.send((at, place)).unwrap();
            });
            queue.clone().wait_for(|queued| *queued).await.unwrap();
        }
        demand[3].send_replace(1);
        held.pop();
        let mut seen = Vec::new();
        for _ in 0..4 {
            let (at, place) = order.recv().await.unwrap();
            seen.push(at);
            drop(place);
        }
        assert_eq!(seen, [2, 3, 0, 1]);
    }

    #[tokio::test]
    async fn a_stream_that_gives_up_leaves_no_place_behind() {
        let herd = Herd::default();
        let one = feed(&watch::Sender::new(1));
        let mut held: Vec<Place> = Vec::new();
        for _ in 0..CONNECTS_PER_HOST {
            held.push(herd.enter("h", &one).await);
        }
        let mut gives_up = Box::pin(herd.enter("h", &one));
        let mut granted = Box::pin(herd.enter("h", &one));
        assert!(gives_up.as_mut().now_or_never().is_none() && granted.as_mut().now_or_never().is_none());
        drop(gives_up);
        held.pop();
        // Its turn came, and it goes before it has seen it.
        drop(granted);
        held.clear();
        let state = herd.state();
        assert!(state.waiting.is_empty() && state.by_host.is_empty() && state.taken == 0);
    }
}
