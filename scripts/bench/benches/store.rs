//! The store and its cutter: what it costs to take a blob in, to cut it, and to find it again in another.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use modelferry::disk::Disk;
use modelferry::store::{CUTTER, Store};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::Page;
use modelferry_protocol::snapshot::BlobRef;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const BLOB_BYTES: usize = 32 << 20;
const MEMBER_BYTES: usize = 8 << 10;

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

/// An archive of many small members, as a charm is.
fn archive() -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (n, content) in noise(1, BLOB_BYTES).chunks(MEMBER_BYTES).enumerate() {
        writer.start_file(format!("lib/m{n}.py"), options).expect("a member");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("an archive").into_inner()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Disk::real()).expect("a store")
}

fn fresh() -> (TempDir, Store) {
    let dir = TempDir::new().expect("a directory");
    let store = open(dir.path());
    (dir, store)
}

fn pages(store: &Store, blob: BlobRef) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    while pages.last().is_none_or(|page| !page.last) {
        pages.push(store.page(blob, pages.len() as u32).expect("a page"));
    }
    pages
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    for (name, content) in [("noise", noise(0, BLOB_BYTES)), ("archive", archive())] {
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(format!("blake3 {name}"), |bencher| bencher.iter(|| Hash::of(&content)));
        group.bench_function(format!("put {name}"), |bencher| {
            bencher.iter_batched(fresh, |(dir, store)| (store.put_bytes(&content), dir), BatchSize::PerIteration);
        });

        let (dir, store) = fresh();
        let blob = store.put_bytes(&content).expect("room");
        let manifest = pages(&store, blob);
        drop(store);
        group.bench_function(format!("cut {name}"), |bencher| {
            let forgetful = || {
                fs::remove_file(dir.path().join("state.redb")).expect("what can be found out again");
                open(dir.path())
            };
            bencher.iter_batched(forgetful, |store| pages(&store, blob), BatchSize::PerIteration);
        });

        // The same bytes, and one more: all chunks but the last are found in the other blob.
        let longer = [&content[..], b"x"].concat();
        let (_other, sender) = fresh();
        let wanted = sender.put_bytes(&longer).expect("room");
        let lines = pages(&sender, wanted);
        group.bench_function(format!("reuse {name}"), |bencher| {
            let held = || {
                let (dir, store) = fresh();
                store.put_bytes(&content).expect("room");
                (dir, store)
            };
            let reuse = |(dir, store): (TempDir, Store)| {
                let incoming = store.incoming(wanted, CUTTER).expect("room");
                lines.iter().for_each(|page| incoming.add_page(page.clone()).expect("a sound page"));
                incoming.sync().expect("a disk that works");
                (incoming.bytes_reused(), dir)
            };
            bencher.iter_batched(held, reuse, BatchSize::PerIteration);
        });
        assert!(!manifest.is_empty());
    }
    group.finish();
}

criterion_group!(store, benches);
criterion_main!(store);
