//! Which offers a target accepts.

use super::target::{TargetRecord, TargetState};
use crate::ids::{Epoch, MigrationId};
use crate::limits::EPOCH_MAX;
use crate::migration::Head;
use crate::text::Cause;

/// Why an offer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefused {
    /// This migration ended here once; a tombstone stands.
    #[error("migration ended here before: {0}")]
    Tombstone(Cause),
    /// The offer is older than what is known about the model's ownership.
    #[error("offered epoch {offered} is not newer than the known epoch {known} of this model")]
    Epoch {
        /// What was offered.
        offered: Epoch,
        /// The largest that is known to have been owned.
        known: Epoch,
    },
    /// The epoch leaves no room for the ones that must follow it.
    #[error("offered epoch {offered} is beyond the largest, {EPOCH_MAX}")]
    EpochTooLarge {
        /// What was offered.
        offered: Epoch,
    },
    /// Another migration of this model is unfinished here.
    #[error("model is being migrated already, by migration {0}")]
    Busy(MigrationId),
}

/// Returns the first record of a migration that `head` offers; the one that stands, if the same offer was
/// accepted before: an offer that comes late must not take a record back.
///
/// `known`: what this journal holds about the same migration. `epoch_known`: the largest epoch at which
/// this agent knows the model to have been owned. `busy`: another unfinished migration of the model here,
/// in either direction.
/// Errors: [`OfferRefused`].
pub fn accept(
    head: Head,
    known: Option<&TargetRecord>,
    epoch_known: Epoch,
    busy: Option<MigrationId>,
) -> Result<TargetRecord, OfferRefused> {
    match known {
        Some(TargetRecord { state: TargetState::Dropped(cause), .. }) => {
            return Err(OfferRefused::Tombstone(cause.clone()));
        }
        Some(record) if record.head == head => return Ok(record.clone()),
        Some(_) => return Err(OfferRefused::Busy(head.mid)),
        None => {}
    }
    if let Some(mid) = busy.filter(|mid| *mid != head.mid) {
        return Err(OfferRefused::Busy(mid));
    }
    if head.epoch_to <= epoch_known {
        return Err(OfferRefused::Epoch { offered: head.epoch_to, known: epoch_known });
    }
    if head.epoch_to > EPOCH_MAX {
        return Err(OfferRefused::EpochTooLarge { offered: head.epoch_to });
    }
    Ok(TargetRecord { head, state: TargetState::Receiving })
}
