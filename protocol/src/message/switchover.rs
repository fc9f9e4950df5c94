//! The messages of the switchover.

use crate::call::{Call, KeptReply, Performed};
use crate::codec::{Bytes, Decode, Encode};
use crate::ids::{Epoch, JournalId, MigrationId, ModelUuid};
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::migration::{CommitStamp, Handover, Head, Profile, Root, Signature};
use crate::text::{Cause, Name};

/// Names the migration that a switchover message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct MigrationKey {
    /// The migration.
    pub mid: MigrationId,
    /// The source's journal.
    pub journal: JournalId,
}

impl MigrationKey {
    /// Returns the switch of the migration that `head` heads.
    pub fn of(head: &Head) -> Self {
        Self { mid: head.mid, journal: head.journal }
    }
}

/// Offers a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Offer {
    /// The migration.
    pub key: MigrationKey,
    /// The model.
    pub model: ModelUuid,
    /// The epoch at which the target will own it.
    pub epoch_to: Epoch,
    /// Who decides.
    pub profile: Profile,
    /// Counts the attempts to migrate this model, from 0.
    pub attempt: u32,
    /// The model's name.
    pub name: Name,
    /// The model's owner.
    pub owner: Name,
}

/// Asks for the target's vote on a sealed snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Sealed {
    /// The migration.
    pub key: MigrationKey,
    /// The snapshot's root.
    pub root: Root,
    /// Tells how fresh the vote is that answers this seal.
    pub nonce: u64,
    /// The snapshot's bytes; empty where the target is known to have them.
    pub snapshot: Bytes<SNAPSHOT_BYTES_MAX>,
}

impl Sealed {
    /// Makes the seal, still without the snapshot's bytes and a nonce.
    pub fn asking(key: MigrationKey, root: Root) -> Self {
        Self { key, root, nonce: 0, snapshot: Bytes::default() }
    }
}

/// The target's vote: staged, and kept until the source decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Vote {
    /// The migration.
    pub key: MigrationKey,
    /// The snapshot's root.
    pub root: Root,
    /// The nonce of the last seal heard.
    pub nonce: u64,
    /// Ed25519 by the target's identity key over [`Vote::signed_bytes`].
    pub signature: Signature,
}

impl Vote {
    /// Makes the vote, still without nonce and signature.
    pub fn unsigned(key: MigrationKey, root: Root) -> Self {
        Self { key, root, nonce: 0, signature: Signature::default() }
    }

    /// Returns the bytes that are signed. The nonce is not among them: it only tells how fresh the vote is.
    pub fn signed_bytes(key: MigrationKey, root: Root) -> Vec<u8> {
        [&b"modelferry/1 prepared\0"[..], &key.mid.0, &key.journal.0, &root.0].concat()
    }
}

/// Tells the target that it owns the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Commit {
    /// The migration.
    pub key: MigrationKey,
    /// The snapshot's root.
    pub root: Root,
    /// The epoch at which the target owns the model.
    pub epoch_to: Epoch,
    /// What the target's controller is to be told.
    pub handover: Handover,
    /// The source's signature, which the target keeps.
    pub stamp: CommitStamp,
}

/// Tells the source that the model is in service at the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Activated {
    /// The migration.
    pub key: MigrationKey,
    /// The snapshot's root, of the record; never of the live content, which moves on.
    pub root: Root,
    /// What `AdoptResources` returned.
    pub reply: KeptReply,
}

/// Asks the target to perform a call that stages the model, now: the rest of the model is still on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Stage {
    /// The migration.
    pub key: MigrationKey,
    /// Chosen by the source; the answer repeats it.
    pub id: u64,
    /// The call. The target performs it once it holds its blob.
    pub call: Call,
}

/// What came of a [`Stage`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Staged {
    /// The migration.
    pub key: MigrationKey,
    /// Of the question.
    pub id: u64,
    /// What the target's controller said.
    pub outcome: Performed,
}

/// A migration and why it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct End {
    /// The migration.
    pub key: MigrationKey,
    /// Why.
    pub cause: Cause,
}
