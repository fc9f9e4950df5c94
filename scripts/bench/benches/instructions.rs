//! Instructions, counted by valgrind: what a host's load does not change. It counts no time in the kernel.

mod payload;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use modelferry::disk::Disk;
use modelferry::store::{BlobReader, Store};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CHUNK_BYTES_MAX, FRAME_HEADER_BYTES};
use modelferry_protocol::manifest::Page;
use modelferry_protocol::message::Message;
use modelferry_protocol::snapshot::BlobRef;
use payload::{KIND_PAGE, noise, page, words};
use tempfile::TempDir;

const BLOB_BYTES: usize = 4 << 20;

#[library_benchmark]
#[bench::full(page())]
fn encode_a_page(message: Message) -> Vec<u8> {
    message.to_frame()
}

#[library_benchmark]
#[bench::full(page().to_frame())]
fn decode_a_page(frame: Vec<u8>) -> bool {
    Message::from_body(KIND_PAGE, &frame[FRAME_HEADER_BYTES..]).is_ok()
}

#[library_benchmark]
#[bench::noise(noise(BLOB_BYTES))]
fn hash_4_mib(content: Vec<u8>) -> Hash {
    Hash::of(&content)
}

#[library_benchmark]
#[bench::level_1(words(), 1)]
#[bench::level_3(words(), 3)]
#[bench::level_9(words(), 9)]
fn compress_256_kib_of_words(plain: Vec<u8>, level: i32) -> usize {
    zstd::bulk::compress(&plain, level).map_or(0, |packed| packed.len())
}

fn stored() -> (TempDir, Store, BlobRef) {
    let dir = TempDir::new().expect("a directory");
    let store = Store::open(dir.path(), Disk::real()).expect("a store");
    let blob = store.put_bytes(&noise(BLOB_BYTES)).expect("room");
    drop(store);
    // What is known of the blob can be found out again.
    std::fs::remove_file(dir.path().join("state.redb")).expect("a database");
    let store = Store::open(dir.path(), Disk::real()).expect("a store");
    (dir, store, blob)
}

#[library_benchmark]
#[bench::noise(stored())]
fn cut_4_mib((dir, store, blob): (TempDir, Store, BlobRef)) -> (TempDir, Store, Page) {
    let page = store.page(blob, 0).expect("a page");
    (dir, store, page)
}

fn reader() -> (TempDir, Store, BlobReader) {
    let (dir, store, blob) = stored();
    let reader = store.reader(blob.hash).expect("a blob");
    (dir, store, reader)
}

#[library_benchmark]
#[bench::noise(reader())]
fn read_a_frame((dir, store, reader): (TempDir, Store, BlobReader)) -> (TempDir, Store) {
    black_box(reader.read_at(0, CHUNK_BYTES_MAX).expect("a frame"));
    (dir, store)
}

library_benchmark_group!(name = codec, benchmarks = [encode_a_page, decode_a_page, compress_256_kib_of_words]);
library_benchmark_group!(name = store, benchmarks = [hash_4_mib, cut_4_mib, read_a_frame]);
main!(library_benchmark_groups = [codec, store]);
