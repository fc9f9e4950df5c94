//! What a journal amounts to: the last record of every migration, and who owned what.

use std::collections::BTreeMap;

use crate::ids::{Epoch, MigrationId, ModelUuid};
use crate::record::Body;
use crate::switch::Terms;
use crate::switch::source::SourceRecord;
use crate::switch::target::TargetRecord;

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

    fn owned_epoch(&self) -> Epoch {
        match self {
            Self::Source(record) => record.owned_epoch(),
            Self::Target(record) => record.owned_epoch(),
        }
    }
}

/// A fold of journal records, in order. The same at run time and after a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    standings: BTreeMap<MigrationId, Standing>,
    terms: BTreeMap<MigrationId, Terms>,
    epochs: BTreeMap<ModelUuid, Epoch>,
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
        };
        let epoch = self.epochs.entry(standing.model()).or_default();
        *epoch = (*epoch).max(standing.owned_epoch());
        self.standings.insert(body.mid(), standing);
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

    /// Returns the largest epoch at which a model is known to have been owned; 0 where nothing is known.
    pub fn epoch(&self, model: ModelUuid) -> Epoch {
        self.epochs.get(&model).copied().unwrap_or_default()
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
