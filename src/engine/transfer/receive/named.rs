//! The blobs that a peer has named over one connection. No other blob is received.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Weak};

use modelferry_protocol::ids::{Hash, MigrationId};
use modelferry_protocol::limits::{BLOB_BYTES_MAX, BLOBS_NAMED_MAX, LOG_SEGMENT_BYTES_MAX};
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;

use super::slot::{Slot, is_taken_in};
use crate::engine::migration::tracking::tracked::Tracked;

/// A blob that was named.
struct NamedBlob {
    bytes: u64,
    /// Bytes that were lacking when it was named; 0 once it is complete.
    lacking: u64,
    /// Where it is received, while it is.
    slot: Weak<Slot>,
}

impl NamedBlob {
    fn new(bytes: u64, lacking: u64) -> Self {
        Self { bytes, lacking, slot: Weak::new() }
    }

    /// Returns how many bytes are still to be written.
    fn lacking(&self) -> u64 {
        match self.slot.upgrade() {
            Some(slot) => self.bytes.saturating_sub(slot.incoming.bytes_held()),
            None => self.lacking,
        }
    }
}

/// The blobs of one migration or copy.
struct Names {
    of: Weak<Tracked>,
    blobs: HashMap<Hash, NamedBlob>,
}

/// What the peer has named.
#[derive(Default)]
pub(super) struct Named(Mutex<HashMap<MigrationId, Names>>);

impl Named {
    /// Returns those of `blobs` that `tracked` has not named before.
    ///
    /// Errors: why they are refused.
    pub fn fresh(&self, tracked: &Arc<Tracked>, blobs: &[BlobRef]) -> Result<Vec<BlobRef>, String> {
        let mut all = self.0.lock();
        all.retain(|_, names| names.of.upgrade().is_some_and(|of| is_taken_in(&of)));
        let at_rest = tracked.is_at_rest();
        if at_rest {
            // Pieces of the log that were named before have arrived, or are named again.
            all.remove(&tracked.terms.mid);
        }
        let bytes_max = if at_rest { LOG_SEGMENT_BYTES_MAX } else { BLOB_BYTES_MAX };
        let known = all.get(&tracked.terms.mid).filter(|names| names.is_of(tracked));
        let mut fresh: BTreeMap<Hash, u64> = BTreeMap::new();
        for blob in blobs {
            if blob.bytes > bytes_max {
                return Err(format!("it names a blob of {} bytes, allowed are {bytes_max}", blob.bytes));
            }
            let before = known.and_then(|names| names.blobs.get(&blob.hash)).map(|named| named.bytes);
            match before.or_else(|| fresh.get(&blob.hash).copied()) {
                Some(bytes) if bytes != blob.bytes => {
                    return Err(format!("it names blob {} with {bytes} and with {} bytes", blob.hash, blob.bytes));
                }
                Some(_) => {}
                None => _ = fresh.insert(blob.hash, blob.bytes),
            }
        }
        let count: usize = all.values().map(|names| names.blobs.len()).sum();
        if count + fresh.len() > BLOBS_NAMED_MAX {
            return Err(format!("more than {BLOBS_NAMED_MAX} blobs are named over one connection"));
        }
        Ok(fresh.into_iter().map(|(hash, bytes)| BlobRef { hash, bytes }).collect())
    }

    /// Adds blobs, each with the bytes that it lacks.
    pub fn add(&self, tracked: &Arc<Tracked>, blobs: Vec<(BlobRef, u64)>) {
        let mut all = self.0.lock();
        let names = all.entry(tracked.terms.mid).or_insert_with(|| Names::begin(tracked));
        if !names.is_of(tracked) {
            *names = Names::begin(tracked);
        }
        let named = |(blob, lacking): (BlobRef, u64)| (blob.hash, NamedBlob::new(blob.bytes, lacking));
        names.blobs.extend(blobs.into_iter().map(named));
    }

    /// Reports whether `tracked` has named this blob, with this size.
    pub fn has(&self, tracked: &Arc<Tracked>, blob: BlobRef) -> bool {
        let all = self.0.lock();
        let names = all.get(&tracked.terms.mid).filter(|names| names.is_of(tracked));
        names.and_then(|names| names.blobs.get(&blob.hash)).is_some_and(|named| named.bytes == blob.bytes)
    }

    /// Notes where a blob is received.
    pub fn opened(&self, slot: &Arc<Slot>) {
        let (mid, hash) = (slot.tracked.terms.mid, slot.incoming.blob().hash);
        if let Some(named) = self.0.lock().get_mut(&mid).and_then(|names| names.blobs.get_mut(&hash)) {
            named.slot = Arc::downgrade(slot);
        }
    }

    /// Notes that a blob is complete.
    pub fn arrived(&self, hash: Hash) {
        for named in self.0.lock().values_mut().filter_map(|names| names.blobs.get_mut(&hash)) {
            (named.lacking, named.slot) = (0, Weak::new());
        }
    }

    /// Forgets what a migration or copy has named that has come to nothing.
    pub fn forget(&self, tracked: &Arc<Tracked>) {
        let mut all = self.0.lock();
        if all.get(&tracked.terms.mid).is_some_and(|names| names.is_of(tracked)) {
            all.remove(&tracked.terms.mid);
        }
    }

    /// Returns how many bytes of all named blobs are still to be written. A blob that is named twice counts once.
    pub fn lacking(&self) -> u64 {
        self.lacking_beside(&HashSet::new())
    }

    /// Returns the same without the blobs of these hashes.
    pub fn lacking_beside(&self, hashes: &HashSet<Hash>) -> u64 {
        let all = self.0.lock();
        let mut lacking: HashMap<Hash, u64> = HashMap::new();
        for (hash, named) in all.values().flat_map(|names| &names.blobs).filter(|(_, named)| named.lacking > 0) {
            if hashes.contains(hash) {
                continue;
            }
            let most = lacking.entry(*hash).or_default();
            *most = named.lacking().max(*most);
        }
        lacking.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl Names {
    fn begin(tracked: &Arc<Tracked>) -> Self {
        Self { of: Arc::downgrade(tracked), blobs: HashMap::new() }
    }

    fn is_of(&self, tracked: &Arc<Tracked>) -> bool {
        std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(tracked))
    }
}
