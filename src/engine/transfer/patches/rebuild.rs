//! Rebuilds a blob from a base and a patch on the target, and checks its hash.

use std::io::{self, BufReader, Read};
use std::sync::atomic::AtomicBool;

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::limits::CALLS_MAX;
use modelferry_protocol::plan::{Answer, Rebuilding};
use modelferry_protocol::snapshot::BlobRef;

use crate::disk::{background, blocking_in};
use crate::engine::base::error::causes;
use crate::engine::shared::core::Core;
use crate::patch::{Applying, MAGIC};
use crate::store::{Store, StoreError};

/// Bytes of the largest: 4 GiB take some ten minutes on each side.
pub(super) const BLOB_BYTES_MAX: u64 = 4 << 30;

fn failed(text: impl ToString) -> Answer {
    Answer::Failed(Text::cut(text.to_string()))
}

/// Answers how much of each blob is held.
pub async fn held_each(core: &Core, blobs: Bounded<BlobRef, CALLS_MAX>) -> Answer {
    let store = core.parts.store.clone();
    let held = move || blobs.iter().map(|blob| store.held_bytes(*blob)).collect::<Result<Vec<u64>, StoreError>>();
    match Core::blocking(held).await {
        Ok(held) => Answer::HeldEach(Bounded::truncated(held)),
        Err(error) => failed(error),
    }
}

/// Makes a blob of a base and a patch.
pub async fn rebuild(core: &Core, peer: Pin, rebuilding: Rebuilding) -> Answer {
    let Some(coming) = core.receiver(rebuilding.mid).filter(|tracked| tracked.peer == peer) else {
        return failed("the model is not on its way here");
    };
    // Of each peer one waits in the line of all peers, and with budget, so that it holds up nobody there.
    let (background, turn) = core.patching.turns.take_after(coming.urgency(), background::turn()).await;
    let (store, reserve, stopped) = (core.parts.store.clone(), core.parts.settings.disk_reserve_bytes, turn.stop());
    match blocking_in(background, move || make(&store, rebuilding, reserve, &stopped)).await {
        Ok(bytes) => {
            core.blob_arrived();
            Answer::Bytes(bytes)
        }
        Err(text) => failed(text),
    }
}

/// Makes the blob, removes the patch, and returns the blob's bytes. Errors: why it is not made.
fn make(store: &Store, rebuilding: Rebuilding, reserve: u64, stop: &AtomicBool) -> Result<u64, String> {
    let Rebuilding { blob, base, patch, .. } = rebuilding;
    let held = |wanted: BlobRef, what: &str| match store.size(wanted.hash) {
        Ok(Some(bytes)) if bytes == wanted.bytes => Ok(()),
        Ok(_) => Err(format!("the {what} is not held here")),
        Err(error) => Err(causes(&error)),
    };
    held(patch, "patch")?;
    let mut file = store.open_blob(patch.hash).map_err(|error| causes(&error))?;
    let mut magic = [0; MAGIC.len()];
    // What is no patch is somebody's binary: it must be neither used nor removed.
    if file.read_exact(&mut magic).is_err() || magic != MAGIC {
        return Err("what should be a patch is none".to_owned());
    }
    let made = held(blob, "blob").or_else(|_| {
        held(base, "base")?;
        if blob.bytes > BLOB_BYTES_MAX {
            return Err(format!("a blob of more than {BLOB_BYTES_MAX} bytes is not made of another"));
        }
        let free = store.free_bytes().map_err(|error| causes(&error))?;
        if free < blob.bytes.saturating_add(reserve) {
            return Err(format!("{free} bytes are free, the blob has {}", blob.bytes));
        }
        let base = store.open_blob(base.hash).map_err(|error| causes(&error))?;
        let patch = store.open_blob(patch.hash).map_err(|error| causes(&error))?;
        let made = Applying::begin(&base, BufReader::new(patch), blob.bytes, stop).map_err(|error| causes(&error))?;
        let mut proving = Proving { made, hasher: blake3::Hasher::new(), expected: blob.hash };
        store.put(&mut proving).map(|_| ()).map_err(|error| causes(&error))
    });
    if let Err(error) = store.remove(patch.hash) {
        tracing::warn!(patch = %patch.hash, "a patch that is not needed any more cannot be removed: {error}");
    }
    made.map(|()| blob.bytes)
}

/// Gives what is made, and fails at its end if it is something else: nothing else must get into the store.
struct Proving<R> {
    made: R,
    hasher: blake3::Hasher,
    expected: Hash,
}

impl<R: Read> Read for Proving<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.made.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && Hash::from(self.hasher.finalize()) != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the patch makes another blob"));
        }
        Ok(read)
    }
}
