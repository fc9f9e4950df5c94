//! Whatever a frame of chunks or an answer holds unpacks to what was declared, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry::engine::{packed, unpack_chunks};
use modelferry_protocol::frame::Encoding;
use modelferry_protocol::limits::{ANSWER_PLAIN_BYTES_MAX, CHUNK_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    let Some((declared, wire)) = bytes.split_first_chunk() else { return };
    let plain_bytes = u32::from_le_bytes(*declared) % (CHUNK_BYTES_MAX + 1);
    for encoding in [Encoding::Stored, Encoding::Zstd] {
        if let Ok(plain) = unpack_chunks(encoding, wire, plain_bytes) {
            assert_eq!(plain.len(), plain_bytes as usize);
        }
    }
    if let Ok(text) = packed::unpack(wire) {
        assert!(text.len() <= ANSWER_PLAIN_BYTES_MAX);
        assert_eq!(packed::unpack(&packed::pack(&text)).unwrap(), text);
    }
});
