//! Checks a proof against the record of the agent that it was carried to.

use ring::signature::{ED25519, UnparsedPublicKey};

use super::statement::{Proof, Verdict, of_source, pin_of_key};
use crate::ids::Pin;
use crate::message::Message;
use crate::switch::last_record::LastRecord;

/// A proof that proves nothing about the migration it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    /// The signature is not the key's.
    #[error("the proof's signature is wrong: the text was changed, or copied incompletely")]
    Signature,
    /// Somebody else has signed it.
    #[error("the proof is signed by {actual}, and this migration's other agent is {expected}")]
    Signer {
        /// The record's peer.
        expected: Pin,
        /// Whose key it is.
        actual: Pin,
    },
    /// It says what only the side that it was given to can decide.
    #[error("a proof of `{}` is the {said_by}'s word, and is of use on the other side alone", .verdict.name().to_lowercase())]
    OwnSide {
        /// What it says.
        verdict: Verdict,
        /// Who says such things.
        said_by: &'static str,
    },
    /// It is about something else.
    #[error("the proof is of another {what}: {actual}, not {expected}")]
    Other {
        /// What differs.
        what: &'static str,
        /// What the record has.
        expected: String,
        /// What the proof has.
        actual: String,
    },
}

impl Proof {
    /// Checks the proof against the record of the agent that it was carried to, and returns the message that it
    /// stands for: to be treated as if the peer had said it.
    ///
    /// `own`: that agent's pin.
    /// Errors: [`ProofRefused`].
    pub fn check(&self, last: &LastRecord, own: Pin) -> Result<Message, ProofRefused> {
        let statement = &self.statement;
        let (head, is_source, root) = match last {
            LastRecord::Source(record) => (&record.head, true, of_source(record).and_then(|(_, root)| root)),
            LastRecord::Target(record) => (&record.head, false, record.state.root()),
        };
        let same = |what, expected: &dyn ToString, actual: &dyn ToString| {
            let (expected, actual) = (expected.to_string(), actual.to_string());
            if expected == actual { Ok(()) } else { Err(ProofRefused::Other { what, expected, actual }) }
        };
        same("migration", &head.mid, &statement.mid)?;
        if statement.verdict.is_from_source() == is_source {
            let said_by = if is_source { "source" } else { "target" };
            return Err(ProofRefused::OwnSide { verdict: statement.verdict, said_by });
        }
        let actual = pin_of_key(&self.key);
        if actual != head.peer {
            return Err(ProofRefused::Signer { expected: head.peer, actual });
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(&statement.signed_bytes(), &self.signature).map_err(|_| ProofRefused::Signature)?;
        let (source, target) = if is_source { (own, head.peer) } else { (head.peer, own) };
        same("source agent", &source, &statement.source)?;
        same("target agent", &target, &statement.target)?;
        same("model", &head.model, &statement.model)?;
        same("epoch", &head.epoch_to, &statement.epoch_to)?;
        same("journal", &head.journal, &statement.journal)?;
        if let (Some(expected), Some(actual)) = (root, statement.root) {
            same("snapshot", &expected, &actual)?;
        }
        // The armour refuses a verdict without its root; one that was made otherwise is as if altered.
        self.message().ok_or(ProofRefused::Signature)
    }
}
