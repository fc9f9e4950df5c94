//! References to spaces.

use super::Description;
use super::network::Space;

/// The name of the space that every model has.
pub const ALPHA: &str = "alpha";
/// Its number, in documents that number spaces.
const ALPHA_ID: &str = "0";

/// What a reference to a space leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceRef<'a> {
    /// To the space of this name.
    Named(&'a str),
    /// To none of the model's.
    Dangling,
    /// Nobody can tell: the document has references, and spaces without identities.
    Untold,
}

impl Description {
    /// Follows a reference to a space: its number, its UUID or its name, as the document's version has it.
    pub fn space_of(&self, reference: &str) -> SpaceRef<'_> {
        if reference.is_empty() || reference == ALPHA_ID {
            return SpaceRef::Named(ALPHA);
        }
        let is = |space: &&Space| space.id == reference || space.uuid == reference || space.name == reference;
        match self.spaces.iter().find(is) {
            Some(space) => SpaceRef::Named(&space.name),
            None if self.spaces.iter().all(|space| space.id.is_empty() && space.uuid.is_empty()) => SpaceRef::Untold,
            None => SpaceRef::Dangling,
        }
    }
}
