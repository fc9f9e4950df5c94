//! Encodes chunks for the wire: compressed if that saves bytes, else plain.

use std::borrow::Cow;

use modelferry_protocol::limits::CHUNK_WIRE_BYTES_MAX;
use modelferry_protocol::message::Encoding;
use parking_lot::Mutex;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::find_frame_compressed_size;

use super::pace::effort::Effort;

/// What compression must save to be worth the other side's work: one part in this many.
const SAVED_PART_MIN: usize = 64;
/// The level that tells cheaply whether bytes compress at all.
const PROBE: Effort = Effort::Level(1);

/// Contexts of one kind that are kept for the next frame: as many as are packed at once by two migrations.
const IDLE_MAX: usize = 4;
/// The highest level whose contexts are kept. They have about 1 MiB; above it packing takes much longer than making one.
const KEPT_LEVEL_MAX: i32 = 3;

/// To make a context anew takes a tenth of a sender's processor time.
static COMPRESSORS: Idle<Compressor<'static>> = Idle(Mutex::new(Vec::new()));
static DECOMPRESSORS: Idle<Decompressor<'static>> = Idle(Mutex::new(Vec::new()));

/// Contexts that nobody uses just now.
struct Idle<T>(Mutex<Vec<T>>);

impl<T> Idle<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().pop()
    }

    fn give_back(&self, context: T) {
        let mut idle = self.0.lock();
        if idle.len() < IDLE_MAX {
            idle.push(context);
        }
    }
}

/// A frame that does not unpack to what the manifest says of its chunks.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not as many bytes on the wire as the chunks have.
    #[error("{wire_bytes} stored bytes for chunks of {plain_bytes}")]
    StoredLength {
        /// What came.
        wire_bytes: usize,
        /// What the manifest says.
        plain_bytes: u32,
    },
    /// The bytes are no zstd frame, or one of another length.
    #[error("compressed chunks do not unpack to their {plain_bytes} bytes")]
    Zstd {
        /// What the manifest says.
        plain_bytes: u32,
        /// What zstd says, if it says something.
        #[source]
        source: Option<std::io::Error>,
    },
}

/// Returns `plain` as it travels, and how. `doubtful`: what went before it did not compress, so that it is worth
/// finding out first, at little cost.
pub fn pack(plain: Vec<u8>, effort: Effort, doubtful: bool) -> (Encoding, Vec<u8>) {
    let packed = match doubtful && effort != PROBE {
        true => packed(&plain, PROBE).and_then(|_| packed(&plain, effort)),
        false => packed(&plain, effort),
    };
    packed.map_or((Encoding::Stored, plain), |packed| (Encoding::Zstd, packed))
}

/// Compresses `plain`; nothing where that does not pay, or fails: it travels all the same.
fn packed(plain: &[u8], effort: Effort) -> Option<Vec<u8>> {
    let Effort::Level(level) = effort else { return None };
    let packed = compress(plain, level)?;
    let pays = packed.len() + plain.len() / SAVED_PART_MIN < plain.len();
    (pays && packed.len() <= CHUNK_WIRE_BYTES_MAX as usize).then_some(packed)
}

fn compress(plain: &[u8], level: i32) -> Option<Vec<u8>> {
    if level > KEPT_LEVEL_MAX {
        return zstd::bulk::compress(plain, level).ok();
    }
    let mut compressor = COMPRESSORS.take().unwrap_or_default();
    compressor.set_compression_level(level).ok()?;
    let packed = compressor.compress(plain).ok()?;
    COMPRESSORS.give_back(compressor);
    Some(packed)
}

/// Returns the plain bytes of a frame's chunks, exactly `plain_bytes` of them: whatever it claims, no more is
/// unpacked than that.
///
/// Errors: [`UnpackError`].
pub fn unpack(encoding: Encoding, wire: &[u8], plain_bytes: u32) -> Result<Cow<'_, [u8]>, UnpackError> {
    match encoding {
        Encoding::Stored if wire.len() == plain_bytes as usize => Ok(Cow::Borrowed(wire)),
        Encoding::Stored => Err(UnpackError::StoredLength { wire_bytes: wire.len(), plain_bytes }),
        Encoding::Zstd => decompress(wire, plain_bytes).map(Cow::Owned),
    }
}

