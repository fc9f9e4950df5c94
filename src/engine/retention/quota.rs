//! Holds what the migrations and copies of a peer take of the disk here to the quota that an operator has set for it.

use std::collections::{HashMap, HashSet};

use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::snapshot::BlobRef;

use super::needs;
use crate::controller::backup;
use crate::engine::peer::rights::{self, Forbidden};
use crate::engine::shared::core::Core;
use crate::store::{Item, StoreError};

/// Checks that a peer may bring what is lacking of `named`, and `others` bytes that it has named before. Removes what came from it and
/// nobody needs, the longest unneeded first, as far as that makes room.
///
/// Errors: why not.
pub async fn ensure(core: &Core, peer: Pin, named: &[BlobRef], others: u64) -> Result<(), Forbidden> {
    let Some(quota) = core.parts.link.rights(peer).quota.bytes() else { return Ok(()) };
    // No prune removes meanwhile what is counted here.
    let _one = core.retention.pruning.lock().await;
    let sweep = core.parts.store.sweep();
    let (mut used, mut idle, lacking) = match taken(core, peer, named).await {
        Ok((used, idle, lacking)) => (used, idle, others.saturating_add(lacking)),
        Err(text) => return Err(rights::uncounted(core, peer, &text).await),
    };
    while used.saturating_add(lacking) > quota
        && let Some(item) = idle.pop()
    {
        let (store, hash) = (core.parts.store.clone(), item.blob.hash);
        match Core::blocking(move || store.sweep().remove(hash)).await {
            Ok(true) => used -= item.held,
            Ok(false) => {}
            Err(error) => tracing::warn!("what a peer has left behind cannot be removed: {error}"),
        }
    }
    drop(sweep);
    match used.saturating_add(lacking) {
        total if total > quota => Err(rights::beyond(core, peer, quota, total).await),
        _ => Ok(()),
    }
}

/// Returns how many bytes a peer takes, what of these nobody needs, the longest unneeded last, and how many bytes of `named` are lacking.
///
/// Errors: what cannot be counted.
async fn taken(core: &Core, peer: Pin, named: &[BlobRef]) -> Result<(u64, Vec<Item>, u64), String> {
    let needs = needs::gather(core).await;
    if !needs.trouble.is_empty() {
        return Err(needs.trouble.join("; "));
    }
    let name = core.parts.link.peer_by_pin(peer).map(|peer| peer.name).unwrap_or_default();
    let is_of_it = |mid| core.receiver(mid).is_some_and(|tracked| tracked.peer == peer);
    let wanted = core.parts.store.wanted().into_iter().filter(|(mid, _)| is_of_it(*mid)).flat_map(|(_, blobs)| blobs);
    let mut own: HashSet<Hash> = wanted.chain(named.iter().map(|blob| blob.hash)).collect();
    let store = core.parts.store.clone();
    let looked = Core::blocking(move || {
        let kept =
            backup::list(&store).map_err(|error| error.to_string())?.into_iter().filter_map(|(_, kept)| kept.ok());
        let kept = kept.filter(|kept| kept.peer == name).flat_map(|kept| kept.manifest.files);
        let kept: Vec<Hash> = kept.map(|file| file.blake3).collect();
        let listed = (|| Ok::<_, StoreError>((store.items()?, store.brought()?)))();
        let (items, brought) = listed.map_err(|error| error.to_string())?;
        Ok::<_, String>((kept, items, brought))
    });
    let (kept, items, brought) = looked.await?;
    own.extend(kept);
    let mut lacking: HashMap<Hash, u64> = named.iter().map(|blob| (blob.hash, blob.bytes)).collect();
    let (mut used, mut idle) = (0_u64, Vec::new());
    for item in items {
        let hash = item.blob.hash;
        if let Some(bytes) = lacking.get_mut(&hash) {
            *bytes = bytes.saturating_sub(item.held);
        }
        if own.contains(&hash) {
            // What a model here needs is here anyhow.
            used += if needs.is_of_a_model(hash) { 0 } else { item.held };
        } else if brought.get(&hash) == Some(&peer) && needs.of(hash, item.in_use).is_empty() {
            used += item.held;
            idle.push(item);
        }
    }
    idle.sort_by_key(|item| std::cmp::Reverse((item.idle_since_ms.unwrap_or(u64::MAX), item.written_ms)));
    Ok((used, idle, lacking.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))))
}
