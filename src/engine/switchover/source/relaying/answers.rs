//! What the master's calls are told, from the durable record alone.

use modelferry_protocol::snapshot::{Performed, Reply};
use modelferry_protocol::switch::relay::{self, MasterCall as Verb, RelayReply};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};

use crate::controller::gateway::RelayError;
use crate::engine::migration::mailbox::master_request::{Answered, MasterRequest};
use crate::engine::switchover::source::state::SourceTask;
use crate::juju::rpc::RpcError;

fn refused(cause: &str) -> RelayError {
    RelayError::Refused(RpcError::plain(cause))
}

fn performed(outcome: &Performed) -> Answered {
    match outcome {
        Performed::Done(reply) => Ok(reply.clone()),
        Performed::Failed(cause) => Err(refused(cause)),
    }
}

/// Returns what a call is told that only the record decides about; nothing while it is held.
fn of_record(record: &SourceRecord, verb: Verb) -> Option<Answered> {
    match relay::reply(record, verb) {
        RelayReply::Hold => None,
        RelayReply::Failed(why) => Some(Err(match &record.state {
            SourceState::Aborted(cause) => RelayError::Ended(format!("{why}: {}", &**cause)),
            _ => RelayError::Ended(why.to_owned()),
        })),
        RelayReply::Done => Some(Ok(match &record.state {
            SourceState::Handed(handed) if verb == Verb::Adopt => Reply::new(handed.reply.to_vec()).unwrap_or_default(),
            _ => Reply::default(),
        })),
    }
}

/// Returns what a call is told of a migration at rest.
pub fn at_rest(record: &SourceRecord, call: &MasterRequest) -> Answered {
    let ended = || RelayError::Ended("the migration has ended".to_owned());
    match (&record.state, call) {
        // So that agents report to the controller and it goes on to `CheckMachines`, which tells it why.
        (SourceState::Aborted(_), MasterRequest::Seal) => Ok(Reply::default()),
        (SourceState::Aborted(cause), MasterRequest::Staged) => Err(refused(cause)),
        (SourceState::Moved(_), MasterRequest::Seal | MasterRequest::Staged | MasterRequest::Log) => {
            Ok(Reply::default())
        }
        (_, call) => of_record(record, verb(call)).unwrap_or_else(|| Err(ended())),
    }
}

/// Returns the call as the machine knows it.
fn verb(call: &MasterRequest) -> Verb {
    match call {
        MasterRequest::Activate(_) => Verb::Activate,
        MasterRequest::Adopt(_) | MasterRequest::Log => Verb::Adopt,
        MasterRequest::Abort => Verb::Abort,
        MasterRequest::Import(_)
        | MasterRequest::Upload(_)
        | MasterRequest::Seal
        | MasterRequest::Staged
        | MasterRequest::CheckMachines(_) => Verb::Stage,
    }
}

impl SourceTask {
    /// Returns a call's answer; nothing while it is held.
    pub(super) fn answer(&self, call: &MasterRequest) -> Option<Answered> {
        let (record, set) = (&self.record, &self.side.relay.set);
        if record.is_at_rest() {
            return Some(at_rest(record, call));
        }
        let is_sealed = self.sealed_root().is_some() || matches!(record.state, SourceState::Handed(_));
        match call {
            MasterRequest::Import(_) if !is_sealed => set.import().map(performed),
            MasterRequest::Upload(_) if !is_sealed => match set.refusal() {
                Some(cause) => Some(Err(refused(cause))),
                None => Some(Ok(Reply::default())),
            },
            MasterRequest::Seal if !is_sealed => match set.import() {
                Some(outcome @ Performed::Failed(_)) => Some(performed(outcome)),
                _ => None,
            },
            MasterRequest::Seal => Some(Ok(Reply::default())),
            MasterRequest::Staged => (self.side.voted || record.is_committed()).then(|| Ok(Reply::default())),
            // A master that begins its phase again asks again.
            MasterRequest::CheckMachines(_) if !record.is_committed() => set.check().map(performed),
            // Shown already; the log itself is the writer's.
            MasterRequest::Log => record.is_committed().then(|| Ok(Reply::default())),
            _ => of_record(record, verb(call)),
        }
    }
}
