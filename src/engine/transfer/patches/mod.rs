//! Sends a blob as its difference from a blob that the target holds.
//!
//! A patch is a blob like any other while it travels; the target makes of it what was wanted, and proves that. Whatever
//! goes wrong about it costs time only: the blob is then sent as usual.

mod nearest;
pub mod rebuild;

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::plan::{Answer, Question, Rebuilding};
use modelferry_protocol::snapshot::{BlobRef, Call};
use modelferry_protocol::version::Feature;

use self::nearest::{lineage, nearest};
use self::rebuild::BLOB_BYTES_MAX;
use super::rate;
use super::{TransferError, send};
use crate::config::{Patches, Rate};
use crate::engine::base::conversation::Conversation;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::shared::patching::cost::Job;
use crate::link::Urgency;
use crate::patch;
use crate::store::{Store, StoreError};

/// Bytes of the smallest blob that is patched: below it a round trip more costs more than is saved.
const BLOB_BYTES_MIN: u64 = 64 << 10;
/// Samples of a blob that tell how it compresses, and the bytes of each.
const SAMPLES: u64 = 8;
const SAMPLE_BYTES: usize = 64 << 10;
/// Patches that were made and have not arrived yet, of migrations that were cut or given up.
const MADE_MAX: usize = 16;

/// Why a blob is not patched.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no patch: {0}")]
    Patch(#[from] patch::PatchError),
    #[error("the target says: {0}")]
    There(String),
}

