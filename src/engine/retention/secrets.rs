//! Wipes what migrations that have ended leave here of secrets: the model's description, which holds the credential for its
//! cloud, its entries, and the documents of OCI images, which hold a registry's password. They are not kept for later
//! transfers as binaries are.
//!
//! What a model of the controller beside this agent, a kept backup or another migration needs stays: it is theirs.

use modelferry_protocol::ids::{Hash, MigrationId};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::snapshot::{BlobRef, Call, Snapshot};

use super::needs;
use crate::controller::description::wanted::OCI_DOCUMENT_BYTES_MAX;
use crate::controller::description::{Consumer, Description};
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::seal;
use crate::store::{Store, StoreError, Sweep};

/// What a migration has left here.
struct Left {
    mid: MigrationId,
    /// The description of a model that has gone from here.
    description: Option<Hash>,
    blobs: Vec<BlobRef>,
}

/// Wipes the secrets of every migration that has ended since the last call. Returns whether nothing of them is left.
///
/// Errors: [`EngineError::Store`]. The next call tries again what is left.
pub(super) async fn wipe(core: &Core) -> Result<bool, EngineError> {
    let ended: Vec<(MigrationId, bool, Hash)> = core.parts.journal.ledger(|ledger| {
        let wiped = core.retention.wiped.lock();
        let ended = ledger.last_records().filter(|(mid, last)| last.is_at_rest() && !wiped.contains(mid));
        ended.filter_map(|(mid, last)| Some((mid, matches!(last, LastRecord::Source(_)), last.root()?))).collect()
    });
    if ended.is_empty() {
        return Ok(true);
    }
    let _one = core.retention.pruning.lock().await;
    // Before anybody is asked, as for a prune.
    let sweep = core.parts.store.sweep();
    let needs = needs::gather(core).await;
    if !needs.trouble.is_empty() {
        tracing::warn!("secrets of ended migrations are not wiped yet: {}", needs.trouble.join("; "));
        return Ok(false);
    }
    let mut left = Vec::new();
    for (mid, is_source, root) in ended {
        // Without the snapshot nobody knows what it named. It is kept for longer than what is wiped here.
        let Ok((_, snapshot)) = seal::read(core, root).await else {
            left.push(Left { mid, description: None, blobs: Vec::new() });
            continue;
        };
        let blobs = secrets(&snapshot).into_iter().filter(|blob| needs.of(blob.hash, false).is_empty()).collect();
        left.push(Left { mid, description: is_source.then(|| snapshot.description()), blobs });
    }
    let (store, ended) = (core.parts.store.clone(), left.len());
    let (blobs, over) = Core::blocking(move || wiped(&store, &sweep, &left)).await?;
    if blobs > 0 {
        tracing::info!(blobs, "secrets of ended migrations wiped");
    }
    let is_all = over.len() == ended;
    core.retention.wiped.lock().extend(over);
    Ok(is_all)
}

/// Removes what is left. Returns the number of blobs that went, and the migrations of which nothing is left.
fn wiped(store: &Store, sweep: &Sweep, left: &[Left]) -> Result<(usize, Vec<MigrationId>), StoreError> {
    let (mut count, mut over) = (0, Vec::new());
    for Left { mid, description, blobs } in left {
        let mut is_over = true;
        for blob in blobs {
            if store.size(blob.hash)?.is_none() {
                continue;
            }
            if *description == Some(blob.hash) {
                keep_consumers(store, *mid, *blob)?;
            }
            match sweep.remove(blob.hash)? {
                true => count += 1,
                false => is_over = false,
            }
        }
        if is_over {
            over.push(*mid);
        }
    }
    Ok((count, over))
}

/// Returns the blobs of a snapshot that hold, or may hold, secrets.
fn secrets(snapshot: &Snapshot) -> Vec<BlobRef> {
    let may_hold = |call: &&Call| match call {
        Call::Import(_) | Call::ImportOpaque(_) | Call::ImportEntries(_) => true,
        // A snapshot does not say which resource stands for an image. A small file costs nothing to be sent again.
        Call::UploadResource(resource) => resource.blob.bytes <= OCI_DOCUMENT_BYTES_MAX,
        _ => false,
    };
    snapshot.calls.iter().filter(may_hold).filter_map(Call::blob).collect()
}

/// Keeps, of a description that is wiped, who consumes the model's offers: the checklist names them.
fn keep_consumers(store: &Store, mid: MigrationId, description: BlobRef) -> Result<(), StoreError> {
    let consumers = consumers(&store.read(description, DESCRIPTION_BYTES_MAX)?);
    store.keep_handed(mid, &serde_json::to_vec(&consumers).unwrap_or_default())
}

/// Returns who consumes the offers of a model that has left, by its description or by what is kept of it; nothing if it is
/// neither here.
///
/// Errors: [`StoreError`].
pub fn consumers_of(
    store: &Store,
    mid: MigrationId,
    description: BlobRef,
) -> Result<Option<Vec<Consumer>>, StoreError> {
    match store.read(description, DESCRIPTION_BYTES_MAX) {
        Ok(bytes) => Ok(Some(consumers(&bytes))),
        Err(StoreError::NotHeld(_)) => {
            Ok(store.handed(mid)?.map(|kept| serde_json::from_slice(&kept).unwrap_or_default()))
        }
        Err(error) => Err(error),
    }
}

/// It was parsed before it left; nothing is lost if it cannot be any more but the list.
fn consumers(description: &[u8]) -> Vec<Consumer> {
    Description::parse(description).map(|told| told.consumers()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::codec::Bounded;
    use modelferry_protocol::ids::ModelUuid;
    use modelferry_protocol::snapshot::{Charm, Name, Query, Resource};

    use super::*;

    fn blob(number: u8, bytes: u64) -> BlobRef {
        BlobRef { hash: Hash([number; 32]), bytes }
    }

    fn resource(number: u8, bytes: u64) -> Call {
        Call::UploadResource(Resource {
            application: Name::cut("db"),
            name: Name::cut("image"),
            revision: 1,
            query: Query::default(),
            blob: blob(number, bytes),
        })
    }

    #[test]
    fn the_description_the_entries_and_the_documents_of_images_are_secret_and_binaries_are_not() {
        let calls = vec![
            Call::Import(blob(1, 900)),
            Call::UploadCharm(Charm { blob: blob(2, 900), ..Charm::named(Name::cut("ch:db-1")) }),
            resource(3, 500),
            resource(4, OCI_DOCUMENT_BYTES_MAX + 1),
            Call::ImportEntries(blob(5, 70)),
        ];
        let snapshot = Snapshot {
            mid: MigrationId([1; 16]),
            model: ModelUuid([2; 16]),
            epoch_to: 1,
            name: Name::cut("prod"),
            owner: Name::cut("admin"),
            complete: true,
            calls: Bounded::new(calls).unwrap(),
        };
        assert_eq!(secrets(&snapshot), [blob(1, 900), blob(3, 500), blob(5, 70)]);
    }
}
