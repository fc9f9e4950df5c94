//! What goes over the wire: a page of a manifest, and frames of chunks at the levels of compression that are chosen from.

mod payload;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use modelferry_protocol::limits::{CHUNK_BYTES_MAX, FRAME_HEADER_BYTES};
use modelferry_protocol::message::Message;
use payload::{KIND_PAGE, noise, page, words};

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let message = page();
    let frame = message.to_frame();
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("encode a page", |bencher| bencher.iter(|| message.to_frame()));
    group.bench_function("decode a page", |bencher| {
        bencher.iter(|| Message::from_body(KIND_PAGE, &frame[FRAME_HEADER_BYTES..]));
    });

    group.throughput(Throughput::Bytes(CHUNK_BYTES_MAX.into()));
    for (name, plain) in [("words", words()), ("noise", noise(CHUNK_BYTES_MAX as usize))] {
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
