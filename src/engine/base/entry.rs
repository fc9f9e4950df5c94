//! Makes journal entries.

use modelferry_protocol::record::{Body, Entry};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::Cause;

use crate::clock::now_ms;

/// Makes a journal entry of now.
pub fn entry(actor: &str, body: Body) -> Entry {
    Entry { time_ms: now_ms(), actor: Name::cut(actor), body }
}

/// Makes the cause of what an operator did or asserted.
pub fn of_operator(what: &str, reason: &str, actor: &str) -> Cause {
    let by = if reason.is_empty() { actor.to_owned() } else { format!("{actor}: {reason}") };
    Cause::cut(format!("{what} ({by})"))
}
