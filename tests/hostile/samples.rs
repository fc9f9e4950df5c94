//! One of every message, as the protocol's own tests have them.

#[allow(dead_code, unused_imports, reason = "the tests of the protocol use the rest")]
#[path = "../../protocol/tests/samples/mod.rs"]
mod protocol;

use modelferry_protocol::ids::{JournalId, ModelUuid};
use modelferry_protocol::plan::Question;

pub use protocol::messages;

/// A question whether a model could move here.
pub fn prechecks() -> Question {
    let is_it = |question: &Question| matches!(question, Question::Prechecks(_));
    protocol::questions().into_iter().find(is_it).expect("there is one of each")
}

/// Puts a model and a journal in the place of the samples' own.
pub fn about(mut frame: Vec<u8>, model: ModelUuid, journal: JournalId) -> Vec<u8> {
    for (sample, own) in [(protocol::MODEL.0, model.0), (protocol::JOURNAL.0, journal.0)] {
        let found: Vec<usize> =
            (0..frame.len().saturating_sub(15)).filter(|at| frame[*at..*at + 16] == sample).collect();
        found.into_iter().for_each(|at| frame[at..at + 16].copy_from_slice(&own));
    }
    frame
}
