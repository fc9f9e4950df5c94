//! Store tests.

mod archives;
mod chunk_slots;
mod crash;
mod incoming;
mod large;
mod sweeps;
mod written;

use std::fs;
use std::path::Path;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::snapshot::BlobRef;
use tempfile::TempDir;

use super::cut::chunk_ref;
use super::{CUTTER, Incoming, Store, StoreError};
use crate::disk::{Disk, FaultPlan, Faults};

/// Returns pseudo-random bytes; the same seed gives the same bytes.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

fn blob_of(content: &[u8]) -> BlobRef {
    BlobRef { hash: Hash::of(content), bytes: content.len() as u64 }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Disk::real()).unwrap()
}

fn store() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    (dir, store)
}

fn blob_path(dir: &TempDir, blob: BlobRef) -> std::path::PathBuf {
    dir.path().join("blobs").join(blob.hash.to_string())
}

fn all_pages(store: &Store, blob: BlobRef) -> Vec<Page> {
    let mut pages = Vec::new();
    while pages.last().is_none_or(|page: &Page| !page.last) {
        pages.push(store.page(blob, pages.len() as u32).unwrap());
    }
    pages
}

#[test]
fn what_was_put_is_read_back_under_its_hash() {
    let (dir, store) = store();
    let content = noise(1, 300_000);
    let blob = store.put_bytes(&content).unwrap();
    assert_eq!(blob, blob_of(&content));
    assert_eq!(store.read(blob, 300_000).unwrap(), content);
    assert_eq!(fs::read(blob_path(&dir, blob)).unwrap(), content);
    assert_eq!((store.size(blob.hash).unwrap(), store.held_bytes(blob).unwrap()), (Some(300_000), 300_000));
    store.verify(blob).unwrap();
    assert_eq!(store.put_bytes(&content).unwrap(), blob);
    assert_eq!(store.blobs().unwrap(), [blob]);
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn an_empty_blob_is_one_page_without_chunks() {
    let (_dir, store) = store();
    let blob = store.put_bytes(&[]).unwrap();
    let page = store.page(blob, 0).unwrap();
    assert!(page.last && page.chunks.is_empty());
    assert!(matches!(store.page(blob, 1), Err(StoreError::NoSuchPage { pages: 1, .. })));
    assert!(store.read(blob, 0).unwrap().is_empty());
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = store();
    let blob = store.put_bytes(b"model").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&blob_path(&dir, blob)), 0o600);
    assert_eq!(mode(&dir.path().join("state.redb")), 0o600);
    assert_eq!(mode(&dir.path().join("blobs")), 0o700);
}

#[test]
fn a_blob_that_changed_on_the_disk_is_noticed_and_put_heals_it() {
    let (dir, store) = store();
    let content = noise(1, 100_000);
    let blob = store.put_bytes(&content).unwrap();
    let mut changed = content.clone();
    changed[77_777] ^= 1;
    fs::write(blob_path(&dir, blob), &changed).unwrap();
    assert!(matches!(store.verify(blob), Err(StoreError::BlobMismatch { .. })));
    assert!(matches!(store.read(blob, 100_000), Err(StoreError::BlobMismatch { .. })));
    fs::write(blob_path(&dir, blob), &changed[..99_999]).unwrap();
    assert!(matches!(store.verify(blob), Err(StoreError::Truncated { actual: 99_999, .. })));
    store.put_bytes(&content).unwrap();
    store.verify(blob).unwrap();
}

#[test]
fn a_blob_larger_than_allowed_is_not_read() {
    let (_dir, store) = store();
    let blob = store.put_bytes(&noise(1, 1000)).unwrap();
    assert!(matches!(store.read(blob, 999), Err(StoreError::TooLarge { bytes: 1000, bytes_max: 999 })));
}

#[test]
fn a_source_that_fails_leaves_nothing() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the socket is gone"))
        }
    }
    let (dir, store) = store();
    let mut source = std::io::Read::chain(std::io::Cursor::new(noise(1, 600_000)), Failing);
    assert!(matches!(store.put(&mut source), Err(StoreError::Source(_))));
    assert_eq!(store.blobs().unwrap(), []);
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn cuts_are_where_cutter_2_makes_them() {
    // If this fails after an upgrade of `fastcdc`, raise CUTTER: partial blobs of the old cutter become useless.
    let (_dir, store) = store();
    let blob = store.put_bytes(&noise(1, 300_000)).unwrap();
    let lengths: Vec<u32> = store.page(blob, 0).unwrap().chunks.iter().map(|chunk| chunk.bytes).collect();
    assert_eq!((CUTTER, lengths), (2, vec![34830, 48574, 68346, 39685, 42356, 40534, 25542, 133]));
}

