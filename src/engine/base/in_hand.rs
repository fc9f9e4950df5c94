//! Marks models that an operator's command changes or deletes, so that no migration of them begins meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;
use parking_lot::Mutex;

/// The models that operators' commands have in hand.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<BTreeSet<ModelUuid>>>);

impl InHand {
    /// Reports whether a command has the model in hand. A migration may begin only if none has, which is to be asked while
    /// nobody else can append to the journal.
    pub fn has(&self, model: ModelUuid) -> bool {
        self.0.lock().contains(&model)
    }

    /// Takes a model in hand, unless another command has it.
    pub fn take(&self, model: ModelUuid) -> Option<Held> {
        self.0.lock().insert(model).then(|| Held { of: self.clone(), model })
    }
}

/// A model in the hand of a command, which gives it back when this is dropped.
#[derive(Debug)]
pub struct Held {
    of: InHand,
    model: ModelUuid,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.0.lock().remove(&self.model);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_in_one_hand_at_a_time() {
        let (hands, model) = (InHand::default(), ModelUuid([1; 16]));
        let held = hands.take(model).unwrap();
        assert!(hands.has(model) && hands.take(model).is_none());
        assert!(hands.take(ModelUuid([2; 16])).is_some());
        drop(held);
        assert!(!hands.has(model) && hands.take(model).is_some());
    }
}
