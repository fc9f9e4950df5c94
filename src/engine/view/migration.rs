//! Views of migrations and pre-copies.

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::config::IN_DOUBT_AFTER_DEFAULT;

/// Which side of a migration this agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The model leaves from here.
    Source,
    /// The model comes here.
    Target,
}

/// What it is that has an id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A model moves.
    #[default]
    Migration,
    /// A model's bytes travel ahead of a migration that may come.
    Precopy,
}

/// How a migration stands, for exit codes and scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// Under way; an abort is possible.
    Running,
    /// Decided, but this side does not know the other's answer: source `Committed`, target `Prepared`.
    Undecided,
    /// Decided and being finished.
    Finishing,
    /// The model moved.
    Moved,
    /// The model is live on its source, as it was.
    Reverted,
    /// Of a pre-copy: complete, or a migration goes on with it. The model is live on its source.
    Copied,
}

/// Bytes of a migration's blobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bytes {
    /// Of all blobs of the model; on its target, of all that have been offered.
    pub total: u64,
    /// Durable on the target.
    pub held: u64,
    /// Of those held: found on the target, never sent by this migration.
    pub reused: u64,
    /// Plain bytes of the chunks given to the connection, those included that are given again after a cut.
    pub sent: u64,
    /// The same as they went on the wire, compressed; those that have left this host.
    pub sent_wire: u64,
    /// Plain bytes per second over the last seconds; 0 while it waits, or a limit of 0 holds it back.
    pub rate: f64,
    /// When this agent was started, Unix milliseconds, if the migration is older: `sent` and `sent_wire` count from there,
    /// and `reused` is what was there then, whoever had brought it.
    #[serde(default)]
    pub counted_from_ms: Option<u64>,
}

/// Milliseconds after which an undecided migration is in doubt unless the agent was told otherwise.
pub const IN_DOUBT_AFTER_MS: u64 = IN_DOUBT_AFTER_DEFAULT.as_millis() as u64;

/// What fails on this side again and again, while a migration waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failing {
    /// The controller does not do what the migration needs next.
    Controller,
    /// The log of a model that has moved cannot follow it.
    Log,
}

fn in_doubt_after_ms() -> u64 {
    IN_DOUBT_AFTER_MS
}

/// A migration, or a pre-copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MigrationView {
    /// Juju's form: `<model uuid>:<attempt>`; a pre-copy's is `<model uuid>:p<number>`.
    pub id: String,
    /// Whether it is a migration, or a pre-copy.
    #[serde(default)]
    pub kind: Kind,
    /// The 16 random bytes that really name it, in hexadecimal.
    pub mid: String,
    /// The model's UUID.
    pub model_uuid: String,
    /// The model's name.
    pub model: String,
    /// The model's owner.
    pub owner: String,
    /// Which side this agent is.
    pub direction: Direction,
    /// The other agent, as it is called here.
    pub peer: String,
    /// The other side's controller.
    pub controller: String,
    /// The durable state.
    pub state: State,
    /// How it stands.
    pub stand: Stand,
    /// What happens now, in Juju's words where the phase is Juju's: Notes without `migrating: `.
    pub note: String,
    /// Why it waits, if it does.
    pub waiting: Option<String>,
    /// What fails, if that is why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// What operators want of it while its model is live, if they have said anything.
    #[serde(default)]
    pub orders: Option<OrdersView>,
    /// The first cause, if it failed.
    pub cause: Option<String>,
    /// Unix milliseconds of its first record.
    pub started_ms: u64,
    /// Unix milliseconds of its last record, once it is at rest.
    pub ended_ms: Option<u64>,
    /// Since when it has been undecided, Unix milliseconds, while it is.
    pub undecided_since_ms: Option<u64>,
    /// For how long, milliseconds, by a clock that nobody sets.
    #[serde(default)]
    pub undecided_ms: Option<u64>,
    /// Milliseconds after which it is in doubt, if it is still undecided then.
    #[serde(default = "in_doubt_after_ms")]
    pub in_doubt_after_ms: u64,
    /// Until when the source holds its copy of a model that has moved, Unix milliseconds, while it does.
    #[serde(default)]
    pub reap_due_ms: Option<u64>,
    /// Milliseconds for which the model was, or has been, frozen.
    pub frozen_ms: Option<u64>,
    /// What is handed over, hexadecimal, once it is sealed.
    pub root: Option<String>,
    /// The source agent's pin.
    pub source_pin: String,
    /// The target agent's pin.
    pub target_pin: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What operators want of a migration while its model is live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OrdersView {
    /// Unix milliseconds from which on the model may be frozen, if it waits for an hour.
    pub cutover_at_ms: Option<u64>,
    /// Whether it waits for `cutover`.
    pub held: bool,
    /// Unix milliseconds after which it is given up.
    pub until_ms: Option<u64>,
    /// What may be sent for it, such as `20mbit`.
    pub bwlimit: Option<String>,
    /// Who has paused it, if somebody has.
    pub paused_by: Option<String>,
    /// Since when, Unix milliseconds.
    pub paused_since_ms: Option<u64>,
}

impl MigrationView {
    /// Reports whether it moves a model; a pre-copy does not.
    pub fn moves(&self) -> bool {
        self.kind == Kind::Migration
    }

    /// Returns for how long it has been undecided, milliseconds, while it is. `now_ms`: the clock on the wall, for what an
    /// older agent told.
    pub fn undecided_for_ms(&self, now_ms: u64) -> Option<u64> {
        self.undecided_ms.or_else(|| self.undecided_since_ms.map(|since_ms| now_ms.saturating_sub(since_ms)))
    }

    /// Reports whether the model has moved, and the source cannot delete its copy. It is tried again and again.
    pub fn is_reap_failing(&self) -> bool {
        self.state == State::Reaping && self.waiting.is_some()
    }

    /// Reports whether the model has moved, and its log cannot follow. It is tried again and again; what ends it is mostly that
    /// a person gives the log up.
    pub fn is_log_left_behind(&self) -> bool {
        self.state == State::Handed && self.failing == Some(Failing::Log)
    }

    /// Reports whether the model has moved, and what is left to do here may need a person.
    pub fn needs_somebody(&self) -> bool {
        self.is_reap_failing() || self.is_log_left_behind()
    }

    /// Reports whether the model has moved, and the source holds its copy as it was told to.
    pub fn is_held(&self) -> bool {
        self.reap_due_ms.is_some()
    }

    /// Returns what stands in Juju's column Notes behind `migrating: `: why it waits, if it does, before what it
    /// does, as what is too long is cut at its end.
    pub fn notes(&self) -> String {
        match &self.waiting {
            Some(waiting) if *waiting != self.note => format!("{waiting}; {}", self.note),
            _ => self.note.clone(),
        }
    }
}
