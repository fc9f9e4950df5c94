//! Relays between an unmodified Juju controller, which decides, and the target.
//!
//! The controller's migration master calls; the gateway brings its calls here. One task owns the record, so a call is answered
//! from the durable record alone. What the controller has decided is also looked for, as a call of its may be lost.

mod answers;
mod calls;
mod set;
mod works;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::message::{Message, Staged};
use modelferry_protocol::switch::Cause;
use modelferry_protocol::switch::relay::{Evidence, RelayInput};
use modelferry_protocol::switch::source::{SourceInput, SourceState};

pub use self::answers::at_rest;
use self::works::{Done, Works};
use super::relayed_memory::ASK_AGAIN;
use crate::controller::port::Shown;
use crate::engine::base::retry_timer::{Turn, until};
use crate::engine::switchover::source::state::{Source, SourceTask};
use crate::engine::switchover::task::Side;
use crate::engine::switchover::task::wait::Woken;
use crate::engine::view::Failing;

/// How long after it has handed the model over a controller that shows nothing may still send its log.
const LOG_WITHIN_MS: u64 = 600_000;

impl SourceTask {
    /// Answers the master's calls, and follows what the controller shows, until the migration is at rest.
    pub(super) async fn relay(&mut self) {
        self.side.place = None;
        self.recall().await;
        self.count_from_asked().await;
        let mut works = Works::default();
        self.entered(&mut works).await;
        let mut stood = self.stands();
        while !self.record.is_at_rest() {
            self.settle().await;
            if self.stands() != stood {
                stood = self.stands();
                self.entered(&mut works).await;
                continue;
            }
            self.begin(&mut works);
            let wake = self.wake_ms();
            // What is under way stays where it is if something else comes first.
            let work = async {
                tokio::select! {
                    biased;
                    done = works.next() => Some(done),
                    () = until(wake) => None,
                }
            };
            match self.woken(work).await {
                Woken::Halted => return,
                Woken::Event(event) => Source::event(self, event).await,
                Woken::Done(Some(done)) => self.done(&mut works, done).await,
                Woken::Done(None) => self.overdue().await,
                Woken::Turn(Turn::Up, Some(_)) => self.entered(&mut works).await,
                Woken::Turn(Turn::Repeat, Some(conversation)) => {
                    self.say_to(&conversation).await;
                    self.side.relay.set.ask_again();
                }
                Woken::Turn(Turn::Up | Turn::Down | Turn::Repeat, _) => {
                    self.broke_off(&mut works);
                    self.tracked.wait_for_peer();
                }
            }
        }
        self.settle().await;
    }

    /// Returns the state's name and the seal: where either is new, other things are said and sent.
    fn stands(&self) -> (&'static str, Option<Hash>) {
        (self.record.state.name(), self.sealed_root())
    }

    /// Says what the state says, and lets travel what it needs.
    async fn entered(&mut self, works: &mut Works) {
        self.line.reset();
        self.broke_off(works);
        self.side.relay.set.send_again();
        match self.line.conversation() {
            Some(conversation) => {
                self.tracked.set_waiting(None);
                self.say_to(&conversation).await;
            }
            None => self.tracked.wait_for_peer(),
        }
    }

    /// Gives up what belongs to the connection before.
    fn broke_off(&mut self, works: &mut Works) {
        works.disconnected();
        self.side.relay.log_to_carry |= std::mem::take(&mut self.side.relay.log_on_its_way);
    }

    /// Returns after how many milliseconds something is due.
    fn wake_ms(&self) -> Option<u64> {
        let deadline = self.spent_ms().map(|spent_ms| spent_ms.saturating_sub(self.core.clock_ms()));
        let ask = self.needs_vote().then_some(ASK_AGAIN.as_millis() as u64);
        [deadline, ask].into_iter().flatten().min()
    }

    /// Returns when this side gives up, Unix milliseconds.
    ///
    /// The record counts from before the controller is asked, which may take a while, with the model live. From the moment
    /// it was asked the model may be frozen, and from there the freeze budget counts.
    fn spent_ms(&self) -> Option<u64> {
        let SourceState::Relaying(relaying) = &self.record.state else { return None };
        Some(relaying.deadline_ms.max(self.side.relay.deadline_ms.unwrap_or(0)))
    }

    /// Lets the freeze budget count from when the controller was asked.
    async fn count_from_asked(&mut self) {
        let Some(relayed) = &self.core.parts.relayed else { return };
        match relayed.controller.asked_ms(self.migration()).await {
            Ok(asked_ms) => {
                let freeze_ms = self.tracked.terms.freeze_ms_max;
                self.side.relay.deadline_ms = asked_ms.map(|asked_ms| asked_ms.saturating_add(freeze_ms));
            }
            Err(error) => tracing::warn!("when the controller was asked is not known: {error}"),
        }
    }

