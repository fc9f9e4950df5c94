//! The source after the handover: transfers the log, holds the copy, deletes it.

use std::time::Duration;

use modelferry_protocol::record::{Body, Destination, Note};
use modelferry_protocol::switch::source::{self, SourceInput, SourceState};
use modelferry_protocol::switch::{Cause, Outcome};
use tokio::sync::oneshot;

use super::state::{After, Source, SourceTask};
use crate::controller::port::ControllerError;
use crate::engine::base::entry::entry;
use crate::engine::base::error::EngineError;
use crate::engine::base::retry_timer::Turn;
use crate::engine::migration::gateway::Asked;
use crate::engine::migration::id::id_of;
use crate::engine::switchover::log;
use crate::engine::switchover::log::LogError;
use crate::engine::switchover::task::Side;
use crate::engine::switchover::task::wait::Woken;
use crate::engine::transfer::TransferError;

/// A hold is looked at this often at least: a wall clock may be set meanwhile.
const HOLD_LOOK: Duration = Duration::from_secs(60);

impl SourceTask {
    /// Lets the log follow, and waits for the end of the hold. Safe to be begun again.
    pub async fn see_out(&mut self) -> Result<Option<Outcome<SourceState>>, ControllerError> {
        self.side.after = After::Log;
        if !self.tracked.terms.skip_log {
            self.log_follows().await?;
        }
        self.side.after = After::Hold;
        self.hold().await;
        let stands = self.core.halted().is_some() && !self.freed;
        Ok((self.is_handed() && !stands).then(|| source::on(&self.record, SourceInput::Done)))
    }

    /// Records how the target's agent describes its controller now. It may have been configured anew since the migration began,
    /// and the model's users are sent to where the controller is, not to where it was.
    pub async fn learn_destination(&self) {
        let known = self.tracked.controller();
        let state = self.core.parts.link.watch(self.tracked.peer).borrow().clone();
        let Some(controller) = state.session().map(|session| session.hello().controller.clone()) else { return };
        // Another controller is not the one that has taken the model.
        if controller.uuid != known.uuid || controller == known {
            return;
        }
        let mid = self.record.head.mid;
        let body = Body::Destination(Destination { mid, controller: controller.clone() });
        self.core.append(entry("peer", body)).await;
        self.tracked.set_controller(controller);
    }

    fn is_handed(&self) -> bool {
        matches!(self.record.state, SourceState::Handed(_))
    }

    async fn log_follows(&mut self) -> Result<(), ControllerError> {
        // Without a log there is nothing that the peer would be needed for.
        if self.core.parts.departure.log(self.migration(), 0).await?.is_empty() {
            return Ok(());
        }
        self.pass("log", "before")?;
        self.line.reset();
        while self.is_handed() {
            let Some(conversation) = self.line.conversation() else {
                self.tracked.wait_for_peer();
                if !self.until_the_line_turns().await {
                    return Ok(());
                }
                continue;
            };
            self.tracked.set_waiting(None);
            self.say_to(&conversation).await;
            let (core, tracked, migration) = (self.core.clone(), self.tracked.clone(), self.migration());
            let session = conversation.session.clone();
            let carried = async move {
                let between = || crate::engine::base::failpoint::pass(Source::NAME, "log", "within", Some(&session));
                log::carry(&core, &conversation, &tracked, migration, between).await
            };
            tokio::pin!(carried);
            let done = loop {
                match self.woken(&mut carried).await {
                    Woken::Halted => return Ok(()),
                    Woken::Event(event) => Source::event(self, event).await,
                    Woken::Done(done) => break Some(done),
                    // What is under way belongs to the connection that is over.
                    Woken::Turn(Turn::Up | Turn::Down, _) => break None,
                    Woken::Turn(Turn::Repeat, _) => {}
                }
                if !self.is_handed() {
                    return Ok(());
                }
            };
            match done {
                None => {}
                Some(Ok(())) => return self.pass("log", "after"),
                Some(Err(LogError::Transfer(TransferError::Closed(_)))) if self.until_the_line_turns().await => {}
                Some(Err(LogError::Transfer(TransferError::Closed(_)))) => return Ok(()),
                Some(Err(error)) => return Err(self.log_stays(error)),
            }
        }
        Ok(())
    }

