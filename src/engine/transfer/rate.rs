//! Sends blobs and stores the measured rate to the peer.

use std::time::Instant;

use modelferry_protocol::snapshot::BlobRef;

use crate::clock::now_ms;
use crate::engine::base::conversation::Conversation;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::transfer::{TransferError, send};
use crate::link::Urgency;
use crate::store::Rate;

/// Bytes that have to go for a rate to be worth remembering. 1 MiB: fewer tell of round trips only.
const MEASURED_BYTES_MIN: u64 = 1 << 20;

/// Makes the target hold all of `blobs`; see [`send::send`].
pub async fn send(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    blobs: &[BlobRef],
) -> Result<(), TransferError> {
    let (begun, before) = (Instant::now(), tracked.counters.bytes().sent);
    send::send(core, conversation, tracked, blobs).await?;
    let (seconds, sent) = (begun.elapsed().as_secs_f64(), tracked.counters.bytes().sent - before);
    // What goes when there is time tells of the others on the link, and what was held back of nothing.
    let is_measured =
        sent >= MEASURED_BYTES_MIN && tracked.urgency() == Urgency::Due && !tracked.counters.is_held_back();
    if is_measured && seconds > 0.0 {
        let (store, peer) = (core.parts.store.clone(), tracked.peer);
        let rate = Rate { bytes_per_second: (sent as f64 / seconds) as u64, time_ms: now_ms() };
        // A plan without it says that the rate is not known; that is no reason to end a migration.
        if let Err(error) = Core::blocking(move || store.remember_rate(peer, rate)).await {
            tracing::warn!("the rate to the peer cannot be remembered: {error}");
        }
    }
    Ok(())
}
