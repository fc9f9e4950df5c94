//! Journals and owners: what two agents compare before either acts.

use ring::signature::{ED25519, UnparsedPublicKey};

use crate::codec::{Bounded, Decode, Encode};
use crate::ids::{Epoch, JournalId, MigrationId, ModelUuid, Pin};
use crate::limits::CLAIMS_MAX;
use crate::migration::{CommitStamp, Head, Root, Signature};

/// What stands before the signed bytes, so that no other signature of the key is taken for one of a head.
const HEAD_CONTEXT: &[u8] = b"modelferry/1 head\0";

const SEIZED_CONTEXT: &[u8] = b"modelferry/1 seized\0";

/// How far a journal was when its agent said so. Nobody else can make one, so one that is returned to the agent proves to it
/// that the journal was as far as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SignedHead {
    /// The journal.
    pub journal: JournalId,
    /// Its last sequence number.
    pub sequence: u64,
    /// The agent's Ed25519 signature over [`SignedHead::signed_bytes`].
    pub signature: [u8; 64],
}

impl SignedHead {
    /// Makes a head of this agent's own journal.
    pub fn new(journal: JournalId, sequence: u64, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Self {
        let unsigned = Self { journal, sequence, signature: [0; 64] };
        Self { signature: sign(&unsigned.signed_bytes()), ..unsigned }
    }

    /// Returns the bytes that the agent signs.
    pub fn signed_bytes(&self) -> Vec<u8> {
        [HEAD_CONTEXT, &self.journal.0, &self.sequence.to_le_bytes()].concat()
    }

    /// Reports whether the agent with this Ed25519 key has signed it.
    pub fn is_signed_by(&self, key: &[u8; 32]) -> bool {
        UnparsedPublicKey::new(&ED25519, key).verify(&self.signed_bytes(), &self.signature).is_ok()
    }
}

/// What the hearer of a claim signed when it handed the model over to the agent that makes the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct SignedCommit {
    /// The migration.
    pub mid: MigrationId,
    /// The epoch at which the model was handed over.
    pub epoch_to: Epoch,
    /// What was handed over.
    pub root: Root,
    /// The hearer's journal then.
    pub journal: JournalId,
    /// Its signature.
    pub stamp: CommitStamp,
}

impl SignedCommit {
    /// Returns what the source of the migration that `head` heads has signed.
    pub fn of(head: &Head, root: Root, stamp: &CommitStamp) -> Self {
        Self { mid: head.mid, epoch_to: head.epoch_to, root, journal: head.journal, stamp: stamp.clone() }
    }
}

/// Returns the bytes that are signed under [`Claim::seized`]. `hearer`: the pin of the agent that hears the claim.
pub fn seized_bytes(model: ModelUuid, epoch: Epoch, hearer: Pin) -> Vec<u8> {
    [SEIZED_CONTEXT, &model.0, &epoch.to_le_bytes(), &hearer.0].concat()
}

/// What an agent has of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Claim {
    /// The model.
    pub model: ModelUuid,
    /// The largest epoch at which it is known to have been owned.
    pub epoch: Epoch,
    /// Whether it is in service there.
    pub live: bool,
    /// What proves to the hearer that it has handed the model over itself.
    pub commit: Option<SignedCommit>,
    /// The claimant's signature over [`seized_bytes`]: one of its operators has put the model into service there, whatever others have.
    pub seized: Option<Signature>,
}

/// How far an agent's journal is, what it has of the models that it ever exchanged with the peer, and what else it serves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnershipReport {
    /// The head of its journal, which the peer keeps.
    pub head: SignedHead,
    /// The last head that the peer has shown of its own journal, if it has shown any.
    pub seen: Option<SignedHead>,
    /// The models.
    pub claims: Bounded<Claim, CLAIMS_MAX>,
    /// Whether the sender has found its journal to have been set back, and has stopped acting.
    pub is_halted: bool,
}
