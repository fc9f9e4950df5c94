//! Patches between agents that are processes: in how much memory, and what a kill makes of them.

use std::fs;
use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::host::Host;

/// What either side may use while patches are made and applied, whatever the size.
const MEMORY_BYTES_MAX: u64 = 192 << 20;
const AUTO: &str = "[transfer]\npatches = \"auto\"\n";
const MODEL: &str = r#"version: 12
agent-version: 3.6.23
type: iaas
owner: admin
config: {agent-version: 3.6.23, name: NAME, type: openstack, uuid: UUID}
users:
  version: 1
  users: [{name: admin, created-by: admin, date-created: 2026-08-21T09:00:00Z, access: admin}]
applications:
  version: 13
  applications: [{name: payload, type: iaas, charm-url: "ch:amd64/NAME"}]
cloud: nimbus
cloud-region: north-1
volumes: {version: 1, volumes: []}
meter-status: {code: NOT SET, info: ""}
"#;

fn noise(seed: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_derive_key("modelferry test noise").update(seed.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A wheel of so many members of 1 MiB, and of a large one; `fresh` bytes of it are new in each version.
fn wheel(version: &str, members: usize, large: usize, fresh: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let options = options.compression_level(Some(if version == "old" { 2 } else { 1 }));
    for n in 0..members {
        writer.start_file(format!("lib/{n}.so"), options).unwrap();
        // Half of it is text.
        writer.write_all(&noise(&n.to_string(), 1 << 19)).unwrap();
        writer.write_all(&b"somewhat repetitive ".repeat((1 << 19) / 20)).unwrap();
    }
    // An archive without it is no charm.
    writer.start_file("metadata.yaml", options).unwrap();
    writer.write_all(b"name: payload\n").unwrap();
    writer.start_file("bin/tool", options).unwrap();
    writer.write_all(&noise(version, fresh)).unwrap();
    writer.write_all(&noise("large", large)).unwrap();
    writer.finish().unwrap().into_inner()
}

/// Imports a model whose one charm is this.
fn import(host: &Host, name: &str, charm: &[u8]) {
    let dir = host.dir.path().join(name);
    fs::create_dir_all(dir.join("blobs/charms")).unwrap();
    fs::write(dir.join(format!("blobs/charms/ch:amd64_{name}")), charm).unwrap();
    let uuid = uuid::Uuid::new_v4().to_string();
    fs::write(dir.join("model.yaml"), MODEL.replace("NAME", name).replace("UUID", &uuid)).unwrap();
    let (model, blobs) = (dir.join("model.yaml"), dir.join("blobs"));
    host.run(&["embedded", "import", model.to_str().unwrap(), "--blobs", blobs.to_str().unwrap()]).ok();
}

/// Two hosts that send patches, on a link of so much, of which both hold the old wheel, with the new one on the first.
fn ready(old: &[u8], new: &[u8], rate: &str) -> (Host, Host) {
    let (mut src, mut dst) = (Host::with("src", AUTO), Host::with("dst", AUTO));
    src.start();
    dst.start();
    src.pair(&dst);
    import(&src, "wheel-1", old);
    src.run(&["migrate", "wheel-1", "dst", "--wait"]).ok();
    import(&src, "wheel-2", new);
    src.run(&["limit", rate]).ok();
    (src, dst)
}

fn arrived(dst: &Host, new: &[u8]) {
    let exported = dst.export("wheel-2");
    let arrived = fs::read(exported.join("charms/ch:amd64_wheel-2")).unwrap();
    assert!(arrived == new, "what arrived is {} bytes, sent were {}", arrived.len(), new.len());
}

fn bytes(src: &Host, model: &str, which: &str) -> u64 {
    src.migration(model)["migration"]["bytes"][which].as_u64().unwrap()
}

#[test]
fn a_large_wheel_is_patched_in_bounded_memory() {
    let (old, new) = (wheel("old", 90, 30 << 20, 0), wheel("new", 90, 30 << 20, 100_000));
    assert!(new.len() > 75_000_000);
    let (src, dst) = ready(&old, &new, "4mbit");
    src.run(&["migrate", "wheel-2", "dst", "--wait"]).ok();
    arrived(&dst, &new);
    assert!(bytes(&src, "wheel-2", "sent-wire") * 20 < new.len() as u64, "{}", src.migration("wheel-2"));
    for host in [&src, &dst] {
        let peak = host.peak_memory_bytes();
        assert!(peak <= MEMORY_BYTES_MAX, "{} used {} MiB", host.name, peak >> 20);
    }
}

#[test]
fn either_side_killed_while_a_patch_travels_goes_on_where_it_was() {
    // A patch of 2 MB, which takes 4 seconds.
    let (old, new) = (wheel("old", 10, 4 << 20, 0), wheel("new", 10, 4 << 20, 2_000_000));
    let (mut src, mut dst) = ready(&old, &new, "4mbit");
    src.run(&["migrate", "wheel-2", "dst"]).ok();
    for side in ["dst", "src"] {
        src.until("some of the patch is held", |src| {
            let view = &src.migration("wheel-2")["migration"];
            (view["bytes"]["sent"].as_u64()? > 0 || view["ended-ms"].is_u64()).then_some(())
        });
        let host = if side == "src" { &mut src } else { &mut dst };
        host.kill();
        host.start();
    }
    src.run(&["wait", "wheel-2"]).ok();
    arrived(&dst, &new);
    // Counted since the source was started anew: the patch, and not the wheel. All of it is on its way at once, and is sent
    // again where two hosts that have just started call each other, and one of the two connections goes.
    assert!(bytes(&src, "wheel-2", "sent") < 6_500_000, "{}", src.migration("wheel-2"));
    let left = |host: &Host| fs::read_dir(host.dir.path().join("state/partial")).unwrap().count();
    assert_eq!((left(&src), left(&dst)), (0, 0));
}
