//! What a peer sends fills no more of the disk than what it has named, and not what is to stay free.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use modelferry::disk::{Disk, FaultPlan, Faults};
use modelferry::engine::view::{Stand, State};
use modelferry::link::RightsChange;
use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::ids::{Hash, MigrationId};
use modelferry_protocol::limits::{CHUNK_BYTES_MAX, PAGE_CHUNKS_MAX};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::message::{BlobPage, Handle, Message};
use modelferry_protocol::plan::{Answer, BackupRequest, Question};
use modelferry_protocol::snapshot::BlobRef;

use super::controller::MODEL;
use super::engines::{Host, third};
use super::liar::{LIAR, Liar, mid, model};
use super::memory_controller::noise;

const MIB: u64 = 1 << 20;
/// What a peer may cost beyond what it has named.
const BEYOND_MAX: u64 = MIB;

/// Bytes of the disk that the files below a directory take.
fn taken(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let bytes = |path: std::path::PathBuf| match path.is_dir() {
        true => taken(&path),
        false => fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512),
    };
    entries.map(bytes).sum()
}

/// The one chunk that everything is made of.
fn chunk() -> (Vec<u8>, ChunkRef) {
    let plain = vec![0; CHUNK_BYTES_MAX as usize];
    let hash = Hash::of(&plain);
    (plain, ChunkRef { hash, bytes: CHUNK_BYTES_MAX })
}

/// A blob of so many of that chunk.
fn zeros(chunks: u64) -> BlobRef {
    let plain = vec![0; (chunks * u64::from(CHUNK_BYTES_MAX)) as usize];
    BlobRef { hash: Hash::of(&plain), bytes: plain.len() as u64 }
}

/// A page of such a blob.
fn page(handle: Handle, index: u32, chunks: usize, last: bool) -> Message {
    let offset = u64::from(index) * PAGE_CHUNKS_MAX as u64 * u64::from(CHUNK_BYTES_MAX);
    let chunks = Bounded::new(vec![chunk().1; chunks]).unwrap();
    Message::BlobPage(BlobPage { handle, page: Page { index, offset, last, chunks } })
}

/// Offers a model, and has the host hold one chunk of zeros.
async fn with_a_chunk(liar: &mut Liar, host: &Host, mid: MigrationId) {
    liar.say(liar.offer(mid, model(9))).await;
    host.until(mid, "the offer is there", |view| view.state == State::Receiving).await;
    liar.say(liar.names(mid, &[zeros(1)])).await;
    liar.say(liar.blob_offer(1, mid, zeros(1))).await;
    liar.say(page(1, 0, 1, true)).await;
    assert!(!liar.is_held(1).await);
    liar.is_asked_for(1).await;
    liar.send_chunk(1, 0, 0, &chunk().0).await;
    liar.is_done(1).await;
}

