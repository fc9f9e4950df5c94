//! Measures the bytes written to disk per received byte.

use super::*;

/// Typical of the blobs in the benchmarks.
const BLOB_BYTES: usize = 64 << 20;

/// Receives a blob with a sync after every `sync_bytes`. Returns all bytes written for it, including the database's.
fn written(sync_bytes: u64) -> u64 {
    let (_from_dir, from) = store();
    let blob = from.put_bytes(&noise(30, BLOB_BYTES)).unwrap();
    let (dir, faults) = (TempDir::new().unwrap(), Faults::default());
    let to = Store::open(dir.path(), Disk::faulty(&faults)).unwrap();
    faults.set(FaultPlan::default());
    let (incoming, reader) = (to.incoming(blob, CUTTER).unwrap(), from.reader(blob.hash).unwrap());
    let mut unsynced = 0;
    while !incoming.all_pages_known() {
        let page = from.page(blob, incoming.pages()).unwrap();
        incoming.add_page(page.clone()).unwrap();
        for (index, chunk) in page.chunks.iter().enumerate() {
            let plain = reader.read_at(page.chunk_offset(index).unwrap(), chunk.bytes).unwrap();
            incoming.write_chunk(page.index, index as u32, &plain).unwrap();
            unsynced += u64::from(chunk.bytes);
            if unsynced >= sync_bytes {
                incoming.sync().unwrap();
                unsynced = 0;
            }
        }
    }
    incoming.sync().unwrap();
    incoming.finish().unwrap();
    to.verify(blob).unwrap();
    faults.bytes_written()
}

#[test]
fn at_most_a_tenth_is_written_besides_a_blobs_own_bytes() {
    // Bytes that arrive between two syncs on a fast link and on a slow one.
    for sync_bytes in [4 << 20, 256 << 10] {
        let written = written(sync_bytes);
        assert!(written >= BLOB_BYTES as u64, "{written} bytes written: not all are counted");
        let share = written as f64 / BLOB_BYTES as f64;
        assert!(share <= 1.1, "{share:.3} times what arrived, with a sync every {sync_bytes} bytes");
    }
}
