//! The failure of a request.

use serde::{Deserialize, Serialize};

use super::view::RedirectView;

/// Why something was not done, in three parts: what happened, how things stand, what to type next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// By whose fault.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// What state the model, or the agent, is in; empty where the message says it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// What to type next; empty where there is nothing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Where the model went, if it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Box<RedirectView>>,
    /// What is missing, for the agent that looks for what was meant; nobody else is told.
    #[serde(skip)]
    pub missing: Option<Missing>,
}

/// Something that is not there, by the name that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A model of this controller.
    Model(String),
    /// A peer, by its name or by that of the controller beside it.
    Peer(String),
    /// A controller: this agent's, or a peer's.
    Controller(String),
    /// A migration.
    Migration(String),
    /// A backup that is kept here.
    Backup(String),
}

impl Missing {
    /// Returns what was typed.
    pub fn typed(&self) -> &str {
        match self {
            Self::Model(typed) | Self::Peer(typed) | Self::Controller(typed) => typed,
            Self::Migration(typed) | Self::Backup(typed) => typed,
        }
    }
}

/// Kinds of failure; an exit code each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The agent, or its controller, says no. Nothing has changed.
    Refused,
    /// The request makes no sense.
    Usage,
    /// There is nothing of that name.
    NotFound,
    /// Who asks may not.
    NotPermitted,
    /// It is in doubt who owns the model, so this has to wait.
    InDoubt,
    /// An agent that is needed cannot be reached.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// The agent itself is broken.
    Internal,
}

impl Failure {
    /// Makes a failure of which there is no more to say than what happened.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), state: String::new(), hint: String::new(), redirect: None, missing: None }
    }

    /// Adds how things stand.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }

    /// Adds what is missing.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = Some(missing);
        self
    }

    /// Names the model that the failure is about.
    pub fn of_model(self, model: &str) -> Self {
        Self { message: format!("model \"{model}\": {}", self.message), ..self }
    }

    /// Adds what to type next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}
