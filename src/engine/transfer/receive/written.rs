//! Unpacks frames of chunks and writes them to a partial blob.

use modelferry_protocol::limits::CHUNK_BYTES_MAX;
use modelferry_protocol::message::ChunkHeader;

use crate::engine::transfer::pack::unpack;
use crate::store::{ChunkSlot, Incoming, StoreError};

/// What became of a frame's chunks.
pub struct Written {
    /// Plain bytes that are here now.
    pub bytes: u64,
    /// Chunks that are not, since they were not what their page says; and why.
    pub damaged: Option<(Vec<u32>, String)>,
}

/// Unpacks a frame and writes its chunks, each of which is proven.
///
/// Errors: [`StoreError`] for what no repetition mends, and for a disk that is full.
pub fn write(incoming: &Incoming, header: &ChunkHeader, wire: &[u8]) -> Result<Written, StoreError> {
    let slots = incoming.slots(header.page, header.chunks())?;
    // No chunk has more than `CHUNK_BYTES_MAX`, and no page more than `PAGE_CHUNKS_MAX`.
    let plain_bytes = slots.iter().map(ChunkSlot::bytes).sum();
    let all = || header.chunks().collect();
    if plain_bytes > CHUNK_BYTES_MAX {
        let text = format!("{plain_bytes} bytes in one frame, allowed are {CHUNK_BYTES_MAX}");
        return Ok(Written { bytes: 0, damaged: Some((all(), text)) });
    }
    let plain = match unpack(header.encoding, wire, plain_bytes) {
        Ok(plain) => plain,
        Err(damage) => return Ok(Written { bytes: 0, damaged: Some((all(), damage.to_string())) }),
    };
    let wrong = incoming.write(header.page, &slots, &plain)?;
    let bytes = slots.iter().filter(|slot| wrong.iter().all(|(index, _)| *index != slot.index()));
    let bytes = bytes.map(|slot| u64::from(slot.bytes())).sum();
    let damage = wrong.first().map(|(_, damage)| damage.to_string());
    let damaged = damage.map(|damage| (wrong.iter().map(|(index, _)| *index).collect(), damage));
    Ok(Written { bytes, damaged })
}
