//! A part of a model.

/// A thing that may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// Its name.
    pub name: String,
    /// The command that mends it, or that shows it where nothing mends it.
    pub fix: String,
}
