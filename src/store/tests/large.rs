//! Tests of a blob with many pages.

use std::io::Read;

use modelferry_protocol::limits::PAGE_CHUNKS_MAX;

use super::*;

/// Returns 80 MiB of noise with zeros in the middle.
fn large() -> impl Read {
    let noise = |seed| std::io::Cursor::new(noise(seed, 30 << 20));
    noise(20).chain(std::io::repeat(0).take(20 << 20)).chain(noise(21))
}

#[test]
fn a_large_blob_is_carried_a_page_at_a_time() {
    let ((_from_dir, from), (to_dir, to)) = (store(), store());
    let blob = from.put(&mut large()).unwrap();
    assert_eq!(blob.bytes, 80 << 20);
    let mut incoming = to.incoming(blob, CUTTER).unwrap();
    let (reader, mut store) = (from.reader(blob.hash).unwrap(), to);
    while !incoming.all_pages_known() {
        let page = from.page(blob, incoming.pages()).unwrap();
        assert!(page.chunks.len() <= PAGE_CHUNKS_MAX);
        incoming.add_page(page.clone()).unwrap();
        for index in incoming.lacking(page.index).unwrap().iter() {
            let plain = reader.read_at(page.chunk_offset(index).unwrap(), page.chunks[index].bytes).unwrap();
            incoming.write_chunk(page.index, index as u32, &plain).unwrap();
        }
        incoming.sync().unwrap();
        assert_eq!(incoming.bytes_held(), page.end());
        // Kill the process after every page.
        drop((incoming, store));
        store = open(to_dir.path());
        incoming = store.incoming(blob, CUTTER).unwrap();
        assert_eq!((incoming.pages(), incoming.bytes_held()), (page.index + 1, page.end()));
    }
    assert_eq!(incoming.pages(), 2);
    incoming.finish().unwrap();
    store.verify(blob).unwrap();
    // The received pages also serve for sending the blob.
    assert_eq!(all_pages(&store, blob), all_pages(&from, blob));
}
