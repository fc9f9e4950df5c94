//! The ways in which an operator resolves a migration in doubt.

use serde::{Deserialize, Serialize};

/// How a doubt is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ResolveMethod {
    /// By the other side's proof.
    Proof {
        /// Its text, perhaps with an e-mail around it.
        text: String,
    },
    /// The target gives the token back.
    Renounce {},
    /// The source takes the model back, as the target is destroyed.
    Reclaim {
        /// The model's UUID, as the operator typed it.
        model: String,
    },
    /// The copy that lost a conflict is deleted.
    DiscardFrozen {
        /// The model's UUID, as the operator typed it.
        model: String,
    },
    /// The copy here is to win over every other.
    KeepMine {
        /// The model's UUID, as the operator typed it.
        model: String,
    },
    /// The copy of a peer that claims the model is to win; the one here is frozen.
    KeepTheirs {
        /// The model's UUID, as the operator typed it.
        model: String,
    },
    /// The causes of the alarms about the peer that is named in place of a migration are gone.
    Acknowledge {},
    /// The target takes the model, as the source is destroyed.
    ForceActivate {
        /// The model's UUID, as the operator typed it.
        model: String,
    },
}
