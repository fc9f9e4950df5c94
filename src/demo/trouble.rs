//! Why the demo could not go on, or what it found to be untrue.

use std::io;

use super::control::NoAnswer;

/// Why the demo could not go on, or what it found to be untrue.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// This.
    #[error("{0}")]
    Said(String),
    /// The host refuses something.
    #[error("{0}")]
    Host(#[from] io::Error),
    /// An agent does not answer as it should.
    #[error("{0}")]
    Agent(#[from] NoAnswer),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Trouble {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}
