//! Tests of leases and sweeps.

use modelferry_protocol::ids::MigrationId;

use super::incoming::SampleBlob;
use super::*;

const FIRST: MigrationId = MigrationId([1; 16]);
const SECOND: MigrationId = MigrationId([2; 16]);

/// Removes everything that a sweep may remove. Returns the removed blobs.
fn swept(store: &Store) -> Vec<Hash> {
    let sweep = store.sweep();
    let all = store.items().unwrap().into_iter().map(|item| item.blob.hash);
    all.filter(|hash| sweep.remove(*hash).unwrap()).collect()
}

fn idle(store: &Store) -> Vec<(Hash, u64)> {
    let items = store.items().unwrap();
    items.into_iter().filter_map(|item| Some((item.blob.hash, item.idle_since_ms?))).collect()
}

#[test]
fn what_is_leased_stays_until_the_lease_ends() {
    let (_dir, store) = store();
    let (leased, other) = (store.put_bytes(b"leased").unwrap(), store.put_bytes(b"other").unwrap());
    let lease = store.lease();
    lease.keep([leased.hash]);
    assert_eq!(swept(&store), [other.hash]);
    store.verify(leased).unwrap();
    drop(lease);
    assert_eq!(swept(&store), [leased.hash]);
    assert_eq!((store.size(leased.hash).unwrap(), store.blobs().unwrap()), (None, Vec::new()));
}

#[test]
fn what_is_put_while_somebody_takes_it_in_stays_as_long() {
    let (_dir, store) = store();
    let before = store.put_bytes(b"before").unwrap();
    let lease = store.lease_with_puts();
    let (put, kept) = (store.put_bytes(b"meanwhile").unwrap(), store.put_bytes(b"kept").unwrap());
    assert_eq!(swept(&store), [before.hash]);
    lease.narrow([kept.hash]);
    let later = store.put_bytes(b"later").unwrap();
    let mut gone = swept(&store);
    gone.sort();
    let mut expected = vec![put.hash, later.hash];
    expected.sort();
    assert_eq!(gone, expected);
    store.verify(kept).unwrap();
}

#[test]
fn what_was_held_at_any_time_since_a_sweep_began_stays_in_it() {
    let (_dir, store) = store();
    let blobs = [0, 1, 2, 3].map(|seed| store.put_bytes(&noise(seed, 100)).unwrap());
    let lease = store.lease();
    lease.keep([blobs[0].hash]);
    let sweep = store.sweep();
    // A reference to the blob may have become durable after the sweep looked for references.
    drop(lease);
    store.lease().keep([blobs[1].hash]);
    store.want(FIRST, [blobs[2].hash]).unwrap();
    store.release(FIRST).unwrap();
    let put = store.put_bytes(b"put meanwhile").unwrap();
    for spared in [blobs[0], blobs[1], blobs[2], put] {
        assert!(!sweep.remove(spared.hash).unwrap());
        store.verify(spared).unwrap();
    }
    assert!(sweep.remove(blobs[3].hash).unwrap());
    drop(sweep);
    assert_eq!(swept(&store).len(), 4);
}

#[test]
fn a_second_sweep_spares_what_the_first_does() {
    let (_dir, store) = store();
    let blob = store.put_bytes(b"blob").unwrap();
    let lease = store.lease();
    lease.keep([blob.hash]);
    let first = store.sweep();
    drop(lease);
    assert!(!store.sweep().remove(blob.hash).unwrap());
    assert!(!first.remove(blob.hash).unwrap());
    drop(first);
    assert!(store.sweep().remove(blob.hash).unwrap());
}

#[test]
fn what_a_migration_wants_stays_over_a_restart_until_all_who_want_it_have_ended() {
    let (dir, store) = store();
    let (shared, own) = (store.put_bytes(b"shared").unwrap(), store.put_bytes(b"own").unwrap());
    store.want(FIRST, [shared.hash, own.hash]).unwrap();
    store.want(SECOND, [shared.hash]).unwrap();
    // The next durable write makes it durable.
    store.put_bytes(b"other").unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.wanted().len(), 2);
    assert_eq!(swept(&store), [Hash::of(b"other")]);
    store.release(FIRST).unwrap();
    assert_eq!(swept(&store), [own.hash]);
    store.put_bytes(b"other").unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.wanted(), [(SECOND, vec![shared.hash])]);
    store.release(SECOND).unwrap();
    assert_eq!(swept(&store).len(), 2);
}

