//! Kinds of names that an argument takes.

/// A kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A model of the agent's controller.
    Model,
    /// A model of any controller, with the controller's name before it.
    AnyModel,
    /// A peer.
    Peer,
    /// The agent's controller, or a peer's.
    Controller,
    /// A migration.
    Migration,
    /// A backup that the agent keeps.
    Backup,
    /// A file or a directory.
    Path,
}
