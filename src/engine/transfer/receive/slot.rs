//! A blob that is received over one connection.

use std::sync::Arc;

use modelferry_protocol::message::Handle;
use parking_lot::Mutex;

use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::view::Stand;
use crate::store::{DurabilitySubscription, Incoming};

/// A blob on its way in.
pub(super) struct Slot {
    pub handle: Handle,
    pub incoming: Incoming,
    /// Another receiver of the same blob may write, and make durable, what this one has to tell its source.
    pub subscription: Arc<DurabilitySubscription>,
    /// Pages known when it was offered, and bytes held: what is lacking of these is asked for unasked.
    pub pages_known: u32,
    pub bytes_known: u64,
    pub tracked: Arc<Tracked>,
    pub state: Mutex<SlotState>,
}

#[derive(Default)]
pub(super) struct SlotState {
    pub dirty_bytes: u64,
    /// Plain bytes written since the offer.
    pub written_bytes: u64,
    pub damaged: u32,
    pub done: bool,
}

/// Reports whether there is somebody to take blobs in for; of one at rest only the log is to come, of a model that has.
pub(super) fn is_taken_in(tracked: &Tracked) -> bool {
    if tracked.is_at_rest() { tracked.stands() == Stand::Moved } else { tracked.mailbox().is_some() }
}
