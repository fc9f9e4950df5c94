//! A controller that holds the one model, and the effects of the port upon it: one that keeps the port's promises, and one
//! that does as Juju's.

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
    /// An import failed half-way: at version 8 nothing tells it from a complete one.
    Broken {
        by: Attempt,
    },
    /// An abort was answered, and the copy is not gone yet: it can still be activated.
    Going {
        by: Attempt,
        writes: Writes,
    },
}

/// What a model has whose import failed and which was activated all the same: not what anybody wrote.
const EMPTY: Writes = Writes::MAX;

/// Which controller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It keeps the port's promises: each effect is conditional on its migration, and ended migrations are remembered.
    Ours,
    /// Juju's `MigrationTarget` up to version 7: it knows no migration and excludes nothing; `Abort` is answered early.
    Juju7,
    /// Version 8: besides, a failed import looks like a complete one.
    Juju8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    pub kind: Kind,
    pub held: Held,
    /// What the activation was told that made the model live, if it was told anything.
    pub told: Option<u8>,
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
    Import(Writes),
    Stage(Writes),
    /// With the first byte of its arguments, if it has any.
    Activate(Option<u8>),
    Adopt,
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
    pub fn new(kind: Kind, held: Held) -> Self {
        Self { kind, held, told: None, ended: 0 }
    }

    pub fn is_juju(&self) -> bool {
        self.kind != Kind::Ours
    }

    /// Reports whether it says of a copy that its import was complete.
    pub fn shows_complete(&self) -> bool {
        self.kind == Kind::Juju7 && matches!(self.held, Held::Staged { .. })
    }

    /// Ends what an abort has begun.
    pub fn vanish(&mut self) {
        if matches!(self.held, Held::Going { .. }) {
            self.held = Held::Absent;
        }
    }

    /// Fails half-way into an import.
    pub fn break_import(&mut self, by: Attempt) {
        if self.held == Held::Absent {
            self.held = Held::Broken { by };
        }
    }

    pub fn is_live(&self) -> bool {
        matches!(self.held, Held::Live { .. })
    }

    /// Acknowledges a write.
    pub fn write(&mut self) {
        if let Held::Live { writes, .. } = &mut self.held
            && *writes != EMPTY
        {
            *writes += 1;
        }
    }

    /// Makes the effect.
    pub fn perform(&mut self, call: Call, rules: &Rules) -> Reply {
        let was_live = self.is_live();
        let reply = if self.is_juju() { self.perform_as_juju(call) } else { self.perform_as_ours(call, rules) };
        if let Effect::Activate(told) = call.effect
            && self.is_live()
            && !was_live
        {
            self.told = told;
        }
        reply
    }

    /// Juju's: whichever migration asks, and whatever was there before.
    fn perform_as_juju(&mut self, Call { by, effect }: Call) -> Reply {
        let (held, reply) = match (effect, self.held) {
            (Effect::Import(writes), Held::Absent) => (Held::Staged { by, writes }, Reply::Done),
            // It fails, and turns what users write to into a copy that can be aborted.
            (Effect::Import(_), Held::Live { writes, .. }) => (Held::Staged { by, writes }, Reply::Refused),
            (Effect::Import(_), held) => (held, Reply::Refused),
            (Effect::Stage(_), held @ (Held::Staged { .. } | Held::Broken { .. })) => (held, Reply::Done),
            (Effect::Stage(_), held) => (held, Reply::Refused),
            (Effect::Activate(_), Held::Staged { by: owner, writes } | Held::Going { by: owner, writes }) => {
                (Held::Live { by: Some(owner), writes }, Reply::Done)
            }
            (Effect::Activate(_), Held::Broken { by: owner }) => {
                (Held::Live { by: Some(owner), writes: EMPTY }, Reply::Done)
            }
            (Effect::Activate(_), held) => (held, Reply::Refused),
            (Effect::Adopt, held @ Held::Live { .. }) => (held, Reply::Done),
            (Effect::Adopt, held) => (held, Reply::Refused),
            // The answer comes before the copy is gone.
            (Effect::Discard, Held::Staged { by: owner, writes }) => (Held::Going { by: owner, writes }, Reply::Done),
            (Effect::Discard, Held::Broken { by: owner }) => (Held::Going { by: owner, writes: EMPTY }, Reply::Done),
            (Effect::Discard, held @ Held::Live { .. }) => (held, Reply::FoundLive),
            (Effect::Discard, held) => (held, Reply::Done),
            (Effect::Freeze | Effect::Thaw | Effect::Redirect | Effect::Reap, held) => {
                unreachable!("its own master does that: {held:?}")
            }
        };
        self.held = held;
        reply
    }

    /// Ours: each effect is idempotent and conditional on its migration.
    fn perform_as_ours(&mut self, Call { by, effect }: Call, rules: &Rules) -> Reply {
        let ended = self.ended & (1 << by) != 0;
        let (held, reply) = match (effect, self.held) {
            (Effect::Redirect, held) => (held, Reply::Done),

            (Effect::Freeze | Effect::Import(_) | Effect::Stage(_), held) if ended => (held, Reply::Refused),
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

            (Effect::Import(writes) | Effect::Stage(writes), Held::Absent) => {
                (Held::Staged { by, writes }, Reply::Done)
            }
            (Effect::Import(_) | Effect::Stage(_), held @ Held::Staged { by: owner, .. }) if owner == by => {
                (held, Reply::Done)
            }
            (Effect::Import(_) | Effect::Stage(_), held) => (held, Reply::Refused),

            (Effect::Activate(_), Held::Staged { by: owner, writes }) if owner == by || rules.activate_any => {
                (Held::Live { by: Some(owner), writes }, Reply::Done)
            }
            (Effect::Activate(_), held @ Held::Live { by: Some(owner), .. }) if owner == by => (held, Reply::Done),
            (Effect::Activate(_), held) => (held, Reply::Refused),

            (Effect::Adopt, held @ Held::Live { by: Some(owner), .. }) if owner == by => (held, Reply::Done),
            (Effect::Adopt, held) => (held, Reply::Refused),

            (Effect::Discard, Held::Staged { by: owner, .. }) if owner == by => (Held::Absent, Reply::Done),
            // As Juju's, it refuses whatever is live, by whichever migration.
            (Effect::Discard, held @ Held::Live { .. }) => (held, Reply::FoundLive),
            (Effect::Discard, held) => (held, Reply::Done),
        };
        self.held = held;
        let ends = matches!(effect, Effect::Thaw | Effect::Reap | Effect::Activate(_) | Effect::Discard);
        if ends && reply == Reply::Done && !rules.ended_forgotten {
            self.ended |= 1 << by;
        }
        reply
    }
}
