//! Whatever is called an archive is cut into chunks that are the blob, is surveyed, and is a base for a patch, or is taken for any file.
#![no_main]

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use modelferry::disk::Disk;
use modelferry::patch::{Applying, kinship, make, survey};
use modelferry::store::Store;
use modelferry_protocol::ids::Hash;

static STORE: LazyLock<(tempfile::TempDir, Store)> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a directory");
    let store = Store::open(dir.path(), Disk::real()).expect("a store");
    (dir, store)
});

/// Cuts the archive as a source does, and puts its chunks together.
fn cut(archive: &[u8]) {
    let store = &STORE.1;
    let blob = store.put_bytes(archive).expect("there is room");
    let (mut index, mut whole) = (0, Vec::new());
    loop {
        let page = store.page(blob, index).expect("it is here");
        assert_eq!((page.index, page.offset), (index, whole.len() as u64));
        for chunk in page.chunks.iter() {
            let at = whole.len();
            let bytes = &archive[at..at + chunk.bytes as usize];
            assert_eq!(Hash::of(bytes), chunk.hash);
            whole.extend_from_slice(bytes);
        }
        if page.last {
            break;
        }
        index += 1;
    }
    assert_eq!(whole, archive);
    store.remove(blob.hash).expect("nobody reads it");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let (base, blob) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    cut(base);
    // Both read members, and yield nothing of what is none.
    let _ = (survey(blob, base), kinship(blob, base));
    let (stop, mut patch) = (AtomicBool::new(false), Vec::new());
    if make(blob, base, &mut patch, u64::MAX, &stop).is_ok() {
        let mut made = Vec::new();
        Applying::begin(base, &patch[..], blob.len() as u64, &stop).unwrap().read_to_end(&mut made).unwrap();
        assert_eq!(made, blob);
    }
});
