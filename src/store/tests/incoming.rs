//! Tests of receiving blobs.

use std::collections::BTreeSet;

use modelferry_protocol::manifest::PageError;
use proptest::prelude::*;

use super::*;

/// A blob with a hand-made manifest: chunks of `chunk_bytes`, `per_page` to a page. Small, so that tests are quick.
pub(super) struct SampleBlob {
    pub blob: BlobRef,
    pub pages: Vec<Page>,
    pub content: Vec<u8>,
}

pub(super) const SAMPLE_CUTTER: u16 = 77;

impl Incoming {
    /// Writes one chunk.
    pub(super) fn write_chunk(&self, page: u32, index: u32, plain: &[u8]) -> Result<(), StoreError> {
        let wrong = self.write(page, &self.slots(page, [index])?, plain)?;
        wrong.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

impl SampleBlob {
    pub fn new(content: Vec<u8>, chunk_bytes: usize, per_page: usize) -> Self {
        let chunks: Vec<ChunkRef> = content.chunks(chunk_bytes).map(chunk_ref).collect();
        let mut pages = Vec::new();
        let mut offset = 0;
        for (index, chunks) in chunks.chunks(per_page).enumerate() {
            let last = (index + 1) * per_page >= content.len().div_ceil(chunk_bytes);
            let page = Page { index: index as u32, offset, last, chunks: Bounded::new(chunks.to_vec()).unwrap() };
            offset = page.end();
            pages.push(page);
        }
        Self { blob: blob_of(&content), pages, content }
    }

    pub fn plain(&self, page: u32, index: usize) -> &[u8] {
        let page = &self.pages[page as usize];
        &self.content[page.chunk_offset(index).unwrap() as usize..][..page.chunks[index].bytes as usize]
    }

    pub fn begin(&self, store: &Store) -> Result<Incoming, StoreError> {
        store.incoming(self.blob, SAMPLE_CUTTER)
    }

    /// Returns every chunk as (page, index).
    pub fn places(&self) -> Vec<(u32, usize)> {
        self.pages.iter().flat_map(|page| (0..page.chunks.len()).map(|index| (page.index, index))).collect()
    }

    /// Returns the chunks that `incoming` lacks.
    pub fn lacking(&self, incoming: &Incoming) -> BTreeSet<(u32, usize)> {
        let of_page = |page: u32| incoming.lacking(page).unwrap().iter().map(move |at| (page, at)).collect::<Vec<_>>();
        (0..incoming.pages()).flat_map(of_page).collect()
    }

    pub fn write(&self, incoming: &Incoming, (page, index): (u32, usize)) -> Result<(), StoreError> {
        incoming.write_chunk(page, index as u32, self.plain(page, index))
    }

    /// Writes every missing chunk and finishes. Returns how many were missing.
    pub fn complete(&self, incoming: &Incoming) -> Result<usize, StoreError> {
        for page in &self.pages[incoming.pages() as usize..] {
            incoming.add_page(page.clone())?;
        }
        let lacking = self.lacking(incoming);
        lacking.iter().try_for_each(|place| self.write(incoming, *place))?;
        incoming.sync()?;
        incoming.finish()?;
        Ok(lacking.len())
    }
}

pub(super) fn sample_blob() -> SampleBlob {
    SampleBlob::new(noise(5, 10_500), 1000, 4)
}

#[test]
fn a_blob_arrives_and_is_complete_only_when_it_is_durable() {
    let (_dir, store) = store();
    let sample = sample_blob();
    let incoming = sample.begin(&store).unwrap();
    assert!(!incoming.is_complete() && !incoming.all_pages_known());
    for page in &sample.pages {
        incoming.add_page(page.clone()).unwrap();
    }
    assert!(incoming.all_pages_known());
    sample.places().into_iter().for_each(|place| sample.write(&incoming, place).unwrap());
    assert!(sample.lacking(&incoming).is_empty());
    assert_eq!((incoming.bytes_held(), incoming.is_complete()), (0, false));
    assert!(matches!(incoming.finish(), Err(StoreError::Incomplete(_))));
    let durable = incoming.sync().unwrap();
    assert_eq!(durable.iter().map(|(page, set)| (*page, set.len())).collect::<Vec<_>>(), [(0, 4), (1, 4), (2, 3)]);
    assert_eq!(incoming.sync().unwrap(), []);
    assert_eq!((incoming.bytes_held(), incoming.is_complete()), (10_500, true));
    assert_eq!(store.size(sample.blob.hash).unwrap(), None);
    incoming.finish().unwrap();
    incoming.finish().unwrap();
    store.verify(sample.blob).unwrap();
    assert_eq!(store.held_bytes(sample.blob).unwrap(), 10_500);
}

#[test]
fn an_empty_blob_arrives() {
    let (_dir, store) = store();
    let blob = blob_of(&[]);
    let incoming = store.incoming(blob, CUTTER).unwrap();
    assert!(!incoming.is_complete());
    incoming.add_page(Page { index: 0, offset: 0, last: true, chunks: Bounded::default() }).unwrap();
    assert!(incoming.is_complete() && incoming.lacking(0).unwrap().is_empty());
    incoming.finish().unwrap();
    assert!(store.read(blob, 0).unwrap().is_empty());
}

#[test]
fn what_is_held_is_not_hashed_again_at_the_start_but_before_it_is_used() {
    let (dir, store) = store();
    let sample = SampleBlob::new(noise(1, 100_000), 1_000, 40);
    let incoming = sample.begin(&store).unwrap();
    sample.pages.iter().for_each(|page| incoming.add_page(page.clone()).unwrap());
    let places = sample.places();
    for (page, index) in &places[..60] {
        incoming.write_chunk(*page, *index as u32, sample.plain(*page, *index)).unwrap();
    }
    incoming.sync().unwrap();
    drop((incoming, store));
    // Any code that read the held bytes would fail on these.
    let path = dir.path().join("partial").join(sample.blob.hash.to_string());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = open(dir.path());
    let incoming = sample.begin(&store).unwrap();
    assert_eq!(sample.lacking(&incoming), places[60..].iter().copied().collect());
    for (page, index) in &places[60..] {
        incoming.write_chunk(*page, *index as u32, sample.plain(*page, *index)).unwrap();
    }
    incoming.sync().unwrap();
    assert!(matches!(incoming.finish(), Err(StoreError::BlobMismatch { .. })));
}

#[test]
fn resume_sends_only_missing_chunks() {
    let sample = sample_blob();
    for durable in 0..=sample.places().len() {
        let (dir, store) = store();
        let incoming = sample.begin(&store).unwrap();
        sample.pages.iter().for_each(|page| incoming.add_page(page.clone()).unwrap());
        let places = sample.places();
        let (sent, rest) = places.split_at(durable);
        sent.iter().for_each(|place| sample.write(&incoming, *place).unwrap());
        incoming.sync().unwrap();
        let held = incoming.bytes_held();
        drop((incoming, store));
        let store = open(dir.path());
        assert_eq!(store.held_bytes(sample.blob).unwrap(), held);
        let incoming = sample.begin(&store).unwrap();
        assert_eq!((incoming.pages(), incoming.bytes_held()), (3, held));
        assert_eq!(sample.lacking(&incoming), rest.iter().copied().collect());
        assert_eq!(sample.complete(&incoming).unwrap(), rest.len());
        store.verify(sample.blob).unwrap();
    }
}

#[test]
fn chunks_of_other_blobs_are_not_sent_again() {
    let (_dir, store) = store();
    let old = noise(6, 2_000_000);
    store.put_bytes(&old).unwrap();
    // A later revision, with some bytes changed and some inserted in the middle.
    let mut new = old.clone();
    new.splice(1_000_000..1_000_010, noise(7, 5000));
    let (_other_dir, sender) = self::store();
    let blob = sender.put_bytes(&new).unwrap();
    let incoming = store.incoming(blob, CUTTER).unwrap();
    for page in all_pages(&sender, blob) {
        incoming.add_page(page).unwrap();
    }
    let lacking = incoming.lacking(0).unwrap();
    assert!((1..6).contains(&lacking.len()), "{} of {} chunks", lacking.len(), lacking.count());
    let page = sender.page(blob, 0).unwrap();
    let lacking_bytes: u64 = lacking.iter().map(|index| u64::from(page.chunks[index].bytes)).sum();
    assert_eq!(incoming.bytes_reused(), blob.bytes - lacking_bytes);
    for index in lacking.iter() {
        let reader = sender.reader(blob.hash).unwrap();
        let plain = reader.read_at(page.chunk_offset(index).unwrap(), page.chunks[index].bytes).unwrap();
        incoming.write_chunk(0, index as u32, &plain).unwrap();
    }
    incoming.sync().unwrap();
    incoming.finish().unwrap();
    assert_eq!(store.read(blob, blob.bytes).unwrap(), new);
}

#[test]
fn a_blob_that_arrived_is_a_source_of_chunks_itself() {
    let (_dir, store) = store();
    let first = sample_blob();
    first.complete(&first.begin(&store).unwrap()).unwrap();
    let second = SampleBlob::new([first.content.clone(), noise(8, 3000)].concat()[500..].to_vec(), 1000, 4);
    let shifted = second.begin(&store).unwrap();
    shifted.add_page(second.pages[0].clone()).unwrap();
    assert_eq!(shifted.bytes_reused(), 0, "cut elsewhere, these are other chunks");
    let third = SampleBlob::new([&first.content[..8000], &noise(9, 3000)].concat(), 1000, 4);
    let incoming = third.begin(&store).unwrap();
    assert_eq!(third.complete(&incoming).unwrap(), 3);
    assert_eq!(incoming.bytes_reused(), 8000);
}

#[test]
fn bytes_that_changed_or_went_are_not_reused() {
    let (dir, store) = store();
    let (gone, changed) = (SampleBlob::new(noise(1, 2000), 1000, 4), SampleBlob::new(noise(2, 2000), 1000, 4));
    for sample in [&gone, &changed] {
        sample.complete(&sample.begin(&store).unwrap()).unwrap();
    }
    fs::remove_file(blob_path(&dir, gone.blob)).unwrap();
    fs::write(blob_path(&dir, changed.blob), noise(3, 2000)).unwrap();
    let sample = SampleBlob::new([noise(1, 2000), noise(2, 2000)].concat(), 1000, 4);
    let incoming = sample.begin(&store).unwrap();
    assert_eq!(sample.complete(&incoming).unwrap(), 4);
    assert_eq!(incoming.bytes_reused(), 0);
    store.verify(sample.blob).unwrap();
}

#[test]
fn a_removed_blob_is_no_source_of_chunks() {
    let (_dir, store) = store();
    let first = sample_blob();
    first.complete(&first.begin(&store).unwrap()).unwrap();
    store.remove(first.blob.hash).unwrap();
    let hashes = || first.pages.iter().flat_map(|page| page.chunks.iter().map(|chunk| chunk.hash));
    assert!(store.inner.rows.find(hashes()).unwrap().iter().all(Option::is_none));
}

#[test]
fn pages_are_taken_in_order_and_known_ones_again() {
    let (_dir, store) = store();
    let sample = sample_blob();
    let incoming = sample.begin(&store).unwrap();
    let refused = |page: &Page| match incoming.add_page(page.clone()) {
        Err(StoreError::Page(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(&sample.pages[1]), PageError::OutOfOrder { expected: 0, .. }));
    incoming.add_page(sample.pages[0].clone()).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    let other = Page { chunks: Bounded::new(sample.pages[0].chunks[1..].to_vec()).unwrap(), ..sample.pages[0].clone() };
    assert!(matches!(refused(&other), PageError::OutOfOrder { .. }));
    incoming.add_page(sample.pages[1].clone()).unwrap();
    incoming.add_page(sample.pages[2].clone()).unwrap();
    let extra = Page { index: 3, offset: sample.blob.bytes, last: true, chunks: Bounded::default() };
    assert!(matches!(refused(&extra), PageError::OutOfOrder { .. }), "an empty page after the last");
    assert_eq!(incoming.pages(), 3);
}

#[test]
fn a_manifest_of_other_bytes_leaves_nothing_of_the_blob() {
    let (dir, store) = store();
    let sample = sample_blob();
    let lie = BlobRef { hash: Hash::of(b"something else"), ..sample.blob };
    let incoming = store.incoming(lie, SAMPLE_CUTTER).unwrap();
    let refused = sample.complete(&incoming);
    let expected = lie.hash;
    assert!(
        matches!(refused, Err(StoreError::BlobMismatch { expected: e, actual }) if e == expected && actual == sample.blob.hash)
    );
    assert!(matches!(incoming.sync(), Err(StoreError::Broken(_))));
    assert_eq!((store.size(expected).unwrap(), store.held_bytes(lie).unwrap()), (None, 0));
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
    assert_eq!(store.incoming(lie, SAMPLE_CUTTER).unwrap().pages(), 0);
}

#[test]
fn those_who_receive_the_same_blob_share_it() {
    let (_dir, store) = store();
    let sample = sample_blob();
    let one = sample.begin(&store).unwrap();
    let other = sample.begin(&store).unwrap();
    assert!(matches!(store.incoming(sample.blob, CUTTER), Err(StoreError::Busy(_))));
    assert!(matches!(store.remove(sample.blob.hash), Err(StoreError::Busy(_))));
    sample.pages.iter().for_each(|page| one.add_page(page.clone()).unwrap());
    std::thread::scope(|scope| {
        for begin in 0..3 {
            let (sample, incoming) = (&sample, &one);
            scope.spawn(move || {
                let places = sample.places();
                for place in places.iter().cycle().skip(begin * 4).take(places.len()) {
                    sample.write(incoming, *place).unwrap();
                    incoming.sync().unwrap();
                }
            });
        }
    });
    assert_eq!((one.bytes_held(), other.bytes_held()), (sample.blob.bytes, sample.blob.bytes));
    one.finish().unwrap();
    store.verify(sample.blob).unwrap();
    assert!(sample.begin(&store).unwrap().is_complete());
}

#[test]
fn what_another_cutter_left_is_dropped() {
    let (dir, store) = store();
    let sample = sample_blob();
    let incoming = sample.begin(&store).unwrap();
    incoming.add_page(sample.pages[0].clone()).unwrap();
    sample.write(&incoming, (0, 3)).unwrap();
    incoming.sync().unwrap();
    drop(incoming);
    let incoming = store.incoming(sample.blob, CUTTER).unwrap();
    assert_eq!((incoming.pages(), incoming.bytes_held()), (0, 0));
    let file = dir.path().join("partial").join(sample.blob.hash.to_string());
    assert_eq!(fs::metadata(file).unwrap().len(), 0);
}

#[test]
fn a_partial_file_that_went_or_shrank_is_begun_again() {
    for shrink in [false, true] {
        let (dir, store) = store();
        let sample = sample_blob();
        let incoming = sample.begin(&store).unwrap();
        incoming.add_page(sample.pages[0].clone()).unwrap();
        sample.write(&incoming, (0, 1)).unwrap();
        incoming.sync().unwrap();
        drop((incoming, store));
        let path = dir.path().join("partial").join(sample.blob.hash.to_string());
        if shrink {
            fs::File::options().write(true).open(&path).unwrap().set_len(1999).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let store = open(dir.path());
        assert_eq!(store.held_bytes(sample.blob).unwrap(), 0);
        assert_eq!(sample.complete(&sample.begin(&store).unwrap()).unwrap(), 11);
    }
}

#[test]
fn what_nobody_knows_of_is_removed_at_the_start() {
    let (dir, store) = store();
    let blob = store.put_bytes(b"kept").unwrap();
    drop(store);
    let partial = dir.path().join("partial");
    fs::write(partial.join("put-0.new"), "left over").unwrap();
    fs::write(partial.join(Hash::of(b"unknown").to_string()), "left over").unwrap();
    let store = open(dir.path());
    assert_eq!(fs::read_dir(partial).unwrap().count(), 0);
    store.verify(blob).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn chunks_in_any_order_and_again_make_the_same_file(
        bytes in 0usize..9000,
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..40),
    ) {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), Disk::faulty(&Faults::default())).unwrap();
        let sample = SampleBlob::new(noise(11, bytes.max(1)), 700, 3);
        let incoming = sample.begin(&store).unwrap();
        sample.pages.iter().for_each(|page| incoming.add_page(page.clone()).unwrap());
        let (places, mut sent) = (sample.places(), BTreeSet::new());
        let mut durable = 0;
        for (index, sync) in order {
            let place = places[index.index(places.len())];
            sample.write(&incoming, place).unwrap();
            sent.insert(place);
            if sync {
                durable += incoming.sync().unwrap().iter().map(|(_, set)| set.len()).sum::<usize>();
                prop_assert_eq!(durable, sent.len());
            }
            prop_assert_eq!(sample.lacking(&incoming).len(), places.len() - sent.len());
        }
        prop_assert_eq!(sample.complete(&incoming).unwrap(), places.len() - sent.len());
        prop_assert_eq!(store.read(sample.blob, 9000).unwrap(), sample.content);
    }
}
