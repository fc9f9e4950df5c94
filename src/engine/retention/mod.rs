//! Retention: lists what the store holds and for whom, and removes the blobs that nothing needs.
//!
//! What nobody needs is not useless: it makes the next transfer small. So it stays for a while, and goes by how long it
//! has not been needed, the longest first where it takes more than the quota. "Since when" is a row, written when a
//! prune first meets a blob that nobody needs, and forgotten when it is needed, offered, stored or lends chunks again.

mod needs;
pub mod quota;
pub mod remote_backup;
pub mod secrets;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Hash;
use tokio::time::{Instant, MissedTickBehavior};

pub use super::view::store::{BlobView, NeedView, PruneView, StoreUse, StoreView};

use self::needs::Needs;
use super::shared::core::Core;
use super::shared::engine::Engine;
use crate::engine::base::error::EngineError;
use crate::store::{Item, StoreError, Sweep};

/// How often the store is pruned by itself.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);
/// How soon what could not be wiped is tried again.
const WIPE_RETRY: Duration = Duration::from_secs(1);
/// Blobs that are listed. 10,000: 4 MiB of an answer that may have 16.
const LISTED_MAX: usize = 10_000;

impl Engine {
    /// Tells what the store holds, and for whom.
    ///
    /// `list`: whether every blob is listed.
    /// Errors: [`EngineError::Store`].
    pub async fn store_view(&self, list: bool) -> Result<StoreView, EngineError> {
        let core = &self.0;
        let needs = needs::gather(core).await;
        let store = core.parts.store.clone();
        let listed = Core::blocking(move || Ok::<_, StoreError>((store.items()?, store.free_bytes()?))).await;
        let (items, free_bytes) = listed?;
        let policy = core.parts.settings.store;
        let mut view = StoreView {
            blobs: 0,
            bytes: 0,
            partials: 0,
            partial_bytes: 0,
            free_bytes,
            retention_s: policy.retention.as_secs(),
            quota_bytes: policy.quota_bytes,
            idle_blobs: 0,
            idle_bytes: 0,
            needed: Vec::new(),
            trouble: needs.trouble.clone(),
            list: Vec::new(),
            unlisted: 0,
        };
        let mut needed: Vec<NeedView> = Vec::new();
        for item in &items {
            let (count, bytes) = if item.complete {
                (&mut view.blobs, &mut view.bytes)
            } else {
                (&mut view.partials, &mut view.partial_bytes)
            };
            (*count, *bytes) = (*count + 1, *bytes + item.held);
            let needed_by = needs.of(item.blob.hash, item.in_use);
            if needed_by.is_empty() {
                (view.idle_blobs, view.idle_bytes) = (view.idle_blobs + 1, view.idle_bytes + item.held);
            }
            for by in needed_by {
                match needed.iter_mut().find(|need| need.by == by) {
                    Some(need) => (need.blobs, need.bytes) = (need.blobs + 1, need.bytes + item.held),
                    None => needed.push(NeedView { by: by.to_owned(), blobs: 1, bytes: item.held }),
                }
            }
        }
        needed.sort_by(|a, b| (b.bytes, &a.by).cmp(&(a.bytes, &b.by)));
        view.needed = needed;
        if list {
            view.list = items.iter().take(LISTED_MAX).map(|item| blob_view(item, &needs, policy.retention)).collect();
            view.unlisted = items.len().saturating_sub(LISTED_MAX) as u64;
        }
        Ok(view)
    }

    /// Removes what nobody needs and nobody has needed for `older_than`, as configured without it; and beyond that the
    /// longest unneeded, until what is left fits the quota.
    ///
    /// Errors: [`EngineError::Unprunable`] where it cannot be told who needs what, [`EngineError::Halted`],
    /// [`EngineError::Store`].
    pub async fn prune(&self, older_than: Option<Duration>, dry_run: bool) -> Result<PruneView, EngineError> {
        self.refuse_if_halted()?;
        prune(&self.0, older_than, dry_run).await
    }

