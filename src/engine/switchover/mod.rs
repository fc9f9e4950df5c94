//! The switchover: drives the machines of the protocol crate, one task for each migration.
//!
//! Each task does one thing at a time, see [`task`]. After a crash it begins again from the last durable record, by the same code.
//! Which machine a record belongs to, by side and by who decides, is told here and in the protocol crate's `on`, and nowhere else.
//! Nothing else in the agent activates, adopts, aborts, freezes, thaws or reaps.

mod begin;
mod choice;
pub mod conflict;
pub mod log;
mod record;
pub mod redo;
mod request;
pub mod resolve;
pub mod source;
pub mod target;
pub mod task;
pub mod unpair;

use std::sync::Arc;

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::Message;
use modelferry_protocol::switch::Outcome;
use modelferry_protocol::switch::source::{self as source_machine, SourceInput};
use modelferry_protocol::switch::target::{self as target_machine, TargetInput};

use super::migration::tracking::tracked::Tracked;
use super::shared::core::Core;

/// Goes on with a migration from its last durable record, unless that is at rest.
pub fn resume(core: &Arc<Core>, tracked: Arc<Tracked>, last: LastRecord) {
    if last.is_at_rest() {
        return;
    }
    match last {
        LastRecord::Source(record) => {
            tokio::spawn(source::state::SourceTask::resumed(core.clone(), tracked, record).run());
        }
        LastRecord::Target(record) => {
            tokio::spawn(target::state::TargetTask::new(core.clone(), tracked, record).run());
        }
    }
}

/// Returns what the record of a migration at rest answers. It never changes.
pub fn answer(last: &LastRecord, message: &Message) -> Option<Message> {
    match last {
        LastRecord::Source(record) => reply(source_machine::on(record, SourceInput::Heard { message, fresh: false })),
        LastRecord::Target(record) => reply(target_machine::on(record, TargetInput::Heard(message))),
    }
}

fn reply<State>(outcome: Outcome<State>) -> Option<Message> {
    match outcome {
        Outcome::Reply(message) => Some(message),
        Outcome::Record(_) | Outcome::Ignore(_) => None,
    }
}
