//! What a journal amounts to: the last record of every migration, and who owned what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{Epoch, MigrationId, ModelUuid, Pin};
use crate::limits::{EPOCH_FORCED_STEP, EPOCH_LEARNED_MAX, OFFERS_PAST_MAX};
use crate::message::SignedCommit;
use crate::record::{
    Alarm, AlarmKind, Body, Conflict, Destination, Halted, Orders, Precopy, Reimported, Removed, Restored,
};
use crate::switch::Terms;
pub use crate::switch::last_record::LastRecord;
use crate::switch::source::{SourceRecord, SourceState};
use crate::switch::table::{self, IllegalStep};
use crate::switch::target::{Activating, TargetRecord, TargetState};

/// What an agent has of a model, as its journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Holding {
    /// The largest epoch at which the model is known to have been owned.
    pub epoch: Epoch,
    /// Whether it is in service here.
    pub live: bool,
}

/// Why no offer of a model can be made to a target that knows a later owner of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOffered {
    /// The target knows an owner after the one here, and nothing says that this copy descends from it.
    #[error("the model is known there to have been owned at epoch {known}, and here only at epoch {own}")]
    Superseded {
        /// The epoch here.
        own: Epoch,
        /// The epoch there.
        known: Epoch,
    },
    /// The target claims an epoch that no model comes to.
    #[error("the target claims to know epoch {known} of the model, beyond {EPOCH_LEARNED_MAX}, which is not believed")]
    TooLarge {
        /// The epoch there.
        known: Epoch,
    },
}

/// A fold of journal records, in order. The same at run time and after a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    last_records: BTreeMap<MigrationId, LastRecord>,
    terms: BTreeMap<MigrationId, Terms>,
    orders: BTreeMap<MigrationId, Orders>,
    precopies: BTreeMap<MigrationId, Precopy>,
    holdings: BTreeMap<ModelUuid, Holding>,
    conflicts: BTreeMap<ModelUuid, Conflict>,
    /// The last conflict of each model that an operator ended by putting the copy here into service again.
    lifted: BTreeMap<ModelUuid, Conflict>,
    /// The last commit of each model that each source has signed to this agent.
    commits: BTreeMap<(ModelUuid, Pin), SignedCommit>,
    /// Models that an operator put into service here, and that no migration has moved since.
    restored: BTreeSet<ModelUuid>,
    /// Models that an operator removed while they were in service here, and that have not come back since.
    removed: BTreeSet<ModelUuid>,
    /// Models that were met in a conflict, and with whom: shared with that peer even without a migration.
    met: BTreeSet<(ModelUuid, Pin)>,
    /// Offers of each peer that came to nothing before this agent voted, the oldest first: at most [`OFFERS_PAST_MAX`].
    past: BTreeMap<Pin, VecDeque<MigrationId>>,
    /// Older ones, of which nothing else is known.
    tombstones: BTreeSet<MigrationId>,
    alarms: Vec<Alarm>,
    halted: Option<Halted>,
}

impl Ledger {
    /// Checks that a record may follow those that were taken in.
    ///
    /// Errors: [`IllegalStep`], for a step that the migration's machine does not make.
    pub fn check(&self, body: &Body) -> Result<(), IllegalStep> {
        self.check_all([body]).map_err(|(_, illegal)| illegal)
    }

