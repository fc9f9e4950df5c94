//! What travels of a binary of which the target holds another version.

use std::fs;
use std::io::{Cursor, Write};

use modelferry::config::Patches;
use modelferry::engine::view::{Bytes, Stand};
use modelferry::link::Limit;
use modelferry::patch::MAGIC;
use modelferry_protocol::ids::Hash;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::controller::{Held, MODEL};
use super::engines::{Host, pair_each, pair_with};
use super::memory_controller::noise;

/// A charm packed at a level of deflate, with a line more in one of its files or without.
fn charm(level: i64, line: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for n in 0..40 {
        writer.start_file(format!("lib/m{n}.py"), options.compression_level(Some(level))).unwrap();
        for byte in noise(n, 2500) {
            writeln!(writer, "    self.field_{byte} = config.get(\"{}\", {n})", byte % 7).unwrap();
        }
    }
    writer.start_file("src/charm.py", options).unwrap();
    writeln!(writer, "import ops\n{line}").unwrap();
    writer.finish().unwrap().into_inner()
}

/// The description of a model.
fn described() -> Vec<u8> {
    b"version: 12\n".to_vec()
}

/// Two hosts on a slow link, both of which hold `base`, with a model of `new` on the first.
async fn ready(base: &[u8], new: &[u8], patches: Patches) -> (Host, Host) {
    ready_each(base, new, [patches, patches]).await
}

/// Likewise, each with its own mind about patches.
async fn ready_each(base: &[u8], new: &[u8], patches: [Patches; 2]) -> (Host, Host) {
    let (src, dst) = pair_each(&[described(), base.to_vec()], patches).await;
    dst.controller.hold(&[base.to_vec()]);
    dst.controller.inner().site.held = Held::Absent;
    src.controller.hold(&[described(), new.to_vec()]);
    src.link().limit(None, Limit::AtMost("1mbit".parse().unwrap())).await.unwrap();
    (src, dst)
}

/// Moves the model, and returns what was counted. The target proves every blob when it takes the model in.
async fn moved(src: &Host, dst: &Host) -> Bytes {
    let mid = src.migrate("dst").await;
    let bytes = src.ends(mid, Stand::Moved).await.bytes;
    dst.ends(mid, Stand::Moved).await;
    bytes
}

/// Returns how many patches lie in a host's store.
fn patches(host: &Host) -> usize {
    let blobs = fs::read_dir(host.dir.path().join("blobs")).unwrap();
    blobs.filter(|blob| fs::read(blob.as_ref().unwrap().path()).unwrap().starts_with(&MAGIC)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charm_packed_again_at_another_level_costs_under_a_twentieth_of_its_size() {
    let (base, new) = (charm(9, ""), charm(1, "# a line more"));
    let (src, dst) = ready(&base, &new, Patches::Auto).await;
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent_wire * 20 < new.len() as u64, "{bytes:?}");
    assert!(bytes.reused * 20 > bytes.total * 19, "{bytes:?}");
    assert_eq!(fs::read(dst.dir.path().join("blobs").join(Hash::of(&new).to_string())).unwrap(), new);
    assert_eq!((patches(&src), patches(&dst)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_under_the_same_name_is_compared_without_being_an_archive() {
    let base = noise(1, 300_000);
    let edited: Vec<u8> = base.chunks(3000).flat_map(|some| [some, b"!".as_slice()].concat()).collect();
    let (src, dst) = pair_with(&[described(), base], Patches::Auto).await;
    moved(&src, &dst).await;
    // The next revision of the same charm: no chunk of it is the same.
    dst.controller.inner().site.held = Held::Absent;
    src.controller.hold(&[described(), edited]);
    src.link().limit(None, Limit::AtMost("1mbit".parse().unwrap())).await.unwrap();
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent_wire * 20 < bytes.total, "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_precopy_has_brought_is_what_the_next_version_is_compared_with() {
    let base = noise(2, 300_000);
    let edited: Vec<u8> = base.chunks(3000).flat_map(|some| [some, b"!".as_slice()].concat()).collect();
    let (src, dst) = pair_with(&[described(), base], Patches::Auto).await;
    let view = src.engine().precopy(MODEL, "dst", None, "test").await.unwrap();
    src.ends(view.mid.parse().unwrap(), Stand::Copied).await;
    src.controller.hold(&[described(), edited]);
    src.link().limit(None, Limit::AtMost("1mbit".parse().unwrap())).await.unwrap();
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent_wire * 20 < bytes.total, "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precopy_sends_patches_as_a_migration_does() {
    let (base, new) = (charm(9, ""), charm(1, "# a line more"));
    let (src, dst) = ready(&base, &new, Patches::Auto).await;
    let view = src.engine().precopy(MODEL, "dst", None, "test").await.unwrap();
    let bytes = src.ends(view.mid.parse().unwrap(), Stand::Copied).await.bytes;
    assert!(bytes.sent_wire * 20 < new.len() as u64 && bytes.held == bytes.total, "{bytes:?}");
    assert_eq!(fs::read(dst.dir.path().join("blobs").join(Hash::of(&new).to_string())).unwrap(), new);
    assert_eq!((patches(&src), patches(&dst)), (0, 0));
    assert_eq!(moved(&src, &dst).await.sent, 0, "the migration has nothing left to send");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_the_target_has_no_longer_as_it_was_leaves_the_charm_to_be_sent() {
    let (base, new) = (charm(9, ""), charm(1, ""));
    let (src, dst) = ready(&base, &new, Patches::Auto).await;
    // As large as it was, and something else.
    let place = dst.dir.path().join("blobs").join(Hash::of(&base).to_string());
    fs::write(&place, noise(1, base.len())).unwrap();
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent >= new.len() as u64, "{bytes:?}");
    assert_eq!(fs::read(dst.dir.path().join("blobs").join(Hash::of(&new).to_string())).unwrap(), new);
    assert_eq!((patches(&src), patches(&dst)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_told_to_an_agent_sends_no_patch() {
    let (base, new) = (charm(9, ""), charm(1, ""));
    let (src, dst) = ready(&base, &new, Patches::default()).await;
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent * 2 > new.len() as u64, "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_patches_travel_is_for_their_source_to_say() {
    let (base, new) = (charm(9, ""), charm(1, ""));
    let (src, dst) = ready_each(&base, &new, [Patches::Auto, Patches::Off]).await;
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent_wire * 20 < new.len() as u64, "whoever sends none applies them all the same: {bytes:?}");
    let (src, dst) = ready_each(&base, &new, [Patches::Off, Patches::Auto]).await;
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent * 2 > new.len() as u64, "whoever would send some gets none: {bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_fast_link_nothing_is_opened() {
    let (base, new) = (charm(9, ""), charm(1, ""));
    let (src, dst) = ready(&base, &new, Patches::Auto).await;
    src.link().limit(None, Limit::AtMost("10gbit".parse().unwrap())).await.unwrap();
    let bytes = moved(&src, &dst).await;
    assert!(bytes.sent * 2 > new.len() as u64, "{bytes:?}");
}