/// Unpacks a frame at once: what has come of it is its own window, and nothing is copied out of another.
fn decompress(wire: &[u8], plain_bytes: u32) -> Result<Vec<u8>, UnpackError> {
    let fail = |source| UnpackError::Zstd { plain_bytes, source };
    // Several frames, or anything behind one, would unpack as well.
    if find_frame_compressed_size(wire) != Ok(wire.len()) {
        return Err(fail(None));
    }
    let mut decompressor = DECOMPRESSORS.take().unwrap_or_default();
    let mut plain = Vec::with_capacity(plain_bytes as usize);
    decompressor.decompress_to_buffer(wire, &mut plain).map_err(|error| fail(Some(error)))?;
    DECOMPRESSORS.give_back(decompressor);
    if plain.len() == plain_bytes as usize { Ok(plain) } else { Err(fail(None)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise() -> Vec<u8> {
        (0..2000_u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect()
    }

    /// Words in no order: they compress, and better at a higher level.
    fn words() -> Vec<u8> {
        let word = |n: u32| format!("word-{} ", blake3::hash(&n.to_le_bytes()).as_bytes()[0]);
        (0..20_000).flat_map(|n| word(n).into_bytes()).collect()
    }

    #[test]
    fn what_is_packed_unpacks_to_itself_at_every_effort() {
        for plain in [vec![7; 40_000], noise(), words(), b"short".to_vec()] {
            for effort in [Effort::Store, Effort::Level(1), Effort::Level(3), Effort::Level(19)] {
                let (encoding, wire) = pack(plain.clone(), effort, true);
                assert!(wire.len() <= plain.len());
                assert_eq!(*unpack(encoding, &wire, plain.len() as u32).unwrap(), plain);
            }
        }
    }

    #[test]
    fn what_does_not_compress_is_stored() {
        for doubtful in [false, true] {
            assert_eq!(pack(noise(), Effort::Level(9), doubtful).0, Encoding::Stored);
            assert_eq!(pack(vec![0; 4096], Effort::Level(9), doubtful).0, Encoding::Zstd);
        }
        assert_eq!(pack(vec![0; 4096], Effort::Store, false).0, Encoding::Stored);
    }

    #[test]
    fn a_doubt_costs_no_compression() {
        let plain = words();
        assert_eq!(pack(plain.clone(), Effort::Level(19), true), pack(plain.clone(), Effort::Level(19), false));
        assert!(pack(plain.clone(), Effort::Level(19), true).1.len() < pack(plain, Effort::Level(3), true).1.len());
    }

    #[test]
    fn a_zstd_bomb_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert!(matches!(unpack(Encoding::Zstd, &bomb, 4096), Err(UnpackError::Zstd { .. })));
    }

    #[test]
    fn a_context_is_as_good_as_new_after_a_damaged_frame() {
        let packed = zstd::bulk::compress(&[1; 100_000], 3).unwrap();
        for damaged in [&packed[..packed.len() - 1], &packed[..], b"no frame"] {
            // Half a frame, and a whole one of which less was wanted, leave something behind.
            assert!(unpack(Encoding::Zstd, damaged, 50_000).is_err());
            assert_eq!(*unpack(Encoding::Zstd, &packed, 100_000).unwrap(), [1; 100_000]);
        }
    }

    #[test]
    fn a_truncated_or_foreign_frame_is_refused() {
        let packed = zstd::bulk::compress(&[1; 4096], 3).unwrap();
        assert!(unpack(Encoding::Zstd, &packed[..packed.len() - 1], 4096).is_err());
        assert!(unpack(Encoding::Zstd, b"no frame", 4096).is_err());
        assert!(unpack(Encoding::Zstd, &packed, 4095).is_err());
        assert!(unpack(Encoding::Zstd, &packed, 4097).is_err());
        assert!(unpack(Encoding::Zstd, &[&packed[..], b"more"].concat(), 4096).is_err());
        let halves = [&packed[..], &packed[..]].concat();
        assert!(unpack(Encoding::Zstd, &halves, 8192).is_err(), "a chunk's frame is one");
        assert!(matches!(unpack(Encoding::Stored, b"four", 5), Err(UnpackError::StoredLength { .. })));
    }
}
