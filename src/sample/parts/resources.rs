//! Resources, as applications and units name them.

use crate::sample::kit::{Resource, Sample};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// Returns the version of the wrapper around resources.
pub(super) fn resources_version(sample: &Sample) -> u32 {
    if sample.document > 12 { 2 } else { 1 }
}

/// Returns one revision of a resource, as an application or a unit names it.
pub(in crate::sample) fn revision(resource: &Resource<'_>, sample: &Sample, seed: &mut Seed) -> Node {
    let hash = resource.binary.map(|binary| binary.sha384.clone()).unwrap_or_default();
    let size = resource.binary.map_or(0, |binary| binary.bytes);
    let head = map! { "revision": resource.revision, "type": resource.kind };
    let body = if sample.document > 12 {
        map! { "origin": "store", "sha384": hash, "size": size }
    } else {
        let path = if resource.kind == "file" { format!("{}.tar.zst", resource.name) } else { String::new() };
        map! { "path": path, "description": "", "origin": "store", "fingerprint": hash, "size": size }
    };
    head.and(body).and(map! { "timestamp": resource.binary.map(|_| seed.time(90)) })
}
