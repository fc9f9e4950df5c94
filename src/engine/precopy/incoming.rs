//! Receives a pre-copy from a peer. Writes no record.

use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, Pin};
use modelferry_protocol::plan::{Answer, Precopying};
use modelferry_protocol::record::PrecopyState;
use modelferry_protocol::switch::Cause;

use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::engine::peer::rights::{self, Deed};
use crate::engine::shared::core::Core;
use crate::engine::transfer::adhoc::{self, InboundTransfer};
use crate::link::Session;

/// Waits no longer for a pre-copy that its source has given up.
pub fn give_up(core: &Core, peer: Pin, mid: MigrationId) {
    let is_it = |coming: &&Arc<Tracked>| coming.terms.mid == mid && coming.peer == peer && coming.is_precopy();
    let Some(mailbox) = core.inbound_all().iter().find(is_it).and_then(|coming| coming.mailbox()) else { return };
    // One whose mailbox is full is about to fail anyway.
    let _ = mailbox.try_send(Event::Failed(Cause::cut("its source has given it up")));
}

/// Begins to take a pre-copy in for a peer, and yields what waits for all of it. Nothing of it is on record here.
///
/// Errors: why it is not taken.
pub async fn take(
    core: &Arc<Core>,
    session: &Session,
    precopying: Precopying,
) -> Result<impl Future<Output = Answer> + Send + use<>, String> {
    let Precopying { mid, model, name, owner, blobs } = precopying;
    if let Some(forbidden) = rights::forbids(core, session.peer(), Deed::Receive, &owner, &name).await {
        return Err(forbidden.to_string());
    }
    let (terms, state) = (adhoc::terms(mid, model, name, owner), TrackedState::Precopy(PrecopyState::Copying));
    // A source sends one at a time: whoever asks for another has ended the older.
    let mut inbound = InboundTransfer::begin(core, session, terms, state, blobs.to_vec(), Tracked::is_precopy)?;
    Ok(async move {
        match inbound.arrive().await {
            Ok(bytes) => Answer::Bytes(bytes),
            Err(text) => Answer::Failed(Text::cut(text)),
        }
    })
}
