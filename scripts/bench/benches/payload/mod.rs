//! What is cut, compressed and encoded.

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CHUNK_BYTES_MAX, PAGE_CHUNKS_MAX};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::message::{BlobPage, Message};

/// The kind of the message that [`page`] returns.
pub const KIND_PAGE: u8 = 0x22;

/// A frame of words in no order: they shrink to about a third.
pub fn words() -> Vec<u8> {
    let word = |n: u32| format!("word-{} ", blake3::hash(&n.to_le_bytes()).as_bytes()[0]).into_bytes();
    (0..).flat_map(word).take(CHUNK_BYTES_MAX as usize).collect()
}

/// Bytes that do not compress.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

/// A full page of a manifest.
pub fn page() -> Message {
    let chunk = |n: usize| ChunkRef { hash: Hash::of(&n.to_le_bytes()), bytes: 32 << 10 };
    let chunks = Bounded::new((0..PAGE_CHUNKS_MAX).map(chunk).collect()).expect("a full page");
    Message::BlobPage(BlobPage { handle: 1, page: Page { index: 0, offset: 0, last: false, chunks } })
}
