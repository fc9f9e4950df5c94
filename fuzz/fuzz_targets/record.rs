//! Whatever a damaged journal or a seal holds decodes or is refused; what is hashed has no second form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry_protocol::codec::{decode, encode};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::SNAPSHOT_BYTES_MAX;
use modelferry_protocol::record::Entry;
use modelferry_protocol::snapshot::Snapshot;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = decode::<Entry>(bytes) {
        assert_eq!(decode::<Entry>(&encode(&entry)).unwrap(), entry);
    }
    if bytes.len() <= SNAPSHOT_BYTES_MAX
        && let Ok(snapshot) = Snapshot::open(bytes, Hash::of(bytes))
    {
        assert_eq!(snapshot.seal().unwrap().0, bytes);
    }
});
