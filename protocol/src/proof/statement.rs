//! What a proof states, and what a record proves.

use ring::digest::{SHA256, digest};

use crate::call::KeptReply;
use crate::codec::{Decode, Encode, encode, wire_enum};
use crate::ids::{Epoch, JournalId, MigrationId, ModelUuid, Pin};
use crate::message::{Activated, Commit, End, Message, MigrationKey, SignedCommit};
use crate::migration::{CommitStamp, Handover, Head, Root};
use crate::switch::last_record::LastRecord;
use crate::switch::source::{Committed, Handed, SourceRecord, SourceState};
use crate::switch::target::{Active, Seizure, TargetRecord, TargetState};
use crate::text::Cause;

/// What stands before the signed bytes, so that no other signature of this key is taken for a proof.
pub const CONTEXT: &[u8] = b"modelferry/1 proof\0";
/// DER of a SubjectPublicKeyInfo up to the 32 bytes of its Ed25519 key (RFC 8410).
pub const ED25519_SPKI_BEGIN: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

wire_enum! {
    /// What was decided.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Verdict {
        /// The source has given the model away.
        0x01 = Commit,
        /// The source keeps the model.
        0x02 = Abort,
        /// The model is live on the target.
        0x03 = Activated,
        /// Nothing is left on the target; the token is given back.
        0x04 = Dropped,
    }
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Commit, Self::Abort, Self::Activated, Self::Dropped];

    /// Reports whether the source says it; the target says the others.
    pub fn is_from_source(self) -> bool {
        matches!(self, Self::Commit | Self::Abort)
    }

    /// Reports whether a statement of it names the root.
    pub fn has_root(self) -> bool {
        matches!(self, Self::Commit | Self::Activated)
    }
}

/// What a proof states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Statement {
    /// What was decided.
    pub verdict: Verdict,
    /// The migration.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// The epoch at which the target owns the model, if it does.
    pub epoch_to: Epoch,
    /// What is handed over, where the verdict names it.
    pub root: Option<Root>,
    /// The source's pin.
    pub source: Pin,
    /// The target's pin.
    pub target: Pin,
    /// The source's journal.
    pub journal: JournalId,
    /// When it was decided, Unix milliseconds. For people: nothing is decided by it.
    pub time_ms: u64,
}

/// A signed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// What it states.
    pub statement: Statement,
    /// The signer's Ed25519 key.
    pub key: [u8; 32],
    /// Over [`Statement::signed_bytes`].
    pub signature: [u8; 64],
}

/// Returns the pin of an Ed25519 key.
pub fn pin_of_key(key: &[u8; 32]) -> Pin {
    let spki = [&ED25519_SPKI_BEGIN[..], key].concat();
    Pin(digest(&SHA256, &spki).as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

pub(super) fn of_source(record: &SourceRecord) -> Option<(Verdict, Option<Root>)> {
    match &record.state {
        SourceState::Committed(Committed { root, .. })
        | SourceState::Handed(Handed { root, .. })
        | SourceState::Reaping(root)
        | SourceState::Moved(root) => Some((Verdict::Commit, Some(*root))),
        // What the machine answers to a target that still asks is what it proves as well.
        SourceState::Aborting(_)
        | SourceState::Aborted(_)
        | SourceState::Reclaiming(_)
        | SourceState::Seizing(_)
        | SourceState::Reclaimed(_) => Some((Verdict::Abort, None)),
        SourceState::Offered | SourceState::Freezing(_) | SourceState::Frozen(_) => None,
        // A Juju controller has not shown yet what it decides.
        SourceState::Relaying(_) | SourceState::Answered(_) => None,
    }
}

fn of_target(record: &TargetRecord) -> Option<(Verdict, Option<Root>)> {
    match &record.state {
        TargetState::Active(Active { root, .. }) | TargetState::Seized(Seizure { root, .. }) => {
            Some((Verdict::Activated, Some(*root)))
        }
        TargetState::Dropped(_) => Some((Verdict::Dropped, None)),
        TargetState::Receiving
        | TargetState::Importing(_)
        | TargetState::Imported(_)
        | TargetState::Staging(_)
        | TargetState::Prepared(_)
        | TargetState::Activating(_)
        | TargetState::Live(_)
        | TargetState::Seizing(_)
        | TargetState::Dropping(_) => None,
    }
}

impl Statement {
    /// Returns what a record proves to the other side, if it decides anything.
    ///
    /// `own`: the pin of the agent whose record it is. `time_ms`: when the record was made.
    pub fn of(last: &LastRecord, own: Pin, time_ms: u64) -> Option<Self> {
        let (head, (verdict, root), source, target) = match last {
            LastRecord::Source(record) => (record.head, of_source(record)?, own, record.head.peer),
            LastRecord::Target(record) => (record.head, of_target(record)?, record.head.peer, own),
        };
        let Head { mid, model, epoch_to, journal, .. } = head;
        Some(Self { verdict, mid, model, epoch_to, root, source, target, journal, time_ms })
    }

    /// Returns what the source of a migration signs with its commit.
    pub fn of_commit(commit: &SignedCommit, model: ModelUuid, source: Pin, target: Pin) -> Self {
        Self {
            verdict: Verdict::Commit,
            mid: commit.mid,
            model,
            epoch_to: commit.epoch_to,
            root: Some(commit.root),
            source,
            target,
            journal: commit.journal,
            time_ms: commit.stamp.time_ms,
        }
    }

    /// Returns the bytes that are signed.
    pub fn signed_bytes(&self) -> Vec<u8> {
        [CONTEXT, &encode(self)].concat()
    }

    /// Returns the pin of the side that says it.
    pub fn signer(&self) -> Pin {
        if self.verdict.is_from_source() { self.source } else { self.target }
    }
}

impl Proof {
    /// Returns the message that the proof stands for; nothing if it lacks its root.
    pub(super) fn message(&self) -> Option<Message> {
        let Statement { verdict, mid, epoch_to, root, journal, time_ms, .. } = self.statement;
        let key = MigrationKey { mid, journal };
        Some(match verdict {
            // What the calls are told does not fit on paper: the target's adapter makes it of what it knows.
            Verdict::Commit => {
                let stamp = CommitStamp { time_ms, signature: self.signature.into() };
                Message::Commit(Commit { key, root: root?, epoch_to, handover: Handover::default(), stamp })
            }
            Verdict::Activated => Message::Activated(Activated { key, root: root?, reply: KeptReply::default() }),
            Verdict::Abort => {
                Message::Abort(End { key, cause: Cause::cut("the source keeps the model, as a carried proof says") })
            }
            Verdict::Dropped => Message::Dropped(End {
                key,
                cause: Cause::cut("the target gave the model back, as a carried proof says"),
            }),
        })
    }
}
