//! A controller that holds the one model, and the effects of switchover.md's port table upon it.

use crate::world::{Attempt, Rules};

/// Writes that a copy of the model holds; acknowledged ones are counted from 0.
pub type Writes = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    Absent,
    /// `by`: the migration that brought it here.
    Live {
        by: Option<Attempt>,
        writes: Writes,
    },
    Frozen {
        by: Attempt,
        writes: Writes,
    },
    Staged {
        by: Attempt,
        writes: Writes,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    pub held: Held,
    /// Bit per migration whose second half (thaw, reap, activate, discard) was made here: its first half
    /// (freeze, stage), coming late, does nothing.
    pub ended: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    Freeze,
    Thaw,
    Redirect,
    Reap,
    Stage(Writes),
    Activate,
    Discard,
}

/// An effect on behalf of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    pub by: Attempt,
    pub effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    Done,
    FrozenWith(Writes),
    FoundLive,
    Refused,
}

impl Controller {
    pub fn new(held: Held) -> Self {
        Self { held, ended: 0 }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.held, Held::Live { .. })
    }

    /// Acknowledges a write.
    pub fn write(&mut self) {
        if let Held::Live { writes, .. } = &mut self.held {
            *writes += 1;
        }
    }

    /// Makes the effect, or finds it made: each is idempotent and conditional on its migration.
    pub fn perform(&mut self, Call { by, effect }: Call, rules: &Rules) -> Reply {
        let ended = self.ended & (1 << by) != 0;
        let (held, reply) = match (effect, self.held) {
            (Effect::Redirect, held) => (held, Reply::Done),

            (Effect::Freeze | Effect::Stage(_), held) if ended => (held, Reply::Refused),
            (Effect::Freeze, Held::Live { writes, .. }) => (Held::Frozen { by, writes }, Reply::FrozenWith(writes)),
            (Effect::Freeze, held @ Held::Frozen { by: owner, writes }) if owner == by => {
                (held, Reply::FrozenWith(writes))
            }
            (Effect::Freeze, held) => (held, Reply::Refused),

            (Effect::Thaw, Held::Frozen { by: owner, writes }) if owner == by || rules.thaw_any => {
                (Held::Live { by: None, writes }, Reply::Done)
            }
            (Effect::Thaw, held) => (held, Reply::Done),

            (Effect::Reap, Held::Frozen { by: owner, .. }) if owner == by => (Held::Absent, Reply::Done),
            (Effect::Reap, held) => (held, Reply::Done),

            (Effect::Stage(writes), Held::Absent) => (Held::Staged { by, writes }, Reply::Done),
            (Effect::Stage(_), held @ Held::Staged { by: owner, .. }) if owner == by => (held, Reply::Done),
            (Effect::Stage(_), held) => (held, Reply::Refused),

            (Effect::Activate, Held::Staged { by: owner, writes }) if owner == by || rules.activate_any => {
                (Held::Live { by: Some(owner), writes }, Reply::Done)
            }
            (Effect::Activate, held @ Held::Live { by: Some(owner), .. }) if owner == by => (held, Reply::Done),
            (Effect::Activate, held) => (held, Reply::Refused),

            (Effect::Discard, Held::Staged { by: owner, .. }) if owner == by => (Held::Absent, Reply::Done),
            // As Juju's, it refuses whatever is live, by whichever migration.
            (Effect::Discard, held @ Held::Live { .. }) => (held, Reply::FoundLive),
            (Effect::Discard, held) => (held, Reply::Done),
        };
        self.held = held;
        let ends = matches!(effect, Effect::Thaw | Effect::Reap | Effect::Activate | Effect::Discard);
        if ends && reply == Reply::Done && !rules.ended_forgotten {
            self.ended |= 1 << by;
        }
        reply
    }
}