#[test]
fn a_blob_on_its_way_in_is_not_removed_and_one_that_was_given_up_is() {
    let (dir, store) = store();
    let sample = SampleBlob::new(noise(9, 4000), 1000, 4);
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    sample.write(&incoming, (0, 1)).unwrap();
    incoming.sync().unwrap();
    let items = store.items().unwrap();
    assert_eq!((items.len(), items[0].blob, items[0].held), (1, sample.blob, 1000));
    assert!(items[0].in_use && !items[0].complete);
    assert!(swept(&store).is_empty());
    drop(incoming);
    assert!(!store.items().unwrap()[0].in_use);
    assert_eq!(swept(&store), [sample.blob.hash]);
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
    // Receiving it again starts from nothing and succeeds.
    assert_eq!(sample.complete(&sample.begin(&store).unwrap()).unwrap(), 4);
    store.verify(sample.blob).unwrap();
}

#[test]
fn since_when_nobody_needs_a_blob_is_known_after_a_restart_and_forgotten_when_it_is_of_use() {
    let (dir, store) = store();
    let content = noise(3, 6000);
    let blobs =
        [content.as_slice(), b"put again", b"offered", b"left"].map(|content| store.put_bytes(content).unwrap());
    let noted: Vec<_> = blobs.iter().zip(7..).map(|(blob, since_ms)| (blob.hash, since_ms)).collect();
    store.note_idle(&noted).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(idle(&store).len(), 4);
    store.put_bytes(b"put again").unwrap();
    store.want(FIRST, [blobs[2].hash]).unwrap();
    // Reusing the blob's chunks for another blob takes it off the list.
    let page = store.page(blobs[0], 0).unwrap();
    let other = SampleBlob::new([&content[..], b"more"].concat(), 1000, 100);
    let whole = Page { last: false, ..page };
    store.incoming(other.blob, CUTTER).unwrap().add_page(whole).unwrap();
    assert_eq!(idle(&store), [(blobs[3].hash, 10)]);
    store.note_idle(&[]).unwrap();
    assert!(idle(&store).is_empty());
}

#[test]
fn chunks_of_a_blob_that_is_gone_are_lacking() {
    let (_dir, store) = store();
    let content = noise(3, 200_000);
    let donor = store.put_bytes(&content).unwrap();
    let page = store.page(donor, 0).unwrap();
    let reader = store.reader(donor.hash).unwrap();
    assert_eq!(swept(&store), [donor.hash]);
    // A reader that has the file open can still read it.
    assert_eq!(reader.read_at(0, 1000).unwrap(), content[..1000]);
    let other = blob_of(&[&content[..], b"more"].concat());
    let incoming = store.incoming(other, CUTTER).unwrap();
    incoming.add_page(Page { last: false, ..page.clone() }).unwrap();
    assert_eq!(incoming.lacking(0).unwrap().len(), page.chunks.len());
    assert!(matches!(store.page(donor, 0), Err(StoreError::NotHeld(_))));
}

#[test]
fn death_at_any_point_of_a_removal_leaves_the_store_whole() {
    let content = noise(4, 300_000);
    let partial = SampleBlob::new(noise(5, 4000), 1000, 4);
    for (name, kept) in [("process killed", (|_| true) as fn(usize) -> bool), ("power cut", |_| false)] {
        let mut deaths = 0;
        for at in 0.. {
            let dir = TempDir::new().unwrap();
            let faults = Faults::default();
            let (stays, goes) = {
                let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
                let blobs = (store.put_bytes(b"it stays").unwrap(), store.put_bytes(&content).unwrap());
                let incoming = partial.begin(&store).unwrap();
                incoming.add_page(partial.pages[0].clone()).unwrap();
                sample_written(&partial, &incoming);
                blobs
            };
            let outcome = {
                let store = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
                faults.set(FaultPlan { die_at: Some(at), ..FaultPlan::default() });
                let sweep = store.sweep();
                let outcome = sweep.remove(goes.hash).and_then(|_| sweep.remove(partial.blob.hash));
                drop((sweep, store));
                outcome
            };
            faults.power_cut(kept).unwrap();
            faults.set(FaultPlan::default());
            let context = format!("{name} at effect {at}");
            let store = Store::open(dir.path(), Disk::faulty(&faults));
            let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
            store.verify(stays).unwrap();
            // Each of the two blobs is unchanged, or gone and can be received again.
            if store.size(goes.hash).unwrap().is_some() {
                store.verify(goes).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            assert_eq!(store.put_bytes(&content).unwrap(), goes);
            assert!(!all_pages(&store, goes).is_empty());
            sample_complete(&partial, &store, &context);
            if let Ok(removed) = outcome {
                assert!(removed, "nobody held it");
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 4, "{deaths}");
    }
}

fn sample_written(sample: &SampleBlob, incoming: &Incoming) {
    sample.write(incoming, (0, 0)).unwrap();
    sample.write(incoming, (0, 2)).unwrap();
    incoming.sync().unwrap();
}

fn sample_complete(sample: &SampleBlob, store: &Store, context: &str) {
    let incoming = sample.begin(store).unwrap();
    let sent = sample.complete(&incoming).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(sent == 2 || sent == 4, "{context}: {sent}");
    store.verify(sample.blob).unwrap();
}
