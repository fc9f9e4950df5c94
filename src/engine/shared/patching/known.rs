//! What the agent has learned about patches since its start.

use std::collections::{HashMap, HashSet};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;

use super::cost::PatchCost;
use super::turn::Turns;

/// Connections that may end while a peer makes a blob before that is sent as any other: the peer may die of it, again
/// and again.
const UNMADE_MAX: u32 = 2;
/// Blobs of which is remembered that no target could make them.
const REFUSED_MAX: usize = 1024;

/// What is known about patches.
#[derive(Default)]
pub struct Patching {
    /// Of whoever makes or applies one.
    pub(in crate::engine) turns: Turns,
    pub(in crate::engine) known: Mutex<Known>,
}

#[derive(Default)]
pub(in crate::engine) struct Known {
    pub(in crate::engine) cost: PatchCost,
    /// How often a target was asked to make a blob and has not answered.
    pub(in crate::engine) unmade: HashMap<Hash, u32>,
    /// Blobs that a target could not make.
    refused: HashSet<Hash>,
    /// Patches in the store, the latest last, by blob and base.
    pub(in crate::engine) made: Vec<(Hash, Hash, BlobRef)>,
}

impl Known {
    pub(in crate::engine) fn refuse(&mut self, blob: Hash) {
        if self.refused.len() >= REFUSED_MAX {
            self.refused.clear();
        }
        self.refused.insert(blob);
    }

    /// Reports whether a blob is to be sent without a patch, whatever one would save.
    pub(in crate::engine) fn is_given_up(&self, blob: Hash) -> bool {
        self.refused.contains(&blob) || self.unmade.get(&blob).is_some_and(|asked| *asked >= UNMADE_MAX)
    }

    /// Notes that a target is asked to make a blob.
    pub(in crate::engine) fn ask_for(&mut self, blob: Hash) {
        if self.unmade.len() >= REFUSED_MAX {
            self.unmade.clear();
        }
        *self.unmade.entry(blob).or_default() += 1;
    }
}
