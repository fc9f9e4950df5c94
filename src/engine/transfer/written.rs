//! Frames of chunks, unpacked and written to a blob on its way in.

use modelferry_protocol::limits::CHUNK_BYTES_MAX;
use modelferry_protocol::message::ChunkHeader;

use super::pack::unpack;
use crate::store::{Incoming, StoreError};

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
    let mut sizes = Vec::new();
    let mut plain_bytes: u32 = 0;
    for index in header.chunks() {
        let bytes = incoming.chunk_bytes(header.page, index)?;
        sizes.push((index, bytes as usize));
        // No chunk has more than `CHUNK_BYTES_MAX`, and no page more than `PAGE_CHUNKS_MAX`.
        plain_bytes += bytes;
    }
    let all = || header.chunks().collect();
    if plain_bytes > CHUNK_BYTES_MAX {
        let text = format!("{plain_bytes} bytes in one frame, allowed are {CHUNK_BYTES_MAX}");
        return Ok(Written { bytes: 0, damaged: Some((all(), text)) });
    }
    let plain = match unpack(header.encoding, wire, plain_bytes) {
        Ok(plain) => plain,
        Err(damage) => return Ok(Written { bytes: 0, damaged: Some((all(), damage.to_string())) }),
    };
    let mut written = Written { bytes: 0, damaged: None };
    let mut rest = plain.as_slice();
    for (index, bytes) in sizes {
        let (chunk, after) = rest.split_at(bytes);
        rest = after;
        match incoming.write(header.page, index, chunk) {
            Ok(()) => written.bytes += bytes as u64,
            Err(damage @ StoreError::ChunkMismatch { .. }) => {
                written.damaged.get_or_insert_with(|| (Vec::new(), damage.to_string())).0.push(index);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
