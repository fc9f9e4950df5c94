//! Takes the master's calls in: each leads the machine to a record first, where it leads to one.

use modelferry_protocol::snapshot::{Arguments, Reply};
use modelferry_protocol::switch::relay::{Evidence, RelayInput};
use modelferry_protocol::switch::source::SourceState;

use crate::controller::gateway::RelayError;
use crate::engine::migration::mailbox::master_request::{MasterRequest, WaitingCall};
use crate::engine::switchover::source::relayed_memory::ASK_AGAIN;
use crate::engine::switchover::source::state::SourceTask;

impl SourceTask {
    /// Takes in a call. It is answered at once where that needs nothing more, and else when it can be.
    pub(in super::super) async fn called(&mut self, waiting: WaitingCall) {
        if waiting.reply.is_closed() {
            return;
        }
        match self.take(&waiting.call).await {
            // The gateway's caller may have left.
            Some(answer) => _ = waiting.reply.send(answer),
            None => self.side.relay.waiting.push(waiting),
        }
    }

    /// Lets a call have its effect on the record. Returns its answer if that is an error, or needs no more.
    async fn take(&mut self, call: &MasterRequest) -> Option<Result<Reply, RelayError>> {
        let is_open = matches!(&self.record.state, SourceState::Relaying(relaying) if relaying.root.is_none());
        match call {
            MasterRequest::Import(import) if is_open => self.add(import).await.err().map(Err),
            MasterRequest::Upload(upload) if is_open => {
                if self.side.relay.set.is_empty() {
                    return Some(Err(RelayError::Ended("an upload before the import".to_owned())));
                }
                Some(self.add(upload).await.map(|()| Reply::default()))
            }
            // After a restart the target may have to be asked once more what came of the import.
            MasterRequest::Seal if is_open && self.side.relay.set.awaits_import() => None,
            MasterRequest::Seal if is_open => Some(self.seal_set().await.map(|()| Reply::default())),
            MasterRequest::CheckMachines(params) => {
                self.side.relay.set.begin_check(params);
                None
            }
            MasterRequest::Adopt(params) => {
                self.relayed(RelayInput::Shown(Evidence::Success(Some(params)))).await;
                None
            }
            MasterRequest::Log => {
                self.relayed(RelayInput::Shown(Evidence::Success(None))).await;
                None
            }
            MasterRequest::Abort => {
                self.relayed(RelayInput::Shown(Evidence::Abort)).await;
                None
            }
            MasterRequest::Import(_)
            | MasterRequest::Upload(_)
            | MasterRequest::Seal
            | MasterRequest::Staged
            | MasterRequest::Activate(_) => None,
        }
    }

    /// Returns the arguments of an `Activate` that waits.
    fn activation(&self) -> Option<Arguments> {
        self.side.relay.waiting.iter().find_map(|waiting| match &waiting.call {
            MasterRequest::Activate(arguments) if !waiting.reply.is_closed() => Some(arguments.clone()),
            _ => None,
        })
    }

    /// Reports whether `Activate` waits for a vote.
    pub(super) fn needs_vote(&self) -> bool {
        matches!(&self.record.state, SourceState::Relaying(relaying) if relaying.root.is_some())
            && self.activation().is_some()
    }

    /// Promises the controller that the target takes the model, once its vote is held that was asked for lately: then the link
    /// lives, by which the target will hear of the decision.
    async fn promise(&mut self) {
        let Some(arguments) = self.activation().filter(|_| self.needs_vote()) else { return };
        let freshness = self.core.parts.settings.commit_freshness;
        let vote = self.side.relay.vote.clone().filter(|(_, asked)| asked.elapsed() <= freshness);
        match vote {
            Some((vote, _)) => {
                let input = RelayInput::Activate { arguments: &arguments, vote: Some(&vote) };
                self.relayed(input).await;
            }
            None if self.side.relay.asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) => self.say().await,
            None => {}
        }
    }

    /// Seals the set for a call that has waited for what came of the import.
    async fn seal_late(&mut self) {
        let waits = self.side.relay.waiting.iter().any(|waiting| waiting.call == MasterRequest::Seal);
        let is_open = matches!(&self.record.state, SourceState::Relaying(relaying) if relaying.root.is_none());
        if waits
            && is_open
            && self.side.relay.set.is_imported()
            && let Err(error) = self.seal_set().await
        {
            self.tracked
                .set_waiting(Some(format!("what the controller has sent is not sealed: {error}; trying again")));
        }
    }

    /// Answers every call that can be answered, and asks the target for what the others need.
    pub(super) async fn settle(&mut self) {
        self.stage_more().await;
        self.seal_late().await;
        self.promise().await;
        self.end_if_done().await;
        let waiting = std::mem::take(&mut self.side.relay.waiting);
        for call in waiting {
            if call.reply.is_closed() {
                continue;
            }
            let answer = match &call.call {
                MasterRequest::Import(_) => self.keep_import().await.err().map(Err),
                _ => None,
            };
            match answer.or_else(|| self.answer(&call.call)) {
                Some(answer) => {
                    // What a failpoint here stops is a reply that its record has made certain.
                    let (name, is_ok) = (call.call.effect(), answer.is_ok());
                    if is_ok && let Some(name) = name {
                        let _ = self.pass(name, "before");
                    }
                    let _ = call.reply.send(answer);
                    if is_ok && let Some(name) = name {
                        let _ = self.pass(name, "after");
                    }
                }
                None => self.side.relay.waiting.push(call),
            }
        }
    }
}

impl MasterRequest {
    /// Returns what failpoints call the reply.
    fn effect(&self) -> Option<&'static str> {
        match self {
            Self::Activate(_) => Some("answer-activate"),
            Self::Adopt(_) => Some("answer-adopt"),
            _ => None,
        }
    }
}
