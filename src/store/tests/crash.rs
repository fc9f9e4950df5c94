//! Tests with a process that dies while receiving a blob, with failed syncs and with full disks.

use std::io::ErrorKind;

use super::incoming::{SAMPLE_CUTTER, SampleBlob};
use super::*;

fn sample_blob() -> SampleBlob {
    SampleBlob::new(noise(5, 6000), 1000, 3)
}

/// Receives the sample and syncs after every two chunks. Returns the chunks reported as durable.
fn receive(dir: &Path, faults: &Faults, sample: &SampleBlob) -> (Vec<(u32, usize)>, Result<(), StoreError>) {
    let mut durable = Vec::new();
    let store = Store::open(dir, Disk::faulty(faults));
    let outcome = store.and_then(|store| receive_into(&store, sample, &mut durable));
    (durable, outcome)
}

fn receive_into(store: &Store, sample: &SampleBlob, durable: &mut Vec<(u32, usize)>) -> Result<(), StoreError> {
    let incoming = sample.begin(store)?;
    for page in &sample.pages {
        incoming.add_page(page.clone())?;
    }
    for (count, place) in sample.places().into_iter().enumerate() {
        sample.write(&incoming, place)?;
        if count % 2 == 1 {
            let new = incoming.sync()?;
            durable.extend(new.iter().flat_map(|(page, set)| set.iter().map(|index| (*page, index))));
        }
    }
    incoming.finish()
}

#[test]
fn whichever_write_fails_the_same_store_takes_the_blob_in_afterwards() {
    let sample = sample_blob();
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other] {
        let mut failed = 0;
        for write in 0.. {
            let (dir, faults) = (TempDir::new().unwrap(), Faults::default());
            let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
            faults.set(FaultPlan { fail_writes: Some((write, kind)), ..FaultPlan::default() });
            let first = receive_into(&store, &sample, &mut Vec::new());
            faults.set(FaultPlan::default());
            let incoming = sample.begin(&store).unwrap_or_else(|error| panic!("{kind:?} at write {write}: {error}"));
            sample.complete(&incoming).unwrap_or_else(|error| panic!("{kind:?} at write {write}: {error}"));
            store.verify(sample.blob).unwrap();
            if first.is_ok() {
                break;
            }
            failed += 1;
        }
        assert!(failed > 10, "{kind:?}: {failed} writes failed");
    }
}

#[test]
fn what_was_said_to_be_durable_survives_death_at_any_point() {
    let sample = sample_blob();
    for (name, kept) in [("process killed", (|_| true) as fn(usize) -> bool), ("power cut", |_| false)] {
        let mut deaths = 0;
        for at in 0.. {
            let dir = TempDir::new().unwrap();
            let faults = Faults::new(FaultPlan { die_at: Some(at), ..FaultPlan::default() });
            let (durable, outcome) = receive(dir.path(), &faults, &sample);
            faults.power_cut(kept).unwrap();
            let context = format!("{name} at effect {at}");
            let store = Store::open(dir.path(), Disk::faulty(&Faults::default()));
            let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
            let incoming = store.incoming(sample.blob, SAMPLE_CUTTER).unwrap();
            assert!(incoming.bytes_held() >= 1000 * durable.len() as u64, "{context}: forgotten");
            let lacking = sample.lacking(&incoming);
            assert!(!durable.iter().any(|place| lacking.contains(place)), "{context}: sent again");
            // This also fails if a held chunk is wrong.
            sample.complete(&incoming).unwrap_or_else(|error| panic!("{context}: {error}"));
            store.verify(sample.blob).unwrap();
            let chunks = sample.pages.iter().flat_map(|page| page.chunks.iter().map(|chunk| chunk.hash));
            let found = store.inner.rows.find(chunks).unwrap();
            assert!(found.iter().all(Option::is_some), "{context}: its chunks are not found");
            if outcome.is_ok() {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 20, "{deaths}");
    }
}

#[test]
fn after_a_failed_sync_nothing_of_it_counts_and_it_can_be_begun_again() {
    let (dir, faults, sample) = (TempDir::new().unwrap(), Faults::default(), sample_blob());
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    sample.write(&incoming, (0, 0)).unwrap();
    incoming.sync().unwrap();
    sample.write(&incoming, (0, 1)).unwrap();
    faults.set(FaultPlan { fail_sync: Some(0), ..FaultPlan::default() });
    assert!(matches!(incoming.sync(), Err(StoreError::Io { doing: "sync", .. })));
    assert!(matches!(incoming.sync(), Err(StoreError::Broken(_))));
    assert!(matches!(sample.write(&incoming, (0, 2)), Err(StoreError::Broken(_))));
    assert!(matches!(incoming.lacking(0), Err(StoreError::Broken(_))));
    let again = sample.begin(&store).unwrap();
    assert_eq!((again.pages(), again.bytes_held()), (1, 1000));
    assert_eq!(sample.complete(&again).unwrap(), 5);
    store.verify(sample.blob).unwrap();
}

#[test]
fn a_database_that_failed_once_is_opened_anew() {
    let (dir, faults, sample) = (TempDir::new().unwrap(), Faults::default(), sample_blob());
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    sample.write(&incoming, (0, 0)).unwrap();
    // The first sync writes the bytes, the second the rows.
    faults.set(FaultPlan { fail_sync: Some(1), ..FaultPlan::default() });
    assert!(matches!(incoming.sync(), Err(StoreError::Io { doing: "read or write", .. })));
    assert_eq!(incoming.bytes_held(), 0);
    assert_eq!(incoming.sync().unwrap().len(), 1, "told once the rows are durable");
    assert_eq!(sample.complete(&incoming).unwrap(), 5);
    drop((incoming, store));
    open(dir.path()).verify(sample.blob).unwrap();
}

#[test]
fn a_blob_without_room_is_not_begun() {
    let (dir, faults, sample) = (TempDir::new().unwrap(), Faults::default(), sample_blob());
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan { free_bytes: Some(5999), ..FaultPlan::default() });
    let refused = sample.begin(&store).map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::Full { needed: 6000, free: 5999 }));
}

#[test]
fn a_disk_that_fills_up_on_the_way_loses_nothing_durable() {
    let (dir, faults, sample) = (TempDir::new().unwrap(), Faults::default(), sample_blob());
    let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    let incoming = sample.begin(&store).unwrap();
    sample.pages.iter().for_each(|page| incoming.add_page(page.clone()).unwrap());
    faults.set(FaultPlan { free_bytes: Some(2500), ..FaultPlan::default() });
    sample.write(&incoming, (0, 0)).unwrap();
    sample.write(&incoming, (0, 1)).unwrap();
    let full = sample.write(&incoming, (0, 2)).unwrap_err();
    assert!(matches!(full, StoreError::Full { needed: 1000, .. }), "{full:?}");
    assert!(incoming.sync().unwrap_err().is_full());
    assert_eq!(incoming.bytes_held(), 0);
    faults.set(FaultPlan::default());
    assert_eq!(incoming.sync().unwrap()[0].1.len(), 2);
    assert_eq!(sample.complete(&incoming).unwrap(), 4);
    store.verify(sample.blob).unwrap();
}
