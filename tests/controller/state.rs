//! One controller as a state machine: what it holds of the one model, and what each effect makes of that.

use std::collections::{BTreeMap, BTreeSet};

use modelferry::controller::port::ControllerError;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::snapshot::BlobRef;

/// The model.
pub const MODEL: ModelUuid = ModelUuid([7; 16]);

/// How a controller holds the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Absent,
    /// By the migration that brought it, if one did.
    Live(Option<MigrationId>),
    Frozen(MigrationId),
    Importing(MigrationId),
    Staged(MigrationId),
}

/// An effect on a controller, as in the port table of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Freeze,
    Thaw,
    Redirect,
    Reap,
    /// Brings a copy with so many writes.
    Import(u32),
    Upload(BlobRef),
    Check,
    Activate,
    Adopt,
    Discard,
    /// Takes a piece of the log, which ends at this time.
    TakeLog(u64, BlobRef),
}

/// One controller.
pub struct FakeController {
    pub held: Held,
    /// Writes in its copy.
    pub writes: u32,
    pub charms: Vec<BlobRef>,
    /// Pieces of the log, by the time at which each ends, Unix milliseconds.
    pub log: BTreeMap<u64, BlobRef>,
    /// How far each migration has brought a log.
    log_times: BTreeMap<MigrationId, u64>,
    /// Migrations that ended here: nothing of them begins again.
    ended: BTreeSet<MigrationId>,
}

impl FakeController {
    pub fn new(held: Held) -> Self {
        let (log, log_times) = (BTreeMap::new(), BTreeMap::new());
        Self { held, writes: 0, charms: Vec::new(), log, log_times, ended: BTreeSet::new() }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.held, Held::Live(_))
    }

    pub fn is_whole(&self) -> bool {
        !matches!(self.held, Held::Absent | Held::Importing(_))
    }

    /// Returns the blobs that its copy is made of.
    pub fn blobs(&self) -> Vec<BlobRef> {
        match self.held {
            Held::Absent => Vec::new(),
            _ => self.charms.iter().chain(self.log.values()).copied().collect(),
        }
    }

    /// Returns how far a migration has brought the log.
    pub fn log_time(&self, mid: MigrationId) -> u64 {
        self.log_times.get(&mid).copied().unwrap_or_default()
    }

    /// Makes an effect.
    pub fn perform(&mut self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        let refused = |text: &str| Err(ControllerError::Refused(text.to_owned()));
        let ended = self.ended.contains(&mid);
        match (effect, self.held) {
            (Effect::Freeze | Effect::Import(_), _) if ended => return refused("that migration has ended here"),
            (Effect::Freeze, Held::Live(_)) => self.held = Held::Frozen(mid),
            (Effect::Freeze, Held::Frozen(by)) if by == mid => {}
            (Effect::Freeze, _) => return refused("the model is not live"),
            (Effect::Thaw, Held::Frozen(by)) if by == mid => self.held = Held::Live(None),
            (Effect::Reap, Held::Frozen(by)) if by == mid => {
                self.held = Held::Absent;
                self.log.clear();
            }
            (Effect::Import(_), Held::Importing(by)) if by == mid => self.charms.clear(),
            (Effect::Import(writes), Held::Absent) => {
                (self.held, self.writes, self.charms) = (Held::Importing(mid), writes, Vec::new());
                self.log.clear();
            }
            (Effect::Import(_), _) => return refused("model with same UUID already exists"),
            (Effect::Upload(blob), Held::Importing(by)) if by == mid => self.charms.push(blob),
            (Effect::Check, Held::Importing(by)) if by == mid => self.held = Held::Staged(mid),
            (Effect::Upload(_) | Effect::Check, Held::Staged(by)) if by == mid => {}
            (Effect::Upload(_) | Effect::Check, _) => return refused("nothing is imported"),
            (Effect::Activate, Held::Staged(by)) if by == mid => self.held = Held::Live(Some(mid)),
            (Effect::Activate | Effect::Adopt, Held::Live(Some(by))) if by == mid => {}
            (Effect::Activate | Effect::Adopt, _) => return refused("migration mode for the model is not importing"),
            (Effect::TakeLog(until_ms, blob), Held::Live(Some(by))) if by == mid => {
                self.log.insert(until_ms, blob);
                let time = self.log_times.entry(mid).or_default();
                *time = until_ms.max(*time);
            }
            (Effect::TakeLog(..), _) => return refused("the model is not here by that migration"),
            (Effect::Discard, Held::Importing(by) | Held::Staged(by)) if by == mid => self.held = Held::Absent,
            // As Juju's, it refuses whatever is live.
            (Effect::Discard, Held::Live(_)) => return Err(ControllerError::NotImporting),
            (Effect::Thaw | Effect::Reap | Effect::Redirect | Effect::Discard, _) => {}
        }
        if matches!(effect, Effect::Thaw | Effect::Reap | Effect::Activate | Effect::Discard) {
            self.ended.insert(mid);
        }
        Ok(())
    }
}
