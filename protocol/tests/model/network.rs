//! Everything that was ever said: a set that only grows.

use std::sync::{PoisonError, RwLock};

use modelferry_protocol::message::{Message, MigrationKey};

/// Every message that any checker has met, each once. Its place is its bit in [`Said`].
static MET: RwLock<Vec<Message>> = RwLock::new(Vec::new());

/// A set of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Said([u128; 2]);

impl Said {
    pub const MESSAGES_MAX: usize = 256;

    pub fn insert(&mut self, message: &Message) {
        let place = place(message);
        self.0[place / 128] |= 1 << (place % 128);
    }

    pub fn contains(&self, message: &Message) -> bool {
        self.has(place(message))
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 128] & (1 << (place % 128)) != 0
    }

    pub fn places(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |place| self.has(*place as usize))
    }
}

pub fn message_at(place: u8) -> Message {
    MET.read().unwrap_or_else(PoisonError::into_inner)[place as usize].clone()
}

fn place(message: &Message) -> usize {
    let find = |met: &Vec<Message>| met.iter().position(|known| known == message);
    if let Some(place) = find(&MET.read().unwrap_or_else(PoisonError::into_inner)) {
        return place;
    }
    let mut met = MET.write().unwrap_or_else(PoisonError::into_inner);
    find(&met).unwrap_or_else(|| {
        assert!(met.len() < Said::MESSAGES_MAX, "more different messages than a set has bits");
        met.push(message.clone());
        met.len() - 1
    })
}

/// Whether a source says it; a target says the others.
pub fn is_from_source(message: &Message) -> bool {
    use Message::*;
    matches!(message, Offer(_) | Stage(_) | Seal(_) | Commit(_) | Finished(_) | Abort(_) | Unknown(_))
}

/// Returns `message` as if it were about another migration.
pub fn readdressed(message: &Message, to: MigrationKey) -> Message {
    let mut message = message.clone();
    match &mut message {
        Message::Seal(seal) => seal.key = to,
        Message::Prepared(vote) => vote.key = to,
        Message::Commit(commit) => commit.key = to,
        Message::Activated(activated) => activated.key = to,
        Message::Progress(key) | Message::Finished(key) | Message::Unknown(key) => *key = to,
        Message::Abort(end) | Message::Dropped(end) | Message::Refused(end) => end.key = to,
        _ => {}
    }
    message
}
