//! What a journal amounts to: the last record of every migration, and who owned what.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Epoch, MigrationId, ModelUuid, Pin};
use crate::record::{Alarm, Body, Conflict, Orders, Precopy};
use crate::switch::source::{SourceRecord, SourceState};
use crate::switch::target::{TargetRecord, TargetState};
use crate::switch::{Root, Terms};

/// The last record of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Standing {
    /// This agent is its source.
    Source(SourceRecord),
    /// This agent is its target.
    Target(TargetRecord),
}

impl Standing {
    /// Returns the model.
    pub fn model(&self) -> ModelUuid {
        match self {
            Self::Source(record) => record.head.model,
            Self::Target(record) => record.head.model,
        }
    }

    /// Reports whether nothing more will happen.
    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Source(record) => record.is_at_rest(),
            Self::Target(record) => record.is_at_rest(),
        }
    }

    /// Returns the migration.
    pub fn mid(&self) -> MigrationId {
        match self {
            Self::Source(record) => record.head.mid,
            Self::Target(record) => record.head.mid,
        }
    }

    /// Returns the agent on the other side.
    pub fn peer(&self) -> Pin {
        match self {
            Self::Source(record) => record.head.peer,
            Self::Target(record) => record.head.peer,
        }
    }

    /// Returns the snapshot that was sealed, where the record knows it.
    pub fn root(&self) -> Option<Root> {
        match self {
            Self::Source(record) => record.state.root(),
            Self::Target(record) => record.state.root(),
        }
    }

    /// Reports whether the model is in service here once this is recorded; nothing where the record does not tell: a
    /// copy that comes and goes changes nothing about what was here before.
    fn is_live(&self) -> Option<bool> {
        match self {
            Self::Source(record) => {
                Some(matches!(record.state, SourceState::Offered | SourceState::Aborted(_) | SourceState::Reclaimed(_)))
            }
            Self::Target(record) => match record.state {
                TargetState::Active(_) | TargetState::Seized(_) => Some(true),
                _ => None,
            },
        }
    }

    fn owned_epoch(&self) -> Epoch {
        match self {
            Self::Source(record) => record.owned_epoch(),
            Self::Target(record) => record.owned_epoch(),
        }
    }
}

/// What an agent has of a model, as its journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Holding {
    /// The largest epoch at which the model is known to have been owned.
    pub epoch: Epoch,
    /// Whether it is in service here.
    pub live: bool,
}

/// A fold of journal records, in order. The same at run time and after a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    standings: BTreeMap<MigrationId, Standing>,
    terms: BTreeMap<MigrationId, Terms>,
    orders: BTreeMap<MigrationId, Orders>,
    precopies: BTreeMap<MigrationId, Precopy>,
    holdings: BTreeMap<ModelUuid, Holding>,
    conflicts: BTreeMap<ModelUuid, Conflict>,
    alarms: Vec<Alarm>,
}

impl Ledger {
    /// Takes in the next record.
    pub fn apply(&mut self, body: &Body) {
        let standing = match body {
            Body::Source(record) => Standing::Source(record.clone()),
            Body::Target(record) => Standing::Target(record.clone()),
            Body::Terms(terms) => {
                self.terms.insert(terms.mid, terms.clone());
                return;
            }
            Body::Note(_) => return,
            Body::Orders(orders) => {
                self.orders.insert(orders.mid, orders.clone());
                return;
            }
            Body::Precopy(precopy) => {
                self.precopies.insert(precopy.mid, precopy.clone());
                return;
            }
            Body::Conflict(conflict) => {
                self.holdings.entry(conflict.model).or_default().live = false;
                self.conflicts.insert(conflict.model, conflict.clone());
                return;
            }
            Body::Discarded(discarded) => {
                self.conflicts.remove(&discarded.model);
                return;
            }
            Body::Alarm(alarm) => {
                // The last one of a peer tells all that is still of use.
                self.alarms.retain(|known| known.peer != alarm.peer);
                self.alarms.push(alarm.clone());
                return;
            }
        };
        let holding = self.holdings.entry(standing.model()).or_default();
        holding.epoch = holding.epoch.max(standing.owned_epoch());
        if let Some(live) = standing.is_live() {
            // A model in conflict is frozen, whatever an attempt that was under way comes to.
            let came = matches!(standing, Standing::Target(_));
            if came {
                self.conflicts.remove(&standing.model());
            }
            holding.live = live && !self.conflicts.contains_key(&standing.model());
        }
        self.standings.insert(standing.mid(), standing);
    }

