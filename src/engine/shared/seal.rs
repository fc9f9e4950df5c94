//! Reads the sealed snapshot from the store. Its root is the hash of its bytes, so it is a blob like any other.

use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::SNAPSHOT_BYTES_MAX;
use modelferry_protocol::snapshot::{BlobRef, Snapshot};

use super::core::Core;

/// Returns the snapshot that `root` names, and its bytes.
///
/// Errors: in words, since they become the cause of an abort.
pub async fn read(core: &Core, root: Hash) -> Result<(Bytes<SNAPSHOT_BYTES_MAX>, Snapshot), String> {
    let store = core.parts.store.clone();
    let read = Core::blocking(move || {
        let bytes = store.size(root)?.unwrap_or_default();
        store.read(BlobRef { hash: root, bytes }, SNAPSHOT_BYTES_MAX as u64)
    })
    .await;
    let bytes = read.map_err(|error| format!("the sealed snapshot {root} cannot be read: {error}"))?;
    let snapshot =
        Snapshot::open(&bytes, root).map_err(|error| format!("the sealed snapshot {root} is damaged: {error}"))?;
    let bytes = Bytes::new(bytes).map_err(|error| format!("the sealed snapshot {root} is too large: {error}"))?;
    Ok((bytes, snapshot))
}
