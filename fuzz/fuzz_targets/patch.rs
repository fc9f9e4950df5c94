//! Whatever is called a patch makes a blob of at most the bytes that were asked for, or is refused.
#![no_main]

use std::io::Read;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use modelferry::patch::{Applying, MAGIC, make};

/// Bytes of the blob that is asked for.
const BLOB_BYTES: u64 = 100_000;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (base, rest) = input;
    let stop = AtomicBool::new(false);
    let patch = [&MAGIC, rest].concat();
    let mut made = Vec::new();
    if let Ok(mut applying) = Applying::begin(base, &patch[..], BLOB_BYTES, &stop)
        && applying.read_to_end(&mut made).is_ok()
    {
        assert_eq!(made.len() as u64, BLOB_BYTES);
    }
    // And the two, taken for blobs, make one another.
    let mut patch = Vec::new();
    if make(rest, base, &mut patch, u64::MAX, &stop).is_ok() {
        let mut made = Vec::new();
        Applying::begin(base, &patch[..], rest.len() as u64, &stop).unwrap().read_to_end(&mut made).unwrap();
        assert_eq!(made, rest);
    }
});
