//! An operator's resolution, as one more input of the machines.

use tokio::sync::oneshot;

use super::source::SourceTask;
use super::target::TargetTask;
use crate::engine::error::EngineError;
use crate::engine::resolve::{Resolving, verdict};
use crate::engine::tracked::id_of;
use modelferry_protocol::switch::source;
use modelferry_protocol::switch::target;
use modelferry_protocol::switch::{Ignored, Outcome};

type Reply = oneshot::Sender<Result<(), EngineError>>;

impl SourceTask {
    /// Gives a resolution to the source's machine. `reply` is told once it is durable, or why it is refused.
    pub(super) async fn resolve(&mut self, with: &Resolving, actor: &str, reply: Reply) {
        let refused = Outcome::Ignore(Ignored::NotExpected);
        let outcome = with.at_source().map_or(refused, |input| source::on(&self.record, input));
        let answer = verdict(&outcome, id_of(&self.tracked.terms), self.record.state.name());
        self.outcome(outcome, actor, None).await;
        let _ = reply.send(answer);
    }
}

impl TargetTask {
    /// Gives a resolution to the target's machine. `reply` is told once it is durable, or why it is refused.
    pub(super) async fn resolve(&mut self, with: &Resolving, actor: &str, reply: Reply) {
        let outcome = target::on(&self.record, with.at_target());
        let answer = verdict(&outcome, id_of(&self.tracked.terms), self.record.state.name());
        self.outcome(outcome, actor, None).await;
        let _ = reply.send(answer);
    }
}
