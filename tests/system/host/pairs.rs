//! Pairs of hosts, and a model that is large enough for a transfer to be looked at.

use modelferry::sample::{Sample, SampleFiles};

use super::Host;

/// A source and such a destination, started and paired, the sample's users known on both.
pub fn towards(dst: Host) -> (Host, Host) {
    joined(Host::new("src"), dst)
}

/// Starts two hosts, pairs them, and adds the users of the samples to both.
pub fn joined(mut src: Host, mut dst: Host) -> (Host, Host) {
    src.start();
    dst.start();
    src.pair(&dst);
    src.add_users();
    dst.add_users();
    (src, dst)
}

/// Bytes of [`big`].
pub const BIG: u64 = 16 << 20;
/// A limit under which [`big`] takes a quarter of a minute.
pub const THIN: &str = "8mbit";

/// A model large enough, under [`THIN`], for a transfer to last until somebody has looked at it.
pub fn big() -> Sample {
    Sample { size_bytes: BIG, ..Sample::default() }
}

/// Waits until both hosts are connected.
pub fn meet(hosts: [&Host; 2]) {
    hosts.iter().for_each(|host| host.until("peers are connected", |host| host.connected().then_some(())));
}

/// A pair of hosts, and the sample imported on the first.
pub fn ready(sample: &Sample) -> (Host, Host, SampleFiles) {
    let (src, dst) = towards(Host::new("dst"));
    let files = src.import(sample);
    (src, dst, files)
}
