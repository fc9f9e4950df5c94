//! Lets one patch be made or applied at a time, so that its working set is in memory once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use crate::link::Urgency;

/// The turns.
#[derive(Default)]
pub struct Turns {
    turn: tokio::sync::Mutex<()>,
    /// What stops the work that goes when there is time, under way or waiting for its turn.
    spare: Mutex<Vec<Arc<AtomicBool>>>,
}

impl Turns {
    /// Waits for a turn. What is due does not wait for what goes when there is time: that is stopped, and its blob sent as any
    /// other.
    pub async fn take(&self, urgency: Urgency) -> Turn<'_> {
        self.take_after(urgency, async {}).await.1
    }

    /// As [`Turns::take`], but joins the line only after `first`. What is not as urgent is stopped before.
    pub async fn take_after<T>(&self, urgency: Urgency, first: impl Future<Output = T>) -> (T, Turn<'_>) {
        let stop = self.enter(urgency);
        let first = first.await;
        (first, Turn { _turn: self.turn.lock().await, stop })
    }

    fn enter(&self, urgency: Urgency) -> Stop {
        let stop = Stop(Arc::default());
        let mut spare = self.spare.lock();
        match urgency {
            Urgency::Due => spare.drain(..).for_each(|stop| stop.store(true, Relaxed)),
            Urgency::Spare => {
                // What has ended, or was never begun, is in nobody else's hands.
                spare.retain(|stop| Arc::strong_count(stop) > 1);
                spare.push(stop.0.clone());
            }
        }
        stop
    }
}

/// A turn, and what ends the work that it is for.
pub struct Turn<'a> {
    _turn: MutexGuard<'a, ()>,
    stop: Stop,
}

impl Turn<'_> {
    /// Returns what the work has to look at: whether it is to end.
    pub fn stop(&self) -> Arc<AtomicBool> {
        self.stop.0.clone()
    }
}

/// Ends work that nobody waits for.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_due_stops_what_goes_when_there_is_time_and_nothing_else() {
        let turns = Turns::default();
        let (first, due) = (turns.take(Urgency::Spare).await, turns.take(Urgency::Due));
        let stopped = first.stop();
        tokio::pin!(due);
        assert!(!stopped.load(Relaxed));
        // It waits, but the other has to end.
        assert!(has_to_wait(&mut due).await && stopped.load(Relaxed));
        drop(first);
        let due = due.await;
        let (another, spare) = (turns.take(Urgency::Due), turns.take(Urgency::Spare));
        tokio::pin!(another, spare);
        assert!(has_to_wait(&mut another).await && has_to_wait(&mut spare).await);
        assert!(!due.stop().load(Relaxed), "who is due waits for who is due");
        let stopped = due.stop();
        drop(due);
        assert!(stopped.load(Relaxed), "nobody waits for what it does any more");
        drop(another.await);
        assert!(!spare.await.stop().load(Relaxed));
    }

    /// Reports whether a future has to wait for something.
    async fn has_to_wait<F: Future + Unpin>(future: &mut F) -> bool {
        tokio::select! {
            biased;
            _ = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