/// 91 kB filled 600 MB of the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_not_named_reaches_no_disk_and_pages_of_one_chunk_fill_what_is_named_and_no_more() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    with_a_chunk(&mut liar, &host, mid(1)).await;
    let before = taken(host.dir.path());
    // Not named; named for another migration; named with another size.
    let huge = BlobRef { hash: Hash([7; 32]), bytes: 600 * MIB };
    liar.say(liar.names(mid(2), &[huge])).await;
    liar.say(liar.names(mid(1), &[BlobRef { bytes: 1, ..huge }, zeros(16)])).await;
    liar.say(liar.blob_offer(2, mid(1), huge)).await;
    liar.say(liar.blob_offer(3, mid(2), huge)).await;
    let mut sent = 0;
    for index in 0..2 {
        let message = page(2, index, PAGE_CHUNKS_MAX, false);
        sent += message.to_frame().len() as u64;
        liar.say(message).await;
    }
    assert!(sent > 70_000, "{sent}");
    // What is named is made of what is here, and is no more than that.
    liar.say(liar.blob_offer(4, mid(1), zeros(16))).await;
    assert!(!liar.is_held(4).await);
    liar.say(page(4, 0, 16, true)).await;
    liar.is_done(4).await;
    let grown = taken(host.dir.path()) - before;
    assert!(grown <= zeros(16).bytes + BEYOND_MAX, "{grown} bytes");
    assert_eq!(host.store().size(huge.hash).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_the_named_size_ends_its_migration_alone() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    with_a_chunk(&mut liar, &host, mid(1)).await;
    let before = taken(host.dir.path());
    let small = BlobRef { bytes: u64::from(CHUNK_BYTES_MAX) + 1, hash: Hash([8; 32]) };
    liar.say(liar.names(mid(1), &[small])).await;
    liar.say(liar.blob_offer(2, mid(1), small)).await;
    liar.say(page(2, 0, PAGE_CHUNKS_MAX, false)).await;
    host.ends(mid(1), Stand::Reverted).await;
    let grown = taken(host.dir.path()).saturating_sub(before);
    assert!(grown <= BEYOND_MAX, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_blob_with_two_sizes_or_too_large_a_one_ends_its_migration() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    let blob = BlobRef { hash: Hash([7; 32]), bytes: 1 };
    for (number, other) in [(1, BlobRef { bytes: 2, ..blob }), (2, BlobRef { bytes: u64::MAX, hash: Hash([8; 32]) })] {
        liar.say(liar.offer(mid(number), MODEL)).await;
        liar.say(liar.names(mid(number), &[blob])).await;
        liar.say(liar.names(mid(number), &[other])).await;
        let cause = host.ends(mid(number), Stand::Reverted).await.cause.unwrap();
        assert!(cause.contains("it names"), "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_snapshot_of_one_migration_is_not_stored_and_ends_it() {
    let mut host = Host::start_apart("dst", None).await;
    let mut liar = Liar::beside(&mut host).await;
    liar.say(liar.offer(mid(1), MODEL)).await;
    let missing = |number: u8| BlobRef { hash: Hash([number; 32]), bytes: 1 };
    for number in [1, 2] {
        liar.say(liar.seal(mid(1), missing(number)).0).await;
    }
    let cause = host.ends(mid(1), Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains("another snapshot"), "{cause}");
    assert!(host.store().size(liar.seal(mid(1), missing(2)).1).unwrap().is_none());
}

/// The host, on a disk of so many MiB free, of which 16 are to stay so.
async fn on_a_disk_with(free_mib: u64) -> (Host, Liar, Faults) {
    let faults = Faults::default();
    let mut host = Host::start_apart_on("dst", Disk::faulty(&faults), 16 * MIB).await;
    let liar = Liar::beside(&mut host).await;
    free(&faults, free_mib);
    (host, liar, faults)
}

fn free(faults: &Faults, mib: u64) {
    faults.set(FaultPlan { free_bytes: Some(mib * MIB), ..FaultPlan::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_names_is_held_to_what_the_disk_keeps_free_and_another_peer_s_model_comes_in() {
    let (host, mut liar, faults) = on_a_disk_with(40).await;
    with_a_chunk(&mut liar, &host, mid(1)).await;
    // Each of the two has room, both do not.
    let [first, second] = [7, 8].map(|number| BlobRef { hash: Hash([number; 32]), bytes: 15 * MIB });
    liar.say(liar.names(mid(1), &[first])).await;
    liar.say(liar.blob_offer(2, mid(1), first)).await;
    assert!(!liar.is_held(2).await);
    liar.say(liar.names(mid(1), &[second])).await;
    let reason = liar.hold().await;
    assert!(reason.contains("disk is full"), "{reason}");
    // A promise of one peer takes nothing from another.
    let honest = third(&host, "src").await;
    honest.controller.hold(&[noise(1, 10_000)]);
    let moved = honest.migrate("src").await;
    honest.ends(moved, Stand::Moved).await;
    // With room for both it goes on by itself.
    free(&faults, 60);
    assert_eq!(liar.hold().await, "");
    liar.say(liar.blob_offer(3, mid(1), second)).await;
    assert!(!liar.is_held(3).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_keeps_its_reserve_while_a_peer_sends() {
    let (host, mut liar, faults) = on_a_disk_with(40).await;
    with_a_chunk(&mut liar, &host, mid(1)).await;
    let blob = BlobRef { hash: Hash::of(&noise(1, 200_000)), bytes: 200_000 };
    liar.say(liar.names(mid(1), &[blob])).await;
    liar.say(liar.blob_offer(2, mid(1), blob)).await;
    assert!(!liar.is_held(2).await);
    let whole = ChunkRef { hash: blob.hash, bytes: 200_000 };
    let chunks = Bounded::new(vec![whole]).unwrap();
    liar.say(Message::BlobPage(BlobPage { handle: 2, page: Page { index: 0, offset: 0, last: true, chunks } })).await;
    liar.is_asked_for(2).await;
    // Somebody else has filled the disk meanwhile.
    free(&faults, 16);
    liar.send_chunk(2, 0, 0, &noise(1, 200_000)).await;
    assert!(liar.hold().await.contains("disk is full"));
    assert_eq!(host.store().held_bytes(blob).unwrap(), 0);
    free(&faults, 40);
    assert_eq!(liar.hold().await, "");
    liar.is_done(2).await;
}

/// A host that lets the liar hold so much at once, and the liar.
async fn with_quota(quota: &str) -> (Host, Liar) {
    let mut host = Host::start_apart("dst", None).await;
    let liar = Liar::beside(&mut host).await;
    let change = RightsChange { quota: Some(quota.parse().unwrap()), ..RightsChange::default() };
    host.link().set_rights(LIAR, change).await.unwrap();
    (host, liar)
}

/// Offers a model with a binary of one chunk of noise, sends that, and returns it.
async fn bring(host: &Host, liar: &mut Liar, mid: MigrationId, seed: u64) -> BlobRef {
    let plain = noise(seed, 200_000);
    let blob = BlobRef { hash: Hash::of(&plain), bytes: 200_000 };
    liar.say(liar.offer(mid, model(9))).await;
    host.until(mid, "the offer is there", |view| view.state == State::Receiving).await;
    liar.say(liar.names(mid, &[blob])).await;
    liar.say(liar.blob_offer(7, mid, blob)).await;
    assert!(!liar.is_held(7).await);
    let chunks = Bounded::new(vec![ChunkRef { hash: blob.hash, bytes: 200_000 }]).unwrap();
    liar.say(Message::BlobPage(BlobPage { handle: 7, page: Page { index: 0, offset: 0, last: true, chunks } })).await;
    liar.is_asked_for(7).await;
    liar.send_chunk(7, 0, 0, &plain).await;
    liar.is_done(7).await;
    blob
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_names_more_than_its_quota_is_refused_with_the_line_that_allows_it() {
    let (host, mut liar) = with_quota("1MiB").await;
    with_a_chunk(&mut liar, &host, mid(1)).await;
    // With what is here already it is a quarter more.
    liar.say(liar.names(mid(1), &[zeros(4)])).await;
    let cause = host.ends(mid(1), Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains("hold 1 MiB of its disk at once, and these would be 2 MiB"), "{cause}");
    assert!(cause.contains("`modelferry peer set raw --quota 2MiB`"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_has_left_behind_goes_before_its_quota_refuses_more() {
    let (host, mut liar) = with_quota("300KiB").await;
    let mut brought = Vec::new();
    for number in 1..4 {
        brought.push(bring(&host, &mut liar, mid(number), number).await);
        liar.say(liar.abort(mid(number))).await;
        host.ends(mid(number), Stand::Reverted).await;
    }
    let here: Vec<bool> = brought.iter().map(|blob| host.store().size(blob.hash).unwrap().is_some()).collect();
    assert_eq!(here, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_are_kept_for_a_peer_count_against_its_quota() {
    let (host, mut liar) = with_quota("300KiB").await;
    host.link().set_rights(LIAR, RightsChange { keep: Some(true), ..RightsChange::default() }).await.unwrap();
    let description = bring(&host, &mut liar, mid(1), 1).await;
    let (snapshot, root) = liar.snapshot(mid(2), description);
    let keep = Question::Keep(BackupRequest { taken_s: 1, root, snapshot: Bytes::new(snapshot).unwrap() });
    assert_eq!(liar.ask(keep).await, Answer::Bytes(description.bytes));
    liar.say(liar.abort(mid(1))).await;
    host.ends(mid(1), Stand::Reverted).await;
    let more = BlobRef { hash: Hash([7; 32]), bytes: 200_000 };
    liar.say(liar.offer(mid(3), model(9))).await;
    liar.say(liar.names(mid(3), &[more])).await;
    let cause = host.ends(mid(3), Stand::Reverted).await.cause.unwrap();
    assert!(cause.contains("--quota"), "{cause}");
    assert_eq!(host.store().size(description.hash).unwrap(), Some(description.bytes));
}