/// Has the target make what it can of the blobs of these calls, where that is faster than sending them.
///
/// Safe to be dropped at any point, and to be begun again on another connection.
/// Errors: [`TransferError::Closed`]; anything else leaves the blob to be sent.
pub async fn ahead(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    calls: &[Call],
) -> Result<(), TransferError> {
    if core.parts.settings.patches == Patches::Off || !conversation.session.agreed().has(Feature::Patches) {
        return Ok(());
    }
    let worked = work(core, conversation, tracked, calls).await;
    tracked.set_waiting(None);
    match worked {
        Err(Trouble::Transfer(closed @ TransferError::Closed(_))) => Err(closed),
        Err(trouble) => {
            tracing::warn!(migration = %tracked.terms.mid, "blobs are sent without patches: {trouble}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Remembers what the target holds now under the names of these calls: the next versions are compared with it.
pub async fn remember(core: &Core, calls: &[Call]) {
    if core.parts.settings.patches == Patches::Off {
        return;
    }
    let store = core.parts.store.clone();
    let sent = calls.iter().filter_map(lineage).map(|(name, blob)| (name, blob.hash)).collect();
    if let Err(error) = Core::blocking(move || store.remember_versions(sent)).await {
        tracing::warn!("the names of what was sent cannot be remembered: {error}");
    }
}

async fn work(core: &Core, conversation: &Conversation, tracked: &Tracked, calls: &[Call]) -> Result<(), Trouble> {
    let mut wanted: Vec<(String, BlobRef)> = calls.iter().filter_map(lineage).collect();
    wanted.retain(|(_, blob)| (BLOB_BYTES_MIN..=BLOB_BYTES_MAX).contains(&blob.bytes));
    wanted.sort_by_key(|(_, blob)| *blob);
    wanted.dedup_by_key(|(_, blob)| *blob);
    let Some(rate) = link_rate(core, tracked).await?.filter(|_| !wanted.is_empty()) else { return Ok(()) };
    let held = ask_held(conversation, wanted.iter().map(|(_, blob)| *blob)).await?;
    let lacking = wanted.into_iter().zip(held).filter(|((_, blob), held)| *held < blob.bytes).collect::<Vec<_>>();
    if lacking.is_empty() {
        return Ok(());
    }
    let store = core.parts.store.clone();
    let all = Arc::new(Core::blocking(move || store.blobs()).await?);
    for ((name, blob), held) in lacking {
        if core.patching.known.lock().is_given_up(blob.hash) {
            continue;
        }
        let (store, all) = (core.parts.store.clone(), all.clone());
        let bases = Core::blocking(move || nearest(&store, blob, &name, &all)).await?;
        let there = match bases.is_empty() {
            true => Vec::new(),
            false => ask_held(conversation, bases.iter().copied()).await?,
        };
        let Some((base, _)) = bases.into_iter().zip(there).find(|(base, held)| *held == base.bytes) else { continue };
        let found = format!("comparing a binary of {} bytes with one that the target holds", blob.bytes);
        tracked.set_waiting(Some(found));
        match one(core, conversation, tracked, blob, base, held, rate).await {
            Err(Trouble::Transfer(error)) => return Err(error.into()),
            Err(Trouble::Patch(patch::PatchError::Stopped)) => {
                tracing::debug!(blob = %blob.hash, "no time for a patch")
            }
            Err(trouble) => {
                tracing::warn!(blob = %blob.hash, "sent without a patch: {trouble}");
                core.patching.known.lock().refuse(blob.hash);
            }
            Ok(()) => {}
        }
        tracked.set_waiting(None);
    }
    Ok(())
}

/// Returns the bytes per second that the link takes, by what was measured and what it is held to; nothing if neither is known.
async fn link_rate(core: &Core, tracked: &Tracked) -> Result<Option<f64>, Trouble> {
    let (store, peer) = (core.parts.store.clone(), tracked.peer);
    let last = Core::blocking(move || store.rate(peer)).await?.map(|rate| rate.bytes_per_second);
    let peer_name = &*tracked.terms.peer;
    let caps = core.parts.link.caps().into_iter();
    let caps = caps.filter(|cap| cap.peer.as_deref().is_none_or(|peer| peer == peer_name)).filter_map(|cap| cap.now);
    let own = tracked.orders().bits_per_second_max.map(Rate::of_bits);
    let least = caps.chain(own).map(Rate::bytes).chain(last).min();
    Ok(least.map(|bytes| bytes.max(1) as f64))
}

/// Asks how much of each blob the target holds.
async fn ask_held(conversation: &Conversation, blobs: impl Iterator<Item = BlobRef>) -> Result<Vec<u64>, Trouble> {
    let answer = conversation.ask(Question::HeldEach(Bounded::truncated(blobs.collect()))).await;
    let answer = answer.map_err(TransferError::Closed)?;
    match answer {
        Answer::HeldEach(held) => Ok(held.to_vec()),
        Answer::Failed(text) => Err(Trouble::There(text.into_string())),
        _ => Err(Trouble::There("it answered another question".to_owned())),
    }
}

/// Has the target make one blob of which it holds `held` bytes, if that pays.
async fn one(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    blob: BlobRef,
    base: BlobRef,
    held: u64,
    rate: f64,
) -> Result<(), Trouble> {
    let store = core.parts.store.clone();
    let job = Core::blocking(move || job(&store, blob, base, held)).await?;
    // Whoever prunes the store knows nothing of a patch.
    let lease = core.parts.store.lease_with_puts();
    let patch = match already_made(core, blob, base).await? {
        Some(patch) => patch,
        None if !core.patching.known.lock().cost.promises(&job, rate) => return Ok(()),
        None => make(core, tracked.urgency(), &job, blob, base).await?,
    };
    lease.narrow([patch.hash]);
    if !core.patching.known.lock().cost.pays(&job, patch.bytes, rate) {
        return forget(core, patch).await;
    }
    tracing::info!(blob = %blob.hash, blob_bytes = blob.bytes, patch_bytes = patch.bytes, "sent as a patch");
    tracked.set_waiting(None);
    send::name(&conversation.session, tracked.terms.mid, &[blob]).await.map_err(TransferError::Closed)?;
    rate::send(core, conversation, tracked, &[patch]).await?;
    tracked.set_waiting(Some(format!("the target makes a binary of {} bytes of one that it holds", blob.bytes)));
    let (asked, rtt) = (Instant::now(), conversation.session.rtt());
    let question = Question::Rebuild(Rebuilding { mid: tracked.terms.mid, blob, base, patch });
    core.patching.known.lock().ask_for(blob.hash);
    let answer = conversation.ask(question).await.map_err(TransferError::Closed)?;
    core.patching.known.lock().unmade.remove(&blob.hash);
    forget(core, patch).await?;
    match answer {
        Answer::Bytes(_) => {
            core.patching.known.lock().cost.applied(&job, asked.elapsed().saturating_sub(rtt));
            tracked.counters.meet(blob.hash, blob.bytes);
            Ok(())
        }
        Answer::Failed(text) => Err(Trouble::There(text.into_string())),
        _ => Err(Trouble::There("it answered another question".to_owned())),
    }
}

/// Returns the patch that was made before the connection was cut, if it is still there.
async fn already_made(core: &Core, blob: BlobRef, base: BlobRef) -> Result<Option<BlobRef>, Trouble> {
    let known = core.patching.known.lock().made.iter().find(|made| (made.0, made.1) == (blob.hash, base.hash)).copied();
    let Some((.., patch)) = known else { return Ok(None) };
    let store = core.parts.store.clone();
    Ok(Core::blocking(move || store.size(patch.hash)).await?.map(|_| patch))
}

/// Says what there is to do, and what sending would put on the wire.
fn job(store: &Store, blob: BlobRef, base: BlobRef, held: u64) -> Result<Job, Trouble> {
    let (new, old) = (store.open_blob(blob.hash)?, store.open_blob(base.hash)?);
    let survey = patch::survey(&new, &old)?;
    let lacking = store.lacking(blob, base)?.min(blob.bytes - held.min(blob.bytes));
    Ok(Job { survey, wire: lacking as f64 * compressed_part(&new, blob.bytes)? })
}

/// Returns how many bytes a byte of the blob is compressed to, by samples.
fn compressed_part(blob: &File, bytes: u64) -> Result<f64, patch::PatchError> {
    let (mut plain, mut wire) = (0, 0);
    let mut sample = vec![0; SAMPLE_BYTES.min(bytes as usize)];
    for number in 0..SAMPLES {
        let offset = (bytes - sample.len() as u64) / SAMPLES * number;
        patch::Bytes::fill_at(blob, &mut sample, offset)?;
        plain += sample.len();
        wire += zstd::bulk::compress(&sample, 1)?.len().min(sample.len());
    }
    Ok(wire as f64 / plain.max(1) as f64)
}

/// Makes a patch, puts it into the store, and learns how long that takes.
async fn make(core: &Core, urgency: Urgency, job: &Job, blob: BlobRef, base: BlobRef) -> Result<BlobRef, Trouble> {
    let turn = core.patching.turns.take(urgency).await;
    let (store, stopped, bytes_max) = (core.parts.store.clone(), turn.stop(), job.wire as u64);
    let begun = Instant::now();
    let patch = Core::blocking(move || made(&store, blob, base, bytes_max, &stopped)).await;
    if let Err(Trouble::Patch(patch::PatchError::TooLarge { bytes_max })) = &patch {
        core.patching.known.lock().cost.made(job, *bytes_max, begun.elapsed());
    }
    let patch = patch?;
    let oldest = {
        let mut known = core.patching.known.lock();
        known.cost.made(job, patch.bytes, begun.elapsed());
        known.made.push((blob.hash, base.hash, patch));
        (known.made.len() > MADE_MAX).then(|| known.made.remove(0).2)
    };
    if let Some(oldest) = oldest {
        forget(core, oldest).await?;
    }
    Ok(patch)
}

fn made(store: &Store, blob: BlobRef, base: BlobRef, bytes_max: u64, stop: &AtomicBool) -> Result<BlobRef, Trouble> {
    let (new, old) = (store.open_blob(blob.hash)?, store.open_blob(base.hash)?);
    let mut scratch = BufWriter::new(store.scratch()?);
    patch::make(&new, &old, &mut scratch, bytes_max, stop)?;
    scratch.flush().map_err(patch::PatchError::Io)?;
    let mut scratch = scratch.into_inner().map_err(|error| patch::PatchError::Io(error.into_error()))?;
    scratch.rewind().map_err(patch::PatchError::Io)?;
    Ok(store.put(&mut scratch)?)
}

/// Removes a patch that has done its work, or has none to do.
async fn forget(core: &Core, patch: BlobRef) -> Result<(), Trouble> {
    core.patching.known.lock().made.retain(|(.., made)| *made != patch);
    let store = core.parts.store.clone();
    Ok(Core::blocking(move || store.remove(patch.hash)).await?)
}
