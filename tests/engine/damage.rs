//! Disks that do not keep what was written: it is told where, and what to do, and the model is on exactly one side.

use std::fs;
use std::path::Path;

use modelferry::disk::{Disk, FaultPlan, Faults};
use modelferry::engine::view::{MigrationView, Stand, State};

use super::controller::Held;
use super::engines::{pair, pair_on};
use super::memory_controller::noise;

/// Changes a byte in the middle of a file, and returns what it was before.
fn damage(file: &Path) -> Vec<u8> {
    let whole = fs::read(file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(file, damaged).unwrap();
    whole
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_damaged_on_its_source_s_disk_ends_the_migration_and_is_named() {
    let (src, dst) = pair(&[noise(1, 1_000_000), noise(2, 1_000_000)]).await;
    let charm = src.controller.inner().site.charms[1];
    let whole = damage(&src.file_of(charm));
    let mid = src.migrate("dst").await;
    let cause = src.ends(mid, Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains(&format!("{}` on this host is damaged", charm.hash)) && cause.contains("b3sum"), "{cause}");
    assert_eq!(src.held(), Held::Live(None));
    dst.ends(mid, Stand::Reverted).await;

    fs::write(src.file_of(charm), whole).unwrap();
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_a_log_damaged_on_its_source_s_disk_is_named_until_it_is_whole_again() {
    let (src, dst) = pair(&[noise(1, 1_000)]).await;
    src.log(3);
    let log = src.controller.inner().site.log.clone();
    let whole = damage(&src.file_of(log[&2]));
    let mid = src.migrate("dst").await;
    let named = format!("{}` on this host is damaged", log[&2].hash);
    let told = |waiting: &Option<String>| waiting.as_ref().is_some_and(|why| why.contains(&named));
    let view = src.until(mid, "the damage is told", |view| told(&view.waiting)).await;
    assert_eq!((view.state, src.held()), (State::Handed, Held::Frozen(mid)));
    fs::write(src.file_of(log[&2]), whole).unwrap();
    src.ends(mid, Stand::Moved).await;
    assert_eq!(dst.controller.inner().site.log, log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_of_a_log_that_the_target_cannot_take_is_told_at_the_source() {
    let (src, dst) = pair(&[noise(1, 1_000)]).await;
    src.log(3);
    let log = src.controller.inner().site.log.clone();
    // Nothing can be written where a directory is.
    let obstacle = dst.dir.path().join("partial").join(log[&2].hash.to_string());
    fs::create_dir_all(&obstacle).unwrap();
    let mid = src.migrate("dst").await;
    let told = format!("the target: cannot take blob {}", log[&2].hash);
    src.until(mid, "the target's trouble is told", |view| {
        view.state == State::Handed && view.waiting.as_ref().is_some_and(|why| why.contains(&told))
    })
    .await;
    fs::remove_dir(&obstacle).unwrap();
    src.ends(mid, Stand::Moved).await;
    assert_eq!(dst.controller.inner().site.log, log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_when_the_first_blob_is_offered_makes_the_migration_wait() {
    // A target that was restarted on a full disk was offered every blob anew, had no room for the first, and dropped
    // the migration; only what was in the middle of a blob waited.
    let faults = Faults::default();
    let (src, dst) = pair_on(&[b"version: 12\n".to_vec(), noise(1, 2 << 20)], Disk::faulty(&faults)).await;
    // Enough for the precheck, and less than what the store leaves to the controller.
    faults.set(FaultPlan { free_bytes: Some(7 << 19), ..FaultPlan::default() });
    let mid = src.migrate("dst").await;
    let says_full = |view: &MigrationView| view.waiting.as_ref().is_some_and(|why| why.contains("disk is full"));
    dst.until(mid, "the target waits for room", says_full).await;
    src.until(mid, "the source knows why", says_full).await;
    faults.set(FaultPlan::default());
    src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
}

/// It was taken for a fault of the store, which ended the migration.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_file_descriptors_waits_for_them_and_takes_the_model() {
    let faults = Faults::default();
    let (src, dst) = pair_on(&[b"version: 12\n".to_vec(), noise(1, 2 << 20)], Disk::faulty(&faults)).await;
    faults.set(FaultPlan { opens_without_descriptor: 20, ..FaultPlan::default() });
    let mid = src.migrate("dst").await;
    src.ends(mid, Stand::Moved).await;
    dst.ends(mid, Stand::Moved).await;
    assert_eq!(faults.opens_without_descriptor(), 0, "none was missing");
}
