//! Journals and owners: what two agents compare before either acts.

use crate::codec::{Bounded, Decode, Encode};
use crate::ids::{Epoch, JournalId, ModelUuid};
use crate::limits::CLAIMS_MAX;

/// What was seen of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Seen {
    /// The journal.
    pub journal: JournalId,
    /// Its last sequence number that was seen.
    pub sequence: u64,
}

/// What an agent has of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Claim {
    /// The model.
    pub model: ModelUuid,
    /// The largest epoch at which it is known to have been owned.
    pub epoch: Epoch,
    /// Whether it is in service there.
    pub live: bool,
}

/// How far an agent's journal is, what it has of the models that it ever exchanged with the peer, and what else it serves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnershipReport {
    /// The last sequence number of its journal.
    pub sequence: u64,
    /// The last it has seen of the peer's journal, if it has seen any.
    pub seen: Option<Seen>,
    /// The models.
    pub claims: Bounded<Claim, CLAIMS_MAX>,
    /// Whether the sender has found its journal to have been set back, and has stopped acting.
    pub is_halted: bool,
}