    /// Returns what the last automatic prune found.
    pub fn last_prune(&self) -> Option<StoreUse> {
        self.0.retention.last.lock().clone()
    }
}

/// Prunes the store now and again, and wipes what ended migrations leave of secrets.
pub(super) async fn tend(core: Arc<Core>) -> Infallible {
    let mut tick = tokio::time::interval_at(Instant::now(), PRUNE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut recorded = core.recorded();
    let mut is_wiped = true;
    loop {
        let is_due = tokio::select! {
            _ = tick.tick() => true,
            // A record may have ended a migration.
            Ok(()) = recorded.changed() => false,
            // Whoever drove the migration lets go of its blobs a moment after the last record.
            () = tokio::time::sleep(WIPE_RETRY), if !is_wiped => false,
        };
        if core.halted().is_some() {
            continue;
        }
        is_wiped = secrets::wipe(&core).await.unwrap_or_else(|error| {
            tracing::warn!("secrets of ended migrations are not wiped yet: {error}");
            false
        });
        if !is_due {
            continue;
        }
        match prune(&core, None, false).await {
            Ok(PruneView { blobs: 0, idle_bytes, .. }) => tracing::debug!(idle_bytes, "nothing to prune"),
            Ok(PruneView { blobs, bytes, idle_bytes, .. }) => tracing::info!(blobs, bytes, idle_bytes, "store pruned"),
            Err(error) => tracing::warn!("the store is not pruned: {error}"),
        }
    }
}

async fn prune(core: &Core, older_than: Option<Duration>, dry_run: bool) -> Result<PruneView, EngineError> {
    let _one = core.retention.pruning.lock().await;
    let policy = core.parts.settings.store;
    let retention = older_than.unwrap_or(policy.retention);
    // Before anybody is asked: what is held from now on stays, wherever a name for it becomes durable meanwhile.
    let sweep = core.parts.store.sweep();
    let needs = needs::gather(core).await;
    let store = core.parts.store.clone();
    let items = Core::blocking(move || store.items()).await?;
    let (now_ms, bytes) = (core.clock_ms(), items.iter().map(|item| item.held).sum());
    let needed = |item: &Item| !needs.of(item.blob.hash, item.in_use).is_empty();
    if !needs.trouble.is_empty() {
        let why = needs.trouble.join("; ");
        core.retention.note(StoreUse { time_ms: now_ms, bytes, idle_bytes: 0, trouble: Some(why.clone()) });
        return Err(EngineError::Unprunable(why));
    }
    let mut idle: Vec<Item> = items.into_iter().filter(|item| !needed(item)).collect();
    for item in &mut idle {
        // A clock that was set back must not keep it for ever.
        item.idle_since_ms = Some(item.idle_since_ms.map_or(now_ms, |since_ms| since_ms.min(now_ms)));
    }
    let (doomed, staying) = chosen(idle, now_ms, retention, policy.quota_bytes);
    let removed =
        Core::blocking(move || if dry_run { Ok((doomed, staying)) } else { removed(&sweep, doomed, staying) });
    let (gone, staying) = removed.await?;
    let sum = |items: &[Item]| items.iter().map(|item| item.held).sum::<u64>();
    let view = PruneView {
        dry_run,
        blobs: gone.len() as u64,
        bytes: sum(&gone),
        idle_blobs: staying.len() as u64,
        idle_bytes: sum(&staying),
        list: gone.iter().take(LISTED_MAX).map(|item| blob_view(item, &needs, retention)).collect(),
        unlisted: gone.len().saturating_sub(LISTED_MAX) as u64,
    };
    if !dry_run {
        let noted: Vec<(Hash, u64)> =
            staying.iter().filter_map(|item| Some((item.blob.hash, item.idle_since_ms?))).collect();
        let store = core.parts.store.clone();
        match Core::blocking(move || store.note_idle(&noted)).await {
            // It counts from the next prune on.
            Err(error) if error.is_full() => {}
            noted => noted?,
        }
        let bytes = bytes - view.bytes;
        core.retention.note(StoreUse { time_ms: now_ms, bytes, idle_bytes: view.idle_bytes, trouble: None });
    }
    Ok(view)
}

/// Removes what is doomed, and returns what went, and what stays: somebody may have come to need some of it.
fn removed(sweep: &Sweep, doomed: Vec<Item>, mut staying: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
    let mut gone = Vec::new();
    for item in doomed {
        let went = sweep.remove(item.blob.hash)?;
        if went { &mut gone } else { &mut staying }.push(item);
    }
    Ok((gone, staying))
}

/// Returns what goes, the longest unneeded first, and what stays.
fn chosen(mut idle: Vec<Item>, now_ms: u64, retention: Duration, quota_bytes: Option<u64>) -> (Vec<Item>, Vec<Item>) {
    idle.sort_by_key(|item| (item.idle_since_ms, item.written_ms, item.blob));
    let retention_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    let mut left: u64 = idle.iter().map(|item| item.held).sum();
    idle.into_iter().partition(|item| {
        let is_old = now_ms.saturating_sub(item.idle_since_ms.unwrap_or(now_ms)) >= retention_ms;
        let goes = is_old || quota_bytes.is_some_and(|quota_bytes| left > quota_bytes);
        if goes {
            left -= item.held;
        }
        goes
    })
}

fn blob_view(item: &Item, needs: &Needs, retention: Duration) -> BlobView {
    let needed_by: Vec<String> = needs.of(item.blob.hash, item.in_use).into_iter().map(str::to_owned).collect();
    let idle_since_ms = item.idle_since_ms.filter(|_| needed_by.is_empty());
    let retention_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    BlobView {
        hash: item.blob.hash.to_string(),
        bytes: item.blob.bytes,
        held: item.held,
        needed_by,
        idle_since_ms,
        goes_ms: idle_since_ms.map(|since_ms| since_ms.saturating_add(retention_ms)),
    }
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::snapshot::BlobRef;

    use super::*;

    fn item(number: u8, held: u64, idle_since_ms: u64) -> Item {
        let blob = BlobRef { hash: Hash([number; 32]), bytes: held };
        Item { blob, held, complete: true, in_use: false, idle_since_ms: Some(idle_since_ms), written_ms: 0 }
    }

    fn numbers(items: &[Item]) -> Vec<u8> {
        items.iter().map(|item| item.blob.hash.0[0]).collect()
    }

    #[test]
    fn what_nobody_has_needed_for_the_retention_goes_and_the_rest_stays() {
        let idle = vec![item(1, 10, 5_000), item(2, 10, 4_000), item(3, 10, 4_001)];
        let (goes, stays) = chosen(idle, 14_000, Duration::from_secs(10), None);
        assert_eq!((numbers(&goes), numbers(&stays)), (vec![2], vec![3, 1]));
    }

    #[test]
    fn beyond_the_quota_the_longest_unneeded_goes_first_and_no_more_than_is_necessary() {
        let idle = vec![item(1, 40, 3_000), item(2, 30, 1_000), item(3, 30, 2_000)];
        for (quota, gone) in [(100, vec![]), (99, vec![2]), (70, vec![2]), (69, vec![2, 3]), (0, vec![2, 3, 1])] {
            let (goes, stays) = chosen(idle.clone(), 4_000, Duration::from_secs(3600), Some(quota));
            assert_eq!(numbers(&goes), gone, "quota {quota}");
            assert_eq!(goes.len() + stays.len(), 3);
        }
    }

    #[test]
    fn of_two_unneeded_for_as_long_the_one_that_was_written_earlier_goes_first() {
        let older = Item { written_ms: 1, ..item(2, 10, 1_000) };
        let newer = Item { written_ms: 2, ..item(1, 10, 1_000) };
        let (goes, _) = chosen(vec![newer, older], 1_000, Duration::from_secs(3600), Some(10));
        assert_eq!(numbers(&goes), [2]);
    }
}