    /// Checks that records may follow those that were taken in, and one another.
    ///
    /// Errors: the place of the first that may not, and why.
    pub fn check_all<'a>(&self, bodies: impl IntoIterator<Item = &'a Body>) -> Result<(), (usize, IllegalStep)> {
        let mut ahead: BTreeMap<MigrationId, LastRecord> = BTreeMap::new();
        for (place, body) in bodies.into_iter().enumerate() {
            let next = match body {
                Body::Source(record) => LastRecord::Source(record.clone()),
                Body::Target(record) => LastRecord::Target(record.clone()),
                _ => continue,
            };
            let last = ahead.get(&next.mid()).or_else(|| self.last_record(next.mid()));
            table::check(last, &next).map_err(|illegal| (place, illegal))?;
            ahead.insert(next.mid(), next);
        }
        Ok(())
    }

    /// Takes in the next record.
    pub fn apply(&mut self, body: &Body) {
        match body {
            Body::Source(record) => self.follow(LastRecord::Source(record.clone())),
            Body::Target(record) => {
                self.keep_commit(record);
                self.follow(LastRecord::Target(record.clone()));
            }
            Body::Terms(terms) => drop(self.terms.insert(terms.mid, terms.clone())),
            Body::Destination(Destination { mid, controller }) => {
                if let Some(terms) = self.terms.get_mut(mid) {
                    terms.controller = controller.clone();
                }
            }
            Body::Note(_) => {}
            Body::Orders(orders) => drop(self.orders.insert(orders.mid, orders.clone())),
            Body::Precopy(precopy) => drop(self.precopies.insert(precopy.mid, precopy.clone())),
            Body::Conflict(conflict) => {
                self.holdings.entry(conflict.model).or_default().live = false;
                self.met.insert((conflict.model, conflict.peer));
                // It tells all that an alarm about the two copies told.
                let kind = AlarmKind::Conflict(conflict.model);
                self.alarms.retain(|known| (known.peer, known.kind) != (conflict.peer, kind));
                self.lifted.remove(&conflict.model);
                self.conflicts.insert(conflict.model, conflict.clone());
            }
            Body::Discarded(discarded) => drop(self.conflicts.remove(&discarded.model)),
            Body::Alarm(alarm) => {
                // The last one of a kind tells all that is still of use.
                self.alarms.retain(|known| (known.peer, known.kind) != (alarm.peer, alarm.kind));
                self.alarms.push(alarm.clone());
            }
            Body::Acknowledged(acknowledged) => self.alarms.retain(|known| known.peer != acknowledged.peer),
            Body::Restored(Restored { model, epoch, .. }) => {
                let holding = self.holdings.entry(*model).or_default();
                *holding = Holding { epoch: holding.epoch.max(*epoch), live: true };
                let conflict = self.conflicts.remove(model);
                self.lifted.extend(conflict.map(|conflict| (*model, conflict)));
                self.restored.insert(*model);
                self.removed.remove(model);
            }
            Body::Removed(Removed { model, .. }) => {
                self.holdings.entry(*model).or_default().live = false;
                self.restored.remove(model);
                self.removed.insert(*model);
            }
            Body::Reimported(Reimported { model, .. }) => {
                if self.removed.remove(model) {
                    self.holdings.entry(*model).or_default().live = !self.conflicts.contains_key(model);
                }
            }
            Body::Tombstones(buried) => self.tombstones.extend(buried.mids.iter()),
            // Nothing of a model depends on it.
            Body::Signed(_) => {}
            Body::Halted(halted) => self.halted = Some(halted.clone()),
        }
    }

    /// Keeps the source's signature under the commit that a target follows.
    fn keep_commit(&mut self, record: &TargetRecord) {
        if let TargetState::Activating(Activating { root, stamp, .. }) = &record.state {
            let head = &record.head;
            self.commits.insert((head.model, head.peer), SignedCommit::of(head, *root, stamp));
        }
    }

    /// Takes in the next record of a migration.
    fn follow(&mut self, last: LastRecord) {
        let holding = self.holdings.entry(last.model()).or_default();
        holding.epoch = holding.epoch.max(last.owned_epoch());
        if let Some(live) = last.is_live() {
            // A model in conflict is frozen, whatever an attempt that was under way comes to.
            let came = matches!(last, LastRecord::Target(_));
            if came {
                self.conflicts.remove(&last.model());
            }
            holding.live = live && !self.conflicts.contains_key(&last.model());
            if live {
                self.removed.remove(&last.model());
            }
        }
        if last.moves_away() || last.is_live() == Some(true) && matches!(last, LastRecord::Target(_)) {
            self.restored.remove(&last.model());
        }
        let before = self.last_records.insert(last.mid(), last.clone());
        if before.is_some_and(|before| before.drops_without_vote()) && last.is_at_rest() {
            let past = self.past.entry(last.peer()).or_default();
            past.push_back(last.mid());
            if past.len() > OFFERS_PAST_MAX
                && let Some(oldest) = past.pop_front()
            {
                self.forget(oldest);
            }
        }
    }

    /// Forgets an offer that came to nothing, but for its id.
    fn forget(&mut self, mid: MigrationId) {
        let Some(last) = self.last_records.remove(&mid) else { return };
        self.terms.remove(&mid);
        self.orders.remove(&mid);
        self.tombstones.insert(mid);
        let model = last.model();
        // The offer owned nothing, so a holding that only this offer made goes with it.
        let is_known = self.last_records.values().any(|other| other.model() == model)
            || self.removed.contains(&model)
            || self.conflicts.contains_key(&model)
            || self.met.iter().any(|(met, _)| *met == model);
        if !is_known && self.holdings.get(&model) == Some(&Holding::default()) {
            self.holdings.remove(&model);
        }
    }

    /// Reports whether a migration was offered here, came to nothing, and is forgotten but for its id.
    pub fn is_forgotten(&self, mid: MigrationId) -> bool {
        self.tombstones.contains(&mid)
    }

    /// Returns how many migrations are forgotten but for their ids.
    pub fn forgotten(&self) -> usize {
        self.tombstones.len()
    }

    /// Returns the last record of a migration.
    pub fn last_record(&self, mid: MigrationId) -> Option<&LastRecord> {
        self.last_records.get(&mid)
    }

    /// Returns the last record of every migration.
    pub fn last_records(&self) -> impl Iterator<Item = (MigrationId, &LastRecord)> {
        self.last_records.iter().map(|(mid, last)| (*mid, last))
    }

    /// Returns the facts of a migration, with the other side's controller as it was described last.
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

    /// Returns the epoch at which a model that is live here is offered to a target.
    ///
    /// `known`: the largest epoch that the target knows. A copy that an operator put into service here goes beyond it, and so
    /// does one of which the target itself says that it was handed to this agent (`came_from_there`): any other copy that
    /// the target knows a later owner of is a stale one, as far as anybody can tell.
    /// Errors: [`NotOffered`].
    pub fn offer_epoch(&self, model: ModelUuid, known: Epoch, came_from_there: bool) -> Result<Epoch, NotOffered> {
        let own = self.epoch(model);
        if known <= own {
            return Ok(own + 1);
        }
        if known > EPOCH_LEARNED_MAX {
            return Err(NotOffered::TooLarge { known });
        }
        if came_from_there || self.restored.contains(&model) {
            return Ok(known + 1);
        }
        Err(NotOffered::Superseded { own, known })
    }

    /// Returns the agent to which a model was handed from here at the largest epoch that is known of it; nothing if that
    /// epoch's owner is this agent, or not known.
    pub fn handed_to(&self, model: ModelUuid) -> Option<Pin> {
        let epoch = self.epoch(model);
        let handed = |last: &&LastRecord| last.model() == model && last.moves_away() && last.owned_epoch() == epoch;
        self.last_records.values().find(handed).map(LastRecord::peer)
    }

    /// Returns the last commit by which `source` handed a model over to this agent, with the source's signature.
    pub fn commit_of(&self, model: ModelUuid, source: Pin) -> Option<&SignedCommit> {
        self.commits.get(&(model, source))
    }

    /// Returns the source of the last migration that brought a model into service here; nothing if none did, or if an operator has put
    /// the copy here into service since.
    pub fn came_from(&self, model: ModelUuid) -> Option<Pin> {
        let brought = |last: &&LastRecord| {
            last.model() == model && matches!(last, LastRecord::Target(_)) && last.is_live() == Some(true)
        };
        let last = self.last_records.values().filter(brought).max_by_key(|last| last.owned_epoch());
        last.filter(|_| !self.restored.contains(&model)).map(LastRecord::peer)
    }

    /// Returns the models of which an operator has asserted that the copy here is the one that counts, at the epoch that is known.
    pub fn asserted(&self) -> BTreeSet<ModelUuid> {
        let seized = self.last_records.values().filter_map(|last| match last {
            LastRecord::Source(SourceRecord { head, state: SourceState::Reclaimed(epoch) }) => {
                let is_forced = *epoch == head.epoch_to.saturating_add(EPOCH_FORCED_STEP);
                (is_forced && *epoch == self.epoch(head.model)).then_some(head.model)
            }
            _ => None,
        });
        self.restored.iter().copied().chain(seized).collect()
    }

    /// Returns what this agent has of each model that a migration was ever about.
    pub fn holdings(&self) -> impl Iterator<Item = (ModelUuid, Holding)> {
        self.holdings.iter().map(|(model, holding)| (*model, *holding))
    }

    /// Reports whether a model is in service here, as far as the records say.
    pub fn is_live(&self, model: ModelUuid) -> bool {
        self.holdings.get(&model).is_some_and(|holding| holding.live)
    }

    /// Reports whether an operator has removed a model that was in service here, and it has not come back since.
    pub fn is_removed(&self, model: ModelUuid) -> bool {
        self.removed.contains(&model)
    }

    /// Returns what this agent has of each model that it ever exchanged with `peer`, or tried to.
    pub fn shared_with(&self, peer: Pin) -> impl Iterator<Item = (ModelUuid, Holding)> {
        let with = self.last_records.values().filter(move |last| last.peer() == peer);
        let met = self.met.iter().filter(move |(_, met)| *met == peer).map(|(model, _)| *model);
        let models: BTreeSet<ModelUuid> = with.map(LastRecord::model).chain(met).collect();
        models.into_iter().filter_map(|model| Some((model, *self.holdings.get(&model)?)))
    }

    /// Returns the models that were met live on both sides, and are frozen here since.
    pub fn conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.values()
    }

    /// Returns the conflicts that operators ended by putting the copies here into service again: the last one of each model.
    pub fn lifted(&self) -> impl Iterator<Item = &Conflict> {
        self.lifted.values()
    }

    /// Reports whether a model was met live on both sides, and is frozen here since.
    pub fn in_conflict(&self, model: ModelUuid) -> bool {
        self.conflicts().any(|conflict| conflict.model == model)
    }

    /// Returns the last alarm of each kind about each peer, oldest first, without those that were acknowledged.
    pub fn alarms(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.iter()
    }

    /// Returns how this journal was found to have been set back, if it was.
    pub fn halted(&self) -> Option<&Halted> {
        self.halted.as_ref()
    }

    /// Returns the unfinished migration of a model, in whichever direction. There is at most one.
    pub fn busy(&self, model: ModelUuid) -> Option<MigrationId> {
        let unfinished = |last: &LastRecord| last.model() == model && !last.is_at_rest();
        self.last_records().find(|(_, last)| unfinished(last)).map(|(mid, _)| mid)
    }

    /// Returns the first attempt number that none of a model's migrations here has, in either direction, nor any larger one.
    pub fn attempt_free(&self, model: ModelUuid) -> u32 {
        let of_model = self.terms.values().filter(|terms| terms.model == model);
        of_model.map(|terms| terms.attempt.saturating_add(1)).max().unwrap_or(0)
    }

    /// Reports whether a migration of a model here has this attempt number.
    pub fn has_attempt(&self, model: ModelUuid, attempt: u32) -> bool {
        self.terms.values().any(|terms| (terms.model, terms.attempt) == (model, attempt))
    }
}
