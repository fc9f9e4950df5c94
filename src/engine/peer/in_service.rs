//! Lists the models in service here with their epochs, from the journal and the controller.
//!
//! The journal knows the models that a migration or an operator's assertion was ever about. A model that was imported by
//! hand is known to the controller alone, and is of epoch 0: nobody has owned it by a journal.

use std::collections::{BTreeMap, BTreeSet};

use modelferry_protocol::ids::{Epoch, ModelUuid};
use modelferry_protocol::ledger::{Holding, Ledger};

use crate::controller::inventory::{Held, ModelLocation};
use crate::engine::shared::core::Core;

/// What the journal says of every model at one moment.
struct Known {
    holdings: BTreeMap<ModelUuid, Holding>,
    /// Models whose owner is being decided, or was decided against this side.
    unsettled: BTreeSet<ModelUuid>,
    /// Models whose last known owner is a peer that this agent handed them to.
    handed: BTreeSet<ModelUuid>,
}

impl Known {
    fn of(ledger: &Ledger, models: &[Held]) -> Self {
        let unfinished = ledger.last_records().filter(|(_, last)| !last.is_at_rest());
        let in_conflict = ledger.conflicts().map(|conflict| conflict.model);
        let holdings: BTreeMap<ModelUuid, Holding> = ledger.holdings().collect();
        let has_left = |model: &ModelUuid| holdings.get(model).is_some_and(|holding| !holding.live);
        let live =
            models.iter().filter(|held| held.place == ModelLocation::Live).map(|held| held.uuid).filter(has_left);
        Self {
            unsettled: unfinished.map(|(_, last)| last.model()).chain(in_conflict).collect(),
            handed: live.filter(|model| ledger.handed_to(*model).is_some()).collect(),
            holdings,
        }
    }
}

/// Returns the models that are in service here, with their epochs.
pub async fn in_service(core: &Core) -> BTreeMap<ModelUuid, Epoch> {
    let journal = &core.parts.journal;
    let before = journal.ledger(|ledger| Known::of(ledger, &[]));
    let places = core.parts.arrival.places().await;
    let places = places.inspect_err(|error| tracing::warn!("the controller cannot say what it serves: {error}"));
    let places = places.ok().flatten();
    let models = places.as_deref().unwrap_or_default();
    let after = journal.ledger(|ledger| Known::of(ledger, models));
    let here: BTreeSet<ModelUuid> = models
        .iter()
        .filter(|held| held.place != ModelLocation::Gone && !held.is_handed)
        .map(|held| held.uuid)
        .collect();
    let is_here = |model: &ModelUuid| places.is_none() || here.contains(model);
    let by_journal = after.holdings.iter().filter(|(model, holding)| holding.live && is_here(model));
    let mut serving: BTreeMap<ModelUuid, Epoch> = by_journal.map(|(model, holding)| (*model, holding.epoch)).collect();
    for held in models.iter().filter(|held| held.place == ModelLocation::Live && held.mid.is_none()) {
        let model = held.uuid;
        // A migration that began meanwhile knows better than a list that is older.
        let is_unchanged = before.holdings.get(&model) == after.holdings.get(&model);
        if !is_unchanged || before.unsettled.contains(&model) || after.unsettled.contains(&model) {
            continue;
        }
        let epoch = after.holdings.get(&model).map_or(0, |holding| holding.epoch);
        // Imported again after it was handed over: the owner at that epoch is the peer.
        let owned = if after.handed.contains(&model) { epoch.saturating_sub(1) } else { epoch };
        serving.entry(model).or_insert(owned);
    }
    serving
}
