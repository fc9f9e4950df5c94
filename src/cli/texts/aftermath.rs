//! Explains the state of a model whose migration failed, or has it frozen, and what the operator can do.

use crate::cli::output::ago;
use crate::cli::output::plain;

/// What is true while a model is frozen.
pub(in crate::cli) const FROZEN: &str =
    "frozen for its migration: applications keep running; hooks and changes wait until it has ended";

/// A migration that failed.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Failed<'a> {
    /// In Juju's form.
    pub id: &'a str,
    /// `owner/name`.
    pub model: &'a str,
    /// Where it was to go.
    pub peer: &'a str,
    /// The first cause.
    pub cause: Option<&'a str>,
    /// When, Unix milliseconds.
    pub ended_ms: u64,
    /// Whether it was a pre-copy.
    pub is_precopy: bool,
}

impl Failed<'_> {
    /// Tells cause and time, and how the model is: on two lines.
    pub(in crate::cli) fn told(&self, now_ms: u64) -> String {
        format!(
            "{} \"{}\" failed {}: {}\nModel \"{}\" is live on its source, as it was.\n",
            if self.is_precopy { "Pre-copy" } else { "Migration" },
            plain(self.id),
            ago(self.ended_ms, now_ms),
            plain(self.cause.unwrap_or("no cause was recorded")),
            plain(self.model),
        )
    }

    /// Tells where more is told of it, and what to do about it: on two lines.
    pub(in crate::cli) fn next(&self) -> String {
        format!("What happened: `modelferry show-migration {}`.\n{}", plain(self.id), self.again())
    }

    /// Tells what to do about it, on one line.
    pub(in crate::cli) fn again(&self) -> String {
        let (model, peer) = (plain(self.model), plain(self.peer));
        let again = match self.is_precopy {
            true => format!("`modelferry precopy {model} {peer}`"),
            false => format!("`modelferry migrate {model} {peer}`"),
        };
        format!("What stands in the way: `modelferry precheck {model} {peer}`. Once more: {again}.\n")
    }
}
