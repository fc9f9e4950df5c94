//! Decides whether a target accepts a migration offer.

use super::target::{TargetRecord, TargetState};
use crate::ids::{Epoch, MigrationId};
use crate::limits::EPOCH_MAX;
use crate::migration::Head;
use crate::text::Cause;

/// Why an offer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefused {
    /// This journal holds the record `Dropped` of the migration; a dropped migration never starts again.
    #[error("migration ended here before: {0}")]
    Tombstone(Cause),
    /// The offered epoch is not larger than the largest epoch at which this agent knows the model to have been owned.
    #[error("offered epoch {offered} is not newer than the known epoch {known} of this model")]
    Epoch {
        /// The offered epoch.
        offered: Epoch,
        /// The largest epoch at which the model is known to have been owned.
        known: Epoch,
    },
    /// The epoch is above [`EPOCH_MAX`], which reserves room for later forced epochs.
    #[error("offered epoch {offered} is beyond the largest, {EPOCH_MAX}")]
    EpochTooLarge {
        /// The offered epoch.
        offered: Epoch,
    },
    /// Another migration of this model is unfinished here, or this id is known with another head.
    #[error("model is being migrated already, by migration {0}")]
    Busy(MigrationId),
}

/// Returns the record to journal: `Receiving` for a new migration, or `known` unchanged if the same head was accepted before. A
/// late duplicate of an offer therefore never moves a record back to `Receiving`.
///
/// `known`: this journal's record of the migration, if any. The engine answers repeated offers itself and passes `None`; the model
/// checker passes the record. `epoch_known`: the largest epoch at which this agent knows the model to have been owned. `busy`:
/// another unfinished migration of the model here, in either direction.
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
