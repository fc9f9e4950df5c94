//! Who hears which chunks of a blob on its way in have become durable: everybody who receives it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use modelferry_protocol::manifest::ChunkSet;

use super::lock;

/// Chunks, by page.
pub(super) type Sets = BTreeMap<u32, ChunkSet>;

/// Adds `other` to `set`.
pub(super) fn union(set: &mut ChunkSet, other: &ChunkSet) {
    other.iter().for_each(|index| set.insert(index));
}

/// Collects what one receiver has not been told yet.
pub struct Ear {
    heard: Mutex<Sets>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Ear {
    /// Returns the chunks, by page, that became durable since the last time, whoever wrote them.
    pub fn take(&self) -> Vec<(u32, ChunkSet)> {
        std::mem::take(&mut *lock(&self.heard)).into_iter().collect()
    }

    /// Reports whether there is something to take.
    pub fn has_heard(&self) -> bool {
        !lock(&self.heard).is_empty()
    }
}

/// The ears of a blob.
#[derive(Default)]
pub(super) struct Ears(Mutex<Vec<Weak<Ear>>>);

impl Ears {
    /// Adds an ear. `wake` is called whenever there is something to take.
    pub(super) fn add(&self, wake: Box<dyn Fn() + Send + Sync>) -> Arc<Ear> {
        let ear = Arc::new(Ear { heard: Mutex::default(), wake });
        let mut ears = lock(&self.0);
        ears.retain(|ear| ear.strong_count() > 0);
        ears.push(Arc::downgrade(&ear));
        ear
    }

    /// Tells all of them.
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