    /// Says what to type, should the log never follow.
    fn log_stays(&self, error: LogError) -> ControllerError {
        let error = match error {
            // A failpoint's: no operator sees it.
            LogError::Controller(error @ ControllerError::Storage(_)) => return error,
            LogError::Controller(error) => error.to_string(),
            LogError::Transfer(error) => error.to_string(),
        };
        let id = id_of(&self.tracked.terms);
        ControllerError::LogStays { migration: id, why: error }
    }

    /// Waits for another connection, or the next time to look; false if nothing more is to be done here.
    async fn until_the_line_turns(&mut self) -> bool {
        loop {
            match self.woken(std::future::pending::<()>()).await {
                Woken::Halted => return false,
                Woken::Event(event) => Source::event(self, event).await,
                Woken::Turn(Turn::Up | Turn::Repeat, _) => return true,
                Woken::Turn(Turn::Down, _) => self.tracked.wait_for_peer(),
                Woken::Done(()) => {}
            }
            if !self.is_handed() {
                return false;
            }
        }
    }

    async fn hold(&mut self) {
        let hold_ms = self.tracked.terms.reap_hold_ms;
        let Some(handed_ms) = self.tracked.handed_ms().filter(|_| hold_ms > 0) else { return };
        // Of the record's time, so that a restart begins no new hold. A wrong clock ends it early or late: the target
        // has the model either way.
        let due_ms = handed_ms.saturating_add(hold_ms);
        self.tracked.set_waiting(None);
        self.tracked.set_reap_due(due_ms);
        self.line.reset();
        while self.is_handed() && self.core.clock_ms() < due_ms {
            let left = Duration::from_millis(due_ms.saturating_sub(self.core.clock_ms()));
            match self.woken(tokio::time::sleep(left.min(HOLD_LOOK))).await {
                Woken::Halted => return,
                Woken::Event(event) => Source::event(self, event).await,
                Woken::Done(()) | Woken::Turn(..) => {}
            }
        }
    }

    /// Deletes the copy here at the operator's wish, as soon as nothing stands against it.
    pub async fn reap(&mut self, skip_log: bool, actor: &str, reply: oneshot::Sender<Result<(), EngineError>>) {
        let refused = |task: &Self, why: &str| {
            Err(EngineError::Unresolvable {
                id: id_of(&task.tracked.terms),
                state: task.record.state.name().to_owned(),
                why: why.to_owned(),
            })
        };
        if let Some(error) = self.refusal(Asked::Reap) {
            let _ = reply.send(Err(error));
            return;
        }
        let answer = match (&self.record.state, self.side.after) {
            (SourceState::Handed(_), After::Log) if !skip_log => refused(
                self,
                "its log has not followed it yet; wait for that, or give up what is left of it with --skip-logs",
            ),
            (SourceState::Handed(_), After::Log | After::Hold) => {
                if self.side.after == After::Log {
                    let text = Cause::cut("what is left of the log is given up");
                    let note = Note { mid: self.record.head.mid, text };
                    self.core.append(entry(actor, Body::Note(note))).await;
                }
                let outcome = source::on(&self.record, SourceInput::Done);
                self.outcome(outcome, actor, None).await;
                Ok(())
            }
            (SourceState::Handed(_), After::Redirect) => {
                refused(self, "its users are not redirected yet; the controller here is asked again and again")
            }
            // It is tried again at once: whatever is heard ends the pause between two attempts.
            (SourceState::Reaping(_), _) => Ok(()),
            _ => refused(self, "nothing is deleted before the other side has said that the model is live there"),
        };
        let _ = reply.send(answer);
    }
}
