//! An operator's resolution, as one more input of the machines.

use tokio::sync::oneshot;

use super::source::SourceTask;
use super::target::TargetTask;
use crate::engine::error::EngineError;
use crate::engine::resolve::{Resolving, verdict};
use crate::engine::tracked::{Event, id_of};
use modelferry_protocol::switch::source;
use modelferry_protocol::switch::target;
use modelferry_protocol::switch::{Ignored, Outcome};

type Reply = oneshot::Sender<Result<(), EngineError>>;

impl SourceTask {
    /// Waits for an operator while this agent has stopped acting; reports whether it has.
    pub(super) async fn stands_still(&mut self) -> bool {
        let why = if self.freed { None } else { self.core.halted() };
        let Some(why) = why else { return false };
        self.tracked.set_waiting(Some(why));
        // What was heard before, or is asked for otherwise, is dropped with its reply.
        if let Some(event @ Event::Resolve { .. }) = self.mailbox.recv().await {
            self.event(event).await;
        }
        true
    }

    /// Gives a resolution to the source's machine. `reply` is told once it is durable, or why it is refused.
    pub(super) async fn resolve(&mut self, with: &Resolving, actor: &str, reply: Reply) {
        let refused = Outcome::Ignore(Ignored::NotExpected);
        let outcome = with.at_source().map_or(refused, |input| source::on(&self.record, input));
        let answer = verdict(&outcome, id_of(&self.tracked.terms), self.record.state.name());
        self.outcome(outcome, actor, None).await;
        self.freed |= answer.is_ok();
        let _ = reply.send(answer);
    }
}

impl TargetTask {
    /// Waits for an operator while this agent has stopped acting; reports whether it has.
    pub(super) async fn stands_still(&mut self) -> bool {
        let why = if self.freed { None } else { self.core.halted() };
        let Some(why) = why else { return false };
        self.tracked.set_waiting(Some(why));
        // What was heard before, or is asked for otherwise, is dropped with its reply.
        if let Some(event @ Event::Resolve { .. }) = self.mailbox.recv().await {
            self.event(event).await;
        }
        true
    }

    /// Gives a resolution to the target's machine. `reply` is told once it is durable, or why it is refused.
    pub(super) async fn resolve(&mut self, with: &Resolving, actor: &str, reply: Reply) {
        let outcome = target::on(&self.record, with.at_target());
        let answer = verdict(&outcome, id_of(&self.tracked.terms), self.record.state.name());
        self.outcome(outcome, actor, None).await;
        self.freed |= answer.is_ok();
        let _ = reply.send(answer);
    }
}
