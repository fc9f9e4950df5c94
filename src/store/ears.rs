//! Notifies every receiver of a blob which chunks have become durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use modelferry_protocol::manifest::ChunkSet;

use super::lock;

/// Sets of chunks, by page index.
pub(super) type Sets = BTreeMap<u32, ChunkSet>;

/// Adds `other` to `set`.
pub(super) fn union(set: &mut ChunkSet, other: &ChunkSet) {
    other.iter().for_each(|index| set.insert(index));
}

/// One receiver's subscription. Collects the chunks that it has not taken yet.
pub struct Ear {
    heard: Mutex<Sets>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Ear {
    /// Returns and clears the chunks, by page, that became durable since the last call, no matter who wrote them.
    pub fn take(&self) -> Vec<(u32, ChunkSet)> {
        std::mem::take(&mut *lock(&self.heard)).into_iter().collect()
    }

    /// Reports whether [`Ear::take`] would return any chunks.
    pub fn has_heard(&self) -> bool {
        !lock(&self.heard).is_empty()
    }
}

/// The subscribers of one blob.
#[derive(Default)]
pub(super) struct Ears(Mutex<Vec<Weak<Ear>>>);

impl Ears {
    /// Adds a subscriber. Calls `wake` whenever new chunks are durable.
    pub(super) fn add(&self, wake: Box<dyn Fn() + Send + Sync>) -> Arc<Ear> {
        let ear = Arc::new(Ear { heard: Mutex::default(), wake });
        let mut ears = lock(&self.0);
        ears.retain(|ear| ear.strong_count() > 0);
        ears.push(Arc::downgrade(&ear));
        ear
    }

    /// Notifies all subscribers.
    pub(super) fn tell(&self, durable: &Sets) {
        let ears: Vec<Arc<Ear>> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        for ear in ears {
            {
                let mut heard = lock(&ear.heard);
                for (page, set) in durable {
                    union(heard.entry(*page).or_insert_with(|| ChunkSet::empty(set.count())), set);
                }
            }
            (ear.wake)();
        }
    }
}