    /// Gives the migration up when the model has been frozen for too long, or the controller could not be asked for so long.
    async fn overdue(&mut self) {
        if self.spent_ms().is_some_and(|spent_ms| self.core.clock_ms() >= spent_ms) {
            // The controller aborts as soon as it calls again: every later call fails.
            let cause = match self.side.relay.initiated {
                true => self.frozen_too_long(),
                false => Cause::cut(self.never_began()),
            };
            self.input(SourceInput::Abort(&cause)).await;
        }
    }

    fn never_began(&self) -> String {
        let seconds = self.tracked.terms.freeze_ms_max as f64 / 1000.0;
        format!("the source controller did not say within {seconds} s (--max-freeze) that it begins")
    }

    /// Takes in what the target says.
    pub(super) fn relay_heard(&mut self, message: &Message, fresh: bool) {
        match message {
            Message::Prepared(vote) if Some(vote.root) == self.sealed_root() => {
                let asked = self.side.relay.asked.filter(|_| fresh);
                if let Some(asked) = asked {
                    self.side.relay.vote = Some((vote.clone(), asked));
                }
            }
            Message::Staged(Staged { id, outcome, .. }) => {
                let sealed = self.sealed_root().is_some();
                self.side.relay.set.came(*id, outcome.clone(), sealed);
            }
            _ => {}
        }
    }

    /// Takes in what the controller shows.
    async fn shown(&mut self, shown: Shown) {
        let evidence = match (shown, &self.record.state) {
            (Shown::Success, _) => Evidence::Success(None),
            (Shown::Abort, _) => Evidence::Abort,
            // It has not been answered `AdoptResources`, so it cannot have come to its end.
            (Shown::Ended, SourceState::Relaying(_) | SourceState::Answered(_)) => Evidence::Abort,
            (Shown::Done | Shown::Ended, _) => {
                self.side.relay.end_shown = Some(shown);
                return;
            }
            (Shown::Nothing | Shown::Running | Shown::Silent, _) => return,
        };
        self.relayed(RelayInput::Shown(evidence)).await;
    }

    /// Gives the machine what the controller did.
    async fn relayed(&mut self, input: RelayInput<'_>) {
        self.input(SourceInput::Relayed(input)).await;
    }

    async fn done(&mut self, works: &mut Works, done: Done) {
        match done {
            Done::Initiated(Ok(())) => {
                self.side.relay.initiated = true;
                self.count_from_asked().await;
                self.tracked.set_begun();
            }
            Done::Initiated(Err(error)) if error.is_passing() => {
                self.tracked.set_failing(Failing::Controller, format!("source controller: {error}; trying again"));
                works.initiate_later();
            }
            Done::Initiated(Err(error)) => {
                let cause = Cause::cut(format!("the source controller does not begin: {error}"));
                self.input(SourceInput::Abort(&cause)).await;
            }
            Done::Looked(Ok(shown)) => self.shown(shown).await,
            Done::Looked(Err(error)) => tracing::debug!("the source controller is not asked: {error}"),
            Done::Sent(done) => self.transferred(done).await,
            Done::Logged(Ok(())) => self.side.relay.log_on_its_way = false,
            Done::Logged(Err(error)) => {
                (self.side.relay.log_to_carry, self.side.relay.log_on_its_way) = (true, false);
                self.tracked.set_failing(Failing::Log, format!("its log cannot follow yet: {error}; trying again"));
                works.log_later();
            }
        }
    }

    /// Ends the migration once the controller is done and the log has followed.
    async fn end_if_done(&mut self) {
        let SourceState::Handed(_) = self.record.state else { return };
        let relay = &self.side.relay;
        let Some(shown) = relay.end_shown else { return };
        let late_ms = self.tracked.handed_ms().map_or(0, |handed_ms| self.core.clock_ms().saturating_sub(handed_ms));
        // A controller that has deleted the model has sent its log before. Another one shows only that it does not migrate it any
        // more, and may send its log, or send none.
        let log_is_over =
            shown == Shown::Done || relay.log_ended || self.tracked.terms.skip_log || late_ms > LOG_WITHIN_MS;
        if log_is_over && !relay.log_to_carry && !relay.log_on_its_way {
            self.relayed(RelayInput::Shown(Evidence::Done)).await;
        }
    }
}
