//! The queue of migrations that copy binaries ahead. A few copy at once; the others wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelferry_protocol::ids::MigrationId;
use tokio::sync::watch;

/// Whoever began earlier goes first.
type Ticket = (u64, MigrationId);

#[derive(Debug, Default)]
struct QueueState {
    running: BTreeSet<Ticket>,
    waiting: BTreeSet<Ticket>,
}

/// So many at once, the others in the order in which they began. Nothing of it is on disk: a migration that has not
/// ended joins again when its agent starts.
#[derive(Debug, Clone)]
pub struct Queue {
    running_max: usize,
    line: Arc<watch::Sender<QueueState>>,
}

impl Queue {
    /// Makes a queue that lets `running_max` run at once, at least one.
    pub fn new(running_max: usize) -> Self {
        Self { running_max: running_max.max(1), line: Arc::new(watch::Sender::new(QueueState::default())) }
    }

    /// Joins the queue with a migration that began at `started_ms`; it leaves when the place is dropped.
    pub fn join(&self, started_ms: u64, mid: MigrationId) -> QueueSlot {
        let ticket = (started_ms, mid);
        self.line.send_modify(|line| {
            line.waiting.insert(ticket);
            self.promote(line);
        });
        QueueSlot { queue: self.clone(), ticket, changes: self.line.subscribe() }
    }

    fn promote(&self, line: &mut QueueState) {
        while line.running.len() < self.running_max {
            let Some(next) = line.waiting.pop_first() else { break };
            line.running.insert(next);
        }
    }
}

/// A place in the queue.
#[derive(Debug)]
pub struct QueueSlot {
    queue: Queue,
    ticket: Ticket,
    changes: watch::Receiver<QueueState>,
}

impl QueueSlot {
    /// Returns how many are ahead, those that run among them; nothing once it is this one's turn.
    pub fn ahead(&self) -> Option<usize> {
        let line = self.queue.line.borrow();
        let waits = !line.running.contains(&self.ticket);
        waits.then(|| line.running.len() + line.waiting.range(..self.ticket).count())
    }

    /// Waits until the queue moves. Safe to be dropped.
    pub async fn moved(&mut self) {
        // The sender is held by this place itself.
        let _ = self.changes.changed().await;
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queue.line.send_modify(|line| {
            line.running.remove(&self.ticket);
            line.waiting.remove(&self.ticket);
            self.queue.promote(line);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(queue: &Queue, started_ms: u64) -> QueueSlot {
        queue.join(started_ms, MigrationId([started_ms as u8; 16]))
    }

    #[test]
    fn the_rest_waits_in_the_order_in_which_it_began() {
        let queue = Queue::new(2);
        let (first, second) = (join(&queue, 1), join(&queue, 2));
        let (fourth, third) = (join(&queue, 4), join(&queue, 3));
        assert_eq!([&first, &second, &third, &fourth].map(QueueSlot::ahead), [None, None, Some(2), Some(3)]);
        drop(first);
        assert_eq!([&second, &third, &fourth].map(QueueSlot::ahead), [None, None, Some(2)]);
        drop(fourth);
        // One that comes back, after a pause, goes before those that began later, and pushes nobody out.
        let (fifth, first) = (join(&queue, 5), join(&queue, 1));
        assert_eq!([&second, &third, &first, &fifth].map(QueueSlot::ahead), [None, None, Some(2), Some(3)]);
        drop(second);
        assert_eq!([&first, &fifth].map(QueueSlot::ahead), [None, Some(2)]);
    }

    #[tokio::test]
    async fn a_place_that_is_left_wakes_those_who_wait() {
        let queue = Queue::new(0);
        let first = join(&queue, 1);
        let mut second = join(&queue, 2);
        assert_eq!(second.ahead(), Some(1));
        let waiting = tokio::spawn(async move {
            while second.ahead().is_some() {
                second.moved().await;
            }
        });
        drop(first);
        waiting.await.unwrap();
    }
}
