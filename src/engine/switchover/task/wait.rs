//! The wait of a migration's task: for a halt, an event, some work, or its retry timer.

use std::sync::Arc;

use super::{Side, Task};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::retry_timer::Turn;
use crate::engine::migration::mailbox::event::Event;

/// What has ended a wait.
pub enum Woken<T> {
    /// This agent has stopped acting.
    Halted,
    /// The peer says something, or an operator asks for something. Whoever waits lets the side react to it.
    Event(Event),
    /// The work that was waited for has ended.
    Done(T),
    /// The peer is there, or gone, or it is time to repeat what was said; with the present connection.
    Turn(Turn, Option<Arc<Conversation>>),
}

impl<S: Side> Task<S> {
    /// Waits for whatever comes first. Of several that have come, the first in the order of [`Woken`].
    ///
    /// `work`: dropped when something else comes first, unless it is passed as a reference.
    pub async fn woken<T>(&mut self, work: impl Future<Output = T>) -> Woken<T> {
        tokio::select! {
            biased;
            () = self.core.halting(), if !self.freed => Woken::Halted,
            Some(event) = self.mailbox.recv() => Woken::Event(event),
            done = work => Woken::Done(done),
            turn = self.line.turn() => Woken::Turn(turn, self.line.conversation()),
        }
    }
}

/// Awaits what there may be; for ever if there is nothing.
pub async fn maybe<T>(work: Option<impl Future<Output = T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
