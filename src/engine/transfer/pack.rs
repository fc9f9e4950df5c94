//! A chunk's bytes as they travel: compressed where that pays, stored where it does not.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use modelferry_protocol::limits::{CHUNK_WIRE_BYTES_MAX, ZSTD_WINDOW_LOG_MAX};
use modelferry_protocol::message::Encoding;
use zstd::bulk::Compressor;
use zstd::zstd_safe::DCtx;

/// Compression level. 3 keeps up with 100 Mbit/s on one slow core (`reference` measurements: 224 MB/s).
const LEVEL: i32 = 3;
/// What compression must save to be worth the other side's work: one part in this many.
const SAVED_PART_MIN: usize = 32;

/// Contexts of one kind that are kept for the next chunk. One has about 1 MiB; as many as there are transfers at once.
const IDLE_MAX: usize = 4;

/// To make a context anew takes as long as to pack or unpack a chunk with it.
static COMPRESSORS: Idle<Compressor<'static>> = Idle(Mutex::new(Vec::new()));
static DECOMPRESSORS: Idle<DCtx<'static>> = Idle(Mutex::new(Vec::new()));

/// Contexts that nobody uses just now.
struct Idle<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, context: T) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(context);
        }
    }
}

/// A chunk that does not unpack to what its manifest says.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// More bytes on the wire than the chunk has.
    #[error("{wire_bytes} stored bytes for a chunk of {plain_bytes}")]
    StoredLength {
        /// What came.
        wire_bytes: usize,
        /// What the manifest says.
        plain_bytes: u32,
    },
    /// The bytes are no zstd frame, or one of another length.
    #[error("a compressed chunk does not unpack to its {plain_bytes} bytes")]
    Zstd {
        /// What the manifest says.
        plain_bytes: u32,
        /// What zstd says, if it says something.
        #[source]
        source: Option<std::io::Error>,
    },
}

/// Returns `plain` as it travels, and how.
pub fn pack(plain: Vec<u8>) -> (Encoding, Vec<u8>) {
    match compress(&plain) {
        Ok(packed)
            if packed.len() + plain.len() / SAVED_PART_MIN <= plain.len()
                && packed.len() <= CHUNK_WIRE_BYTES_MAX as usize =>
        {
            (Encoding::Zstd, packed)
        }
        // A chunk that cannot be compressed travels all the same.
        _ => (Encoding::Stored, plain),
    }
}

fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = COMPRESSORS.take().map_or_else(|| Compressor::new(LEVEL), Ok)?;
    let packed = compressor.compress(plain)?;
    COMPRESSORS.give_back(compressor);
    Ok(packed)
}

/// Returns the plain bytes of a chunk, exactly `plain_bytes` of them: whatever the frame claims, no more is
/// unpacked than that.
///
/// Errors: [`UnpackError`].
pub fn unpack(encoding: Encoding, wire: &[u8], plain_bytes: u32) -> Result<Vec<u8>, UnpackError> {
    match encoding {
        Encoding::Stored if wire.len() == plain_bytes as usize => Ok(wire.to_vec()),
        Encoding::Stored => Err(UnpackError::StoredLength { wire_bytes: wire.len(), plain_bytes }),
        Encoding::Zstd => {
            let fail = |source| UnpackError::Zstd { plain_bytes, source };
            let mut context = DECOMPRESSORS.take().unwrap_or_default();
            let mut decoder = zstd::Decoder::with_context(wire, &mut context).single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|error| fail(Some(error)))?;
            let mut plain = Vec::with_capacity(plain_bytes as usize + 1);
            decoder.take(u64::from(plain_bytes) + 1).read_to_end(&mut plain).map_err(|error| fail(Some(error)))?;
            DECOMPRESSORS.give_back(context);
            if plain.len() == plain_bytes as usize { Ok(plain) } else { Err(fail(None)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_unpacks_to_itself() {
        let noise: Vec<u8> =
            (0..9000_u32).flat_map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[..4].to_vec()).collect();
        for plain in [vec![7; 40_000], noise, b"short".to_vec()] {
            let (encoding, wire) = pack(plain.clone());
            assert_eq!(unpack(encoding, &wire, plain.len() as u32).unwrap(), plain);
        }
    }

    #[test]
    fn what_does_not_compress_is_stored() {
        let noise: Vec<u8> = (0..2000_u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
        assert_eq!(pack(noise).0, Encoding::Stored);
        assert_eq!(pack(vec![0; 4096]).0, Encoding::Zstd);
    }

    #[test]
    fn a_zstd_bomb_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert!(matches!(unpack(Encoding::Zstd, &bomb, 4096), Err(UnpackError::Zstd { .. })));
    }

    #[test]
    fn a_context_is_as_good_as_new_after_a_damaged_chunk() {
        let packed = zstd::bulk::compress(&[1; 100_000], 3).unwrap();
        for damaged in [&packed[..packed.len() - 1], &packed[..], b"no frame"] {
            // Half a frame, and a whole one of which less was wanted, leave something behind.
            assert!(unpack(Encoding::Zstd, damaged, 50_000).is_err());
            assert_eq!(unpack(Encoding::Zstd, &packed, 100_000).unwrap(), [1; 100_000]);
        }
    }

    #[test]
    fn a_truncated_or_foreign_frame_is_refused() {
        let packed = zstd::bulk::compress(&[1; 4096], 3).unwrap();
        assert!(unpack(Encoding::Zstd, &packed[..packed.len() - 1], 4096).is_err());
        assert!(unpack(Encoding::Zstd, b"no frame", 4096).is_err());
        assert!(unpack(Encoding::Zstd, &packed, 4095).is_err());
        assert!(matches!(unpack(Encoding::Stored, b"four", 5), Err(UnpackError::StoredLength { .. })));
    }
}
