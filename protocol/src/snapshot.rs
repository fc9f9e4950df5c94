//! The snapshot: the calls that stage a model, in order, sealed under one hash.

pub use crate::call::*;
use crate::codec::{Bounded, CodecError, Decode, Encode, decode_canonical, encode_within};
use crate::ids::{Epoch, Hash, MigrationId, ModelUuid};
use crate::limits::{BLOB_BYTES_MAX, CALLS_MAX, SNAPSHOT_BYTES_MAX};
use crate::migration::Head;

/// Exactly what is handed over: the calls that stage the model on the target, in order.
///
/// Its encoding is sealed: the hash of those bytes, the *root*, is what both sides vote on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    /// The migration this snapshot was taken for.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// The epoch at which the target will own the model.
    pub epoch_to: Epoch,
    /// The model's name.
    pub name: Name,
    /// The model's owner.
    pub owner: Name,
    /// Whether every binary that the description names is in here.
    pub complete: bool,
    /// The calls that stage the model, in the order in which they are performed.
    pub calls: Bounded<Call, CALLS_MAX>,
}

/// Bytes that are no snapshot, or not one that may be staged.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes do not decode canonically.
    #[error("the snapshot is malformed")]
    Codec(#[from] CodecError),
    /// The bytes hash to something else than the root they came with.
    #[error("the snapshot hashes to {actual}, its root says {expected}")]
    RootMismatch {
        /// What the bytes hash to.
        actual: Hash,
        /// What was promised.
        expected: Hash,
    },
    /// The snapshot is larger than a seal carries.
    #[error(
        "a snapshot of {bytes} bytes is larger than the {SNAPSHOT_BYTES_MAX} a seal carries; the model has too many binaries"
    )]
    TooLarge {
        /// Its encoded size.
        bytes: usize,
    },
    /// The snapshot was taken for another migration, or of another model.
    #[error("the snapshot was taken for migration {actual}, not for {expected}, or its model or epoch is another")]
    OtherMigration {
        /// What the snapshot says.
        actual: MigrationId,
        /// The migration that it came with.
        expected: MigrationId,
    },
    /// A call in it does something else than stage.
    #[error("call {index} of the snapshot is `{call}`, which does not stage anything")]
    NotStaging {
        /// Its place in the list.
        index: usize,
        /// The call's name.
        call: &'static str,
    },
    /// The snapshot's first call does not import a description, or a later one does.
    #[error("a snapshot begins with its one description")]
    DescriptionMisplaced,
    /// A blob claims more bytes than any may have.
    #[error("blob {hash} claims {bytes} bytes, more than the {BLOB_BYTES_MAX} allowed")]
    BlobTooLarge {
        /// The blob.
        hash: Hash,
        /// What it claims.
        bytes: u64,
    },
}

impl Snapshot {
    /// Encodes the snapshot and returns its bytes with their root.
    ///
    /// Errors: [`SnapshotError::TooLarge`], and whatever [`Snapshot::open`] would refuse.
    pub fn seal(&self) -> Result<(Vec<u8>, Hash), SnapshotError> {
        self.check()?;
        let bytes = encode_within(self, SNAPSHOT_BYTES_MAX).map_err(|error| match error {
            CodecError::TooLarge { bytes, .. } => SnapshotError::TooLarge { bytes },
            other => SnapshotError::Codec(other),
        })?;
        let root = Hash::of(&bytes);
        Ok((bytes, root))
    }

    /// Decodes `bytes` if they are what `root` names.
    ///
    /// Errors: [`SnapshotError`].
    pub fn open(bytes: &[u8], root: Hash) -> Result<Self, SnapshotError> {
        let actual = Hash::of(bytes);
        if actual != root {
            return Err(SnapshotError::RootMismatch { actual, expected: root });
        }
        let snapshot: Self = decode_canonical(bytes)?;
        snapshot.check()?;
        Ok(snapshot)
    }

    /// Checks that this snapshot was taken for the migration that `head` heads. A target asks this before
    /// it stages anything.
    ///
    /// Errors: [`SnapshotError::OtherMigration`].
    pub fn belongs_to(&self, head: &Head) -> Result<(), SnapshotError> {
        if (self.mid, self.model, self.epoch_to) == (head.mid, head.model, head.epoch_to) {
            Ok(())
        } else {
            Err(SnapshotError::OtherMigration { actual: self.mid, expected: head.mid })
        }
    }

    fn check(&self) -> Result<(), SnapshotError> {
        for (index, call) in self.calls.iter().enumerate() {
            if !call.stages() {
                return Err(SnapshotError::NotStaging { index, call: call.name() });
            }
            if call.imports() != (index == 0) {
                return Err(SnapshotError::DescriptionMisplaced);
            }
        }
        if self.calls.is_empty() {
            return Err(SnapshotError::DescriptionMisplaced);
        }
        match self.blobs().iter().find(|blob| blob.bytes > BLOB_BYTES_MAX) {
            Some(&BlobRef { hash, bytes }) => Err(SnapshotError::BlobTooLarge { hash, bytes }),
            None => Ok(()),
        }
    }