    /// Returns the last record of a migration.
    pub fn standing(&self, mid: MigrationId) -> Option<&Standing> {
        self.standings.get(&mid)
    }

    /// Returns the last record of every migration.
    pub fn standings(&self) -> impl Iterator<Item = (MigrationId, &Standing)> {
        self.standings.iter().map(|(mid, standing)| (*mid, standing))
    }

    /// Returns the facts of a migration.
    pub fn terms(&self, mid: MigrationId) -> Option<&Terms> {
        self.terms.get(&mid)
    }

    /// Returns what operators want of a migration while its model is live.
    pub fn orders(&self, mid: MigrationId) -> Orders {
        self.orders.get(&mid).cloned().unwrap_or_else(|| Orders::none(mid))
    }

    /// Returns the last record of a pre-copy.
    pub fn precopy(&self, mid: MigrationId) -> Option<&Precopy> {
        self.precopies.get(&mid)
    }

    /// Returns the last record of every pre-copy.
    pub fn precopies(&self) -> impl Iterator<Item = &Precopy> {
        self.precopies.values()
    }

    /// Returns the pre-copy of a model to a peer that has not ended. There is at most one.
    pub fn copying(&self, model: ModelUuid, peer: Pin) -> Option<&Precopy> {
        self.precopies().find(|precopy| (precopy.model, precopy.peer) == (model, peer) && !precopy.is_at_rest())
    }

    /// Returns how often a model has been pre-copied from here.
    pub fn precopied(&self, model: ModelUuid) -> u32 {
        self.precopies().filter(|precopy| precopy.model == model).count() as u32
    }

    /// Returns the largest epoch at which a model is known to have been owned; 0 where nothing is known.
    pub fn epoch(&self, model: ModelUuid) -> Epoch {
        self.holdings.get(&model).map_or(0, |holding| holding.epoch)
    }

    /// Returns what this agent has of each model that a migration was ever about.
    pub fn holdings(&self) -> impl Iterator<Item = (ModelUuid, Holding)> {
        self.holdings.iter().map(|(model, holding)| (*model, *holding))
    }

    /// Returns what this agent has of each model that it ever exchanged with `peer`, or tried to.
    pub fn shared_with(&self, peer: Pin) -> impl Iterator<Item = (ModelUuid, Holding)> {
        let with = self.standings.values().filter(move |standing| standing.peer() == peer);
        let models: BTreeSet<ModelUuid> = with.map(Standing::model).collect();
        models.into_iter().filter_map(|model| Some((model, *self.holdings.get(&model)?)))
    }

    /// Returns the models that were met live on both sides, and are frozen here since.
    pub fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.values()
    }

    /// Returns the last alarm about each peer, oldest first.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.iter()
    }

    /// Returns the unfinished migration of a model, in whichever direction. There is at most one.
    pub fn busy(&self, model: ModelUuid) -> Option<MigrationId> {
        let unfinished = |standing: &Standing| standing.model() == model && !standing.is_at_rest();
        self.standings().find(|(_, standing)| unfinished(standing)).map(|(mid, _)| mid)
    }

    /// Returns how often a model has been migrated from here.
    pub fn attempts(&self, model: ModelUuid) -> u32 {
        let from_here =
            |standing: &Standing| matches!(standing, Standing::Source(record) if record.head.model == model);
        self.standings().filter(|(_, standing)| from_here(standing)).count() as u32
    }
}
