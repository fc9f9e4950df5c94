//! Takes the names of blobs in, and holds their sizes to what there is room for.

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::message::BlobNames;
use modelferry_protocol::snapshot::BlobRef;

use super::Receiving;
use crate::engine::base::error::causes;
use crate::link::SessionClosed;
use crate::store::StoreError;

impl Receiving {
    /// Takes in a [`Message::BlobNames`](modelferry_protocol::message::Message::BlobNames). Waits while the disk has no room for all that the peer has named.
    pub async fn names(&self, names: BlobNames) {
        let BlobNames { mid, blobs } = names;
        let Some(tracked) = self.taken_in(mid) else {
            tracing::debug!(peer = %self.session.peer_name(), %mid, "names of no migration that runs here, ignored");
            return;
        };
        let fresh = match self.named.fresh(&tracked, &blobs) {
            Ok(fresh) if fresh.is_empty() => return,
            Ok(fresh) => fresh,
            Err(text) => return self.fail(&tracked, text).await,
        };
        let (store, named) = (self.core.parts.store.clone(), self.named.clone());
        let lack = move || {
            let lacking = |blob: &BlobRef| Ok((*blob, blob.bytes.saturating_sub(store.held_bytes(*blob)?)));
            let lacking = fresh.iter().map(lacking).collect::<Result<Vec<_>, StoreError>>()?;
            let more = lacking.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
            if more > 0 {
                store.ensure_room(more.saturating_add(named.lacking()))?;
            }
            Ok(lacking)
        };
        match self.while_full(&tracked, lack).await {
            Ok(Ok(lacking)) => self.named.add(&tracked, lacking),
            Ok(Err(error)) => self.fail(&tracked, format!("cannot take what is named: {}", causes(&error))).await,
            Err(SessionClosed { .. }) => {}
        }
    }

    /// Refuses names: the migration or copy that they are for has to end.
    pub async fn refuse_names(&self, names: &BlobNames, why: String) {
        if let Some(tracked) = self.taken_in(names.mid) {
            self.fail(&tracked, why).await;
        }
    }

    /// Returns how many bytes are still to be written of what was named before, `names` apart; nothing if these are for nothing that
    /// is received.
    pub fn lacking_beside(&self, names: &BlobNames) -> Option<u64> {
        let hashes = names.blobs.iter().map(|blob| blob.hash).collect();
        self.taken_in(names.mid).map(|_| self.named.lacking_beside(&hashes))
    }

    /// Reports whether the peer has named these blobs for a migration or copy that is received.
    pub fn has_names(&self, mid: MigrationId, blobs: &[BlobRef]) -> bool {
        self.taken_in(mid).is_some_and(|tracked| blobs.iter().all(|blob| self.named.has(&tracked, *blob)))
    }
}
