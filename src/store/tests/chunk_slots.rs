//! Tests of chunks that arrive together: only chunks with a correct hash are written.

use std::collections::BTreeSet;

use super::incoming::{SampleBlob, sample_blob};
use super::*;

#[test]
fn a_wrong_chunk_is_refused_and_nothing_written() {
    let (dir, store) = store();
    let sample = sample_blob();
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    let right = sample.plain(0, 1).to_vec();
    let mut wrong = right.clone();
    wrong[0] ^= 1;
    let refused = incoming.write_chunk(0, 1, &wrong).unwrap_err();
    assert!(matches!(refused, StoreError::ChunkMismatch { page: 0, index: 1, expected, actual }
        if expected == Hash::of(&right) && actual == Hash::of(&wrong)));
    for length in [0, 999, 1001] {
        let refused = incoming.write_chunk(0, 1, &noise(1, length));
        assert!(matches!(refused, Err(StoreError::ChunkLength { expected: 1000, .. })));
    }
    assert!(matches!(incoming.write_chunk(0, 4, &right), Err(StoreError::NoSuchChunk { index: 4, .. })));
    assert!(matches!(incoming.write_chunk(1, 0, &right), Err(StoreError::NoSuchPage { index: 1, pages: 1, .. })));
    assert_eq!(incoming.sync().unwrap(), []);
    let file = dir.path().join("partial").join(sample.blob.hash.to_string());
    assert_eq!(fs::metadata(file).unwrap().len(), 0);
    assert_eq!(sample.lacking(&incoming).len(), 4);
}

#[test]
fn chunks_that_follow_each_other_are_one_write_and_what_is_not_proven_is_none() {
    let (dir, faults) = (TempDir::new().unwrap(), Faults::default());
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan::default());
    let sample = SampleBlob::new(noise(8, 8000), 1000, 8);
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    sample.write(&incoming, (0, 4)).unwrap();

    // All chunks but the seventh; the third is damaged and the fifth is already held.
    let chunks = [0, 1, 2, 3, 4, 5, 7];
    let mut plain: Vec<u8> = chunks.iter().flat_map(|at| sample.plain(0, *at).to_vec()).collect();
    plain[2500] ^= 1;
    let slots = incoming.slots(0, chunks.map(|at| at as u32)).unwrap();
    let before = faults.effects();
    let wrong = incoming.write(0, &slots, &plain).unwrap();
    assert!(matches!(wrong[..], [(2, StoreError::ChunkMismatch { page: 0, index: 2, .. })]), "{wrong:?}");
    assert_eq!(faults.effects() - before, 4, "the first two, the fourth, the sixth, the last");
    assert_eq!(sample.lacking(&incoming), BTreeSet::from([(0, 2), (0, 6)]));
    sample.complete(&incoming).unwrap();
    assert_eq!(store.read(sample.blob, 8000).unwrap(), sample.content);
}
