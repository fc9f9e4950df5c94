//! Notifies every receiver of a blob which chunks have become durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use modelferry_protocol::manifest::ChunkSet;
use parking_lot::Mutex;

/// Sets of chunks, by page index.
pub(super) type Sets = BTreeMap<u32, ChunkSet>;

/// Adds `other` to `set`.
pub(super) fn union(set: &mut ChunkSet, other: &ChunkSet) {
    other.iter().for_each(|index| set.insert(index));
}

/// One receiver's subscription. Collects the chunks that it has not taken yet.
pub struct DurabilitySubscription {
    news: Mutex<Sets>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl DurabilitySubscription {
    /// Returns and clears the chunks, by page, that became durable since the last call, no matter who wrote them.
    pub fn take(&self) -> Vec<(u32, ChunkSet)> {
        std::mem::take(&mut *self.news.lock()).into_iter().collect()
    }

    /// Reports whether [`DurabilitySubscription::take`] would return any chunks.
    pub fn has_news(&self) -> bool {
        !self.news.lock().is_empty()
    }
}

/// The subscribers of one blob.
#[derive(Default)]
pub(super) struct DurabilitySubscribers(Mutex<Vec<Weak<DurabilitySubscription>>>);

impl DurabilitySubscribers {
    /// Adds a subscriber. Calls `wake` whenever new chunks are durable.
    pub(super) fn add(&self, wake: Box<dyn Fn() + Send + Sync>) -> Arc<DurabilitySubscription> {
        let subscription = Arc::new(DurabilitySubscription { news: Mutex::default(), wake });
        let mut subscribers = self.0.lock();
        subscribers.retain(|subscription| subscription.strong_count() > 0);
        subscribers.push(Arc::downgrade(&subscription));
        subscription
    }

    /// Notifies all subscribers.
    pub(super) fn notify(&self, durable: &Sets) {
        let subscriptions: Vec<Arc<DurabilitySubscription>> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for subscription in subscriptions {
            {
                let mut news = subscription.news.lock();
                for (page, set) in durable {
                    union(news.entry(*page).or_insert_with(|| ChunkSet::empty(set.count())), set);
                }
            }
            (subscription.wake)();
        }
    }
}
