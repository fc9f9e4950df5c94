//! Runs the task of a migration until the migration is at rest.

use super::wait::Woken;
use super::{Side, Task};
use crate::engine::base::error::{EngineError, causes};
use crate::engine::base::retry_timer::{Backoff, until};
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::Event;
use crate::engine::shared::core::Core;
use crate::engine::view::Stand;

impl<S: Side> Task<S> {
    /// Runs until the migration is at rest.
    pub async fn run(mut self) {
        while !S::is_at_rest(&self.record) {
            if self.stands_still().await {
                continue;
            }
            match S::next(&self.record) {
                Some(command) => self.carry_out(command).await,
                None => S::wait(&mut self).await,
            }
        }
        // Said once more at rest; whoever missed it asks, and is answered from the record.
        self.say().await;
        self.tracked.close_mailbox();
        let (core, mid) = (self.core.clone(), S::head(&self.record).mid);
        Core::blocking(move || core.release(mid)).await;
        if self.tracked.stands() == Stand::Reverted {
            self.core.give_up(&self.tracked);
        }
        self.tracked.publish();
        self.core.untrack_forgotten();
    }

    /// Carries out the one command that the record calls for, as often as it takes.
    async fn carry_out(&mut self, command: S::Command) {
        let mut backoff = Backoff::new();
        while S::next(&self.record) == Some(command) {
            let asked = match S::attempt(self, command).await {
                Ok(Some(outcome)) => return self.outcome(outcome, "agent", None).await,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(migration = %id_of(&self.tracked.terms), ?command, "controller failed: {}", causes(&error));
                    let (failing, why) = S::trouble(command, &error);
                    self.tracked.set_failing(failing, why);
                    error.wait()
                }
            };
            if !self.pause(backoff.pause_for(asked)).await {
                return;
            }
        }
    }

    /// Waits before the next attempt; whatever is heard ends the pause, so that requests do not pile up. Returns false if
    /// this agent has stopped acting.
    async fn pause(&mut self, pause: impl Future<Output = ()>) -> bool {
        let mut pause = std::pin::pin!(pause);
        loop {
            match self.woken(&mut pause).await {
                Woken::Halted => return false,
                Woken::Event(event) => {
                    S::event(self, event).await;
                    return true;
                }
                Woken::Done(()) => return true,
                // What is to be said is said when the task waits again.
                Woken::Turn(..) => {}
            }
        }
    }

    /// Waits for an operator while this agent has stopped acting; reports whether it has.
    async fn stands_still(&mut self) -> bool {
        let why = if self.freed { None } else { self.core.halted() };
        let Some(why) = why else { return false };
        self.tracked.set_waiting(Some(why.clone()));
        let reverts_in_ms = S::reverts_in_ms(self);
        tokio::select! {
            biased;
            // What was heard before, or is asked for otherwise, is dropped with its reply.
            event = self.mailbox.recv() => match event {
                Some(event @ Event::Resolve { .. }) => S::event(self, event).await,
                Some(event @ Event::Abort { .. }) if reverts_in_ms.is_some() => {
                    self.freed = true;
                    S::event(self, event).await;
                }
                Some(Event::Abort { reply, .. }) => _ = reply.send(Err(EngineError::Halted(why))),
                _ => {}
            },
            () = until(reverts_in_ms) => {
                self.freed = true;
                S::revert(self).await;
            }
        }
        true
    }
}
