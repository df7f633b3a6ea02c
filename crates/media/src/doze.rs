//! Waiting for several things of which one comes all the time and the others hardly ever.
//!
//! `select!` asks all of its futures whenever any of them wakes it, and one that waits for an order to stop takes a lock for
//! each answer. A [`Doze`] is asked only when it was woken itself.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// A future that is polled only when something woke it.
#[derive(Debug)]
pub(crate) struct Doze<'a, F> {
    inner: Pin<&'a mut F>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

#[derive(Debug)]
struct Alarm {
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken, or it would find nothing and sleep on.
        self.rang.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<'a, F: Future> Doze<'a, F> {
    pub(crate) fn new(inner: Pin<&'a mut F>) -> Self {
        // The first time it is asked, so that it says by what it wants to be woken.
        let alarm = Arc::new(Alarm { rang: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { inner, waker: Waker::from(Arc::clone(&alarm)), alarm }
    }

    /// Waits for another future instead, once the one before is done.
    pub(crate) fn set(&mut self, next: F) {
        self.inner.set(next);
        self.alarm.rang.store(true, Ordering::Release);
    }
}

impl<F: Future> Future for Doze<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        // Before the look, or an alarm between look and sleep is missed.
        this.alarm.task.register(context.waker());
        if !this.alarm.rang.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.inner.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, sync::atomic::AtomicUsize, time::Duration};

    use tokio::{sync::Notify, time::timeout};

    use super::*;

    #[tokio::test]
    async fn what_dozes_is_asked_only_when_it_was_woken_and_misses_nothing() {
        let (bell, asked) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let mut notified = Box::pin(bell.notified());
        let counted = poll_fn(|context| {
            asked.fetch_add(1, Ordering::Relaxed);
            notified.as_mut().poll(context)
        });
        let mut counted = pin!(counted);
        let mut dozing = Doze::new(counted.as_mut());
        for _ in 0..100 {
            tokio::select! {
                biased;
                () = &mut dozing => panic!("nothing rang"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let ringer = Arc::clone(&bell);
        let rings = tokio::spawn(async move { ringer.notify_waiters() });
        timeout(Duration::from_secs(10), &mut dozing).await.unwrap();
        rings.await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn another_future_is_asked_at_once() {
        let mut first = pin!(std::future::ready(1));
        let mut dozing = Doze::new(first.as_mut());
        assert_eq!((&mut dozing).await, 1);
        dozing.set(std::future::ready(2));
        assert_eq!(dozing.await, 2);
    }
}