    /// Returns the description that the first call imports, or whatever stands for one.
    pub fn description(&self) -> Hash {
        self.calls.first().and_then(Call::blob).map_or_else(Hash::default, |blob| blob.hash)
    }

    /// Returns the blobs the calls need, each once, in the order of their first use.
    pub fn blobs(&self) -> Vec<BlobRef> {
        distinct_blobs(&self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{JournalId, Pin};
    use crate::limits::NAME_BYTES_MAX;
    use crate::switch::Profile;

    fn snapshot(calls: Vec<Call>) -> Snapshot {
        Snapshot {
            mid: MigrationId([1; 16]),
            model: ModelUuid([2; 16]),
            epoch_to: 1,
            name: Name::cut("prod"),
            owner: Name::cut("admin"),
            complete: true,
            calls: Bounded::new(calls).unwrap(),
        }
    }

    fn blob(byte: u8) -> BlobRef {
        BlobRef { hash: Hash([byte; 32]), bytes: 7 }
    }

    #[test]
    fn a_sealed_snapshot_opens_under_its_root_alone() {
        let original = snapshot(vec![Call::Import(blob(1)), Call::CheckMachines(Params::default())]);
        let (bytes, root) = original.seal().unwrap();
        assert_eq!(Snapshot::open(&bytes, root).unwrap(), original);
        assert!(matches!(Snapshot::open(&bytes, Hash([0; 32])), Err(SnapshotError::RootMismatch { .. })));
    }

    #[test]
    fn every_flipped_byte_of_a_snapshot_is_noticed() {
        let (bytes, root) =
            snapshot(vec![Call::Import(blob(1)), Call::CheckMachines(Params::default())]).seal().unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Snapshot::open(&flipped, root).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_snapshot_cannot_smuggle_a_change_of_owner() {
        for call in [Call::Activate(Arguments::default()), Call::AdoptResources(Params::default()), Call::Abort] {
            let sealed = snapshot(vec![Call::Import(blob(1)), call]).seal();
            assert!(matches!(sealed, Err(SnapshotError::NotStaging { index: 1, .. })));
        }
    }

    #[test]
    fn an_opaque_payload_takes_the_place_of_the_description() {
        let opaque = || Call::ImportOpaque(Opaque { kind: Name::cut("juju/8"), blob: blob(3) });
        let (bytes, root) = snapshot(vec![opaque()]).seal().unwrap();
        assert_eq!(Snapshot::open(&bytes, root).unwrap().description(), blob(3).hash);
        for calls in [vec![opaque(), opaque()], vec![Call::Import(blob(1)), opaque()]] {
            assert!(matches!(snapshot(calls).seal(), Err(SnapshotError::DescriptionMisplaced)));
        }
    }

    #[test]
    fn a_snapshot_without_its_description_first_is_refused() {
        for calls in
            [vec![], vec![Call::CheckMachines(Params::default())], vec![Call::Import(blob(1)), Call::Import(blob(2))]]
        {
            assert!(matches!(snapshot(calls).seal(), Err(SnapshotError::DescriptionMisplaced)));
        }
    }

    #[test]
    fn a_snapshot_larger_than_a_seal_is_refused_and_nothing_panics() {
        let charm = Charm { blob: blob(1), ..Charm::named(Name::cut("x".repeat(NAME_BYTES_MAX))) };
        let mut calls = vec![Call::UploadCharm(charm); CALLS_MAX];
        calls[0] = Call::Import(blob(1));
        assert!(matches!(snapshot(calls).seal(), Err(SnapshotError::TooLarge { bytes }) if bytes > 1 << 20));
    }

    #[test]
    fn a_snapshot_belongs_to_its_own_migration_alone() {
        let snapshot = snapshot(vec![Call::Import(blob(1))]);
        let head = Head {
            mid: snapshot.mid,
            model: snapshot.model,
            epoch_to: snapshot.epoch_to,
            peer: Pin::default(),
            journal: JournalId::default(),
            profile: Profile::Embedded,
        };
        assert!(snapshot.belongs_to(&head).is_ok());
        for other in [
            Head { mid: MigrationId::default(), ..head },
            Head { model: ModelUuid::default(), ..head },
            Head { epoch_to: 9, ..head },
        ] {
            assert!(matches!(snapshot.belongs_to(&other), Err(SnapshotError::OtherMigration { .. })));
        }
    }

    #[test]
    fn a_blob_used_twice_is_listed_once() {
        let charm = |url: &str| Call::UploadCharm(Charm { blob: blob(9), ..Charm::named(Name::cut(url)) });
        let listed = snapshot(vec![Call::Import(blob(1)), charm("ch:a-1"), charm("ch:b-1")]).blobs();
        assert_eq!(listed, [blob(1), blob(9)]);
    }
}
