//! What goes over the wire: a page of a manifest, and frames of chunks at the levels of compression that are chosen from.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CHUNK_BYTES_MAX, FRAME_HEADER_BYTES, PAGE_CHUNKS_MAX};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::message::{BlobPage, Message};

const KIND_PAGE: u8 = 0x22;

/// Words in no order: they shrink to about a third.
fn words() -> Vec<u8> {
    let word = |n: u32| format!("word-{} ", blake3::hash(&n.to_le_bytes()).as_bytes()[0]).into_bytes();
    (0..).flat_map(word).take(CHUNK_BYTES_MAX as usize).collect()
}

fn noise() -> Vec<u8> {
    let mut noise = vec![0; CHUNK_BYTES_MAX as usize];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let chunk = |n: usize| ChunkRef { hash: Hash::of(&n.to_le_bytes()), bytes: 32 << 10 };
    let chunks = Bounded::new((0..PAGE_CHUNKS_MAX).map(chunk).collect()).expect("a full page");
    let message = Message::BlobPage(BlobPage { handle: 1, page: Page { index: 0, offset: 0, last: false, chunks } });
    let frame = message.to_frame();
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("encode a page", |bencher| bencher.iter(|| message.to_frame()));
    group.bench_function("decode a page", |bencher| {
        bencher.iter(|| Message::from_body(KIND_PAGE, &frame[FRAME_HEADER_BYTES..]));
    });

    group.throughput(Throughput::Bytes(CHUNK_BYTES_MAX.into()));
    for (name, plain) in [("words", words()), ("noise", noise())] {
        for level in [1, 3, 6, 9, 15, 19] {
            group.sample_size(10);
            group.bench_function(format!("compress {name} at {level}"), |bencher| {
                bencher.iter(|| zstd::bulk::compress(&plain, level));
            });
        }
        let packed = zstd::bulk::compress(&plain, 3).expect("memory");
        group.bench_function(format!("decompress {name}"), |bencher| {
            bencher.iter(|| zstd::bulk::decompress(&packed, plain.len()));
        });
    }
    group.finish();
}

criterion_group!(codec, benches);
criterion_main!(codec);