#[test]
fn pages_are_the_same_whether_cut_while_stored_or_when_asked_for() {
    let (dir, store) = store();
    let content = noise(2, 3_000_000);
    let blob = store.put_bytes(&content).unwrap();
    let pages = all_pages(&store, blob);
    drop(store);
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.blobs().unwrap(), [blob], "complete blobs need no state.redb");
    assert_eq!(all_pages(&store, blob), pages);
    let mut end = 0;
    for chunk in pages[0].chunks.iter() {
        let plain = store.reader(blob.hash).unwrap().read_at(end, chunk.bytes).unwrap();
        assert_eq!(chunk_ref(&plain), *chunk);
        end += u64::from(chunk.bytes);
    }
    assert_eq!(end, blob.bytes);
}

#[test]
fn a_page_is_cut_once() {
    let (dir, store) = store();
    let content = noise(3, 500_000);
    let blob = store.put_bytes(&content).unwrap();
    let pages = all_pages(&store, blob);
    // Write other bytes of the same length. Cutting or hashing again would detect them.
    fs::write(blob_path(&dir, blob), noise(4, 500_000)).unwrap();
    drop(store);
    assert_eq!(all_pages(&open(dir.path()), blob), pages);
}

#[test]
fn a_reader_does_not_read_past_the_end() {
    let (_dir, store) = store();
    let blob = store.put_bytes(&noise(1, 1000)).unwrap();
    let reader = store.reader(blob.hash).unwrap();
    assert_eq!(reader.read_at(990, 10).unwrap().len(), 10);
    assert!(matches!(reader.read_at(990, 11), Err(StoreError::Truncated { expected: 1001, actual: 1000, .. })));
    assert!(matches!(reader.read_at(0, u32::MAX), Err(StoreError::TooLarge { .. })));
    let several = reader.read_chunks([(10, 5), (15, 5), (100, 1), (0, 3)].into_iter()).unwrap();
    let content = reader.read_at(0, 1000).unwrap();
    assert_eq!(several, [&content[10..20], &content[100..101], &content[..3]].concat());
    let past = reader.read_chunks([(0, 1), (980, 10), (990, 11)].into_iter());
    assert!(matches!(past, Err(StoreError::Truncated { expected: 1001, actual: 1000, .. })));
    let many = reader.read_chunks([(0, modelferry_protocol::limits::CHUNK_BYTES_MAX), (0, 1)].into_iter());
    assert!(matches!(many, Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_removed_blob_is_gone_with_its_pages() {
    let (_dir, store) = store();
    let blob = store.put_bytes(&noise(1, 200_000)).unwrap();
    store.remove(blob.hash).unwrap();
    store.remove(blob.hash).unwrap();
    assert_eq!((store.size(blob.hash).unwrap(), store.held_bytes(blob).unwrap()), (None, 0));
    assert!(matches!(store.page(blob, 0), Err(StoreError::NotHeld(_))));
    assert!(matches!(store.open_blob(blob.hash), Err(StoreError::NotHeld(_))));
    assert_eq!(store.inner.rows.manifest(blob.hash).unwrap(), None);
}

#[test]
fn a_damaged_state_file_is_set_aside_and_costs_no_blob() {
    // Regression: the agent failed and was restarted for ever, although nothing in the file is needed.
    let (dir, store) = store();
    let blob = store.put_bytes(&noise(1, 200_000)).unwrap();
    drop(store);
    let path = dir.path().join("state.redb");
    let sound = fs::read(&path).unwrap();
    let mut zeroed = sound.clone();
    zeroed[8192..].fill(0);
    for damaged in [b"not a database at all".to_vec(), sound[..5000].to_vec(), Vec::new(), zeroed] {
        fs::write(&path, &damaged).unwrap();
        assert_eq!(open(dir.path()).blobs().unwrap(), [blob]);
        assert!(fs::read(Disk::aside(&path)).unwrap() == damaged, "what was damaged is kept");
    }
}

#[test]
fn a_second_agent_on_the_same_store_is_refused() {
    let (dir, _store) = store();
    assert!(matches!(Store::open(dir.path(), Disk::real()), Err(StoreError::Locked(_))));
}

#[test]
fn a_put_that_finds_no_space_says_so_and_succeeds_later() {
    let dir = TempDir::new().unwrap();
    let faults = Faults::default();
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan { free_bytes: Some(100_000), ..FaultPlan::default() });
    let error = store.put_bytes(&noise(1, 400_000)).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert_eq!(store.blobs().unwrap(), []);
    faults.set(FaultPlan::default());
    let blob = store.put_bytes(&noise(1, 400_000)).unwrap();
    store.verify(blob).unwrap();
}
