//! Exit codes, decided here and nowhere else.

use crate::agent::control::{Failure, FailureKind};
use crate::engine::view::{MigrationView, Stand};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; or accepted, where nobody waited.
    Done = 0,
    /// Refused. Nothing has changed.
    Refused = 1,
    /// The command line makes no sense. clap ends with the same.
    Usage = 2,
    /// The migration failed, and the model is live on its source as it was.
    Reverted = 3,
    /// Decided, but not known on both sides.
    InDoubt = 4,
    /// An agent that is needed cannot be reached.
    Unreachable = 5,
    /// Not finished in time.
    TimedOut = 6,
    /// Moved, but somebody should look.
    Attention = 7,
    /// The daemon does not start with this configuration; sysexits' EX_CONFIG.
    BadConfig = 78,
    /// Ctrl-C, as a shell reports it.
    Interrupted = 130,
}

/// A code that a command can end with, and what it means there.
pub type Ending = (Exit, &'static str);

/// It is done.
pub const DONE: Ending = (Exit::Done, "done");
/// Somebody said no.
pub const REFUSED: Ending = (Exit::Refused, "refused, nothing has changed; or what was printed could not be written");
/// clap said no.
pub const USAGE: Ending = (Exit::Usage, "the command line makes no sense");
/// It failed before the decision.
pub const REVERTED: Ending = (Exit::Reverted, "reverted: the model is live on its source, as it was");
/// Nobody here knows yet.
pub const IN_DOUBT: Ending = (Exit::InDoubt, "in doubt: decided, but not known on both sides");
/// The agent answers nothing but its status.
pub const STOPPED: Ending = (Exit::InDoubt, "the agent has stopped acting, as its journal cannot be trusted");
/// Nobody was asked.
pub const UNREACHABLE: Ending = (Exit::Unreachable, "the agent cannot be reached");
/// Nobody was asked, here or there.
pub const PEER_UNREACHABLE: Ending =
    (Exit::Unreachable, "the agent, or the peer that it has to ask, cannot be reached");
/// It goes on.
pub const TIMED_OUT: Ending = (Exit::TimedOut, "not finished in time");
/// It is done, and there is more to do.
pub const ATTENTION: Ending = (Exit::Attention, "moved, but somebody should look");
/// The daemon does not begin.
pub const BAD_CONFIG: Ending = (Exit::BadConfig, "the configuration is wrong");

/// Ctrl-C while it was followed.
pub const INTERRUPTED: Ending = (Exit::Interrupted, "interrupted by Ctrl-C; what was followed goes on");

/// All that there is.
pub const ALL: &[Ending] = &[
    (Exit::Done, "done; or accepted, where nobody waits"),
    REFUSED,
    USAGE,
    REVERTED,
    IN_DOUBT,
    PEER_UNREACHABLE,
    TIMED_OUT,
    ATTENTION,
    BAD_CONFIG,
    INTERRUPTED,
];
/// Commands that need no agent.
pub const ALONE: &[Ending] = &[DONE, REFUSED, USAGE];
/// Commands that ask the agent, or tell it something that is done at once.
pub const ASKING: &[Ending] = &[DONE, REFUSED, USAGE, STOPPED, UNREACHABLE];
/// Commands whose question the agent may have to pass on to a peer.
pub const ASKING_PEER: &[Ending] = &[DONE, REFUSED, USAGE, STOPPED, PEER_UNREACHABLE];
/// Commands that decide about a migration.
pub const DECIDING: &[Ending] = &[DONE, REFUSED, USAGE, IN_DOUBT, UNREACHABLE];
/// Commands that follow a migration to its end.
pub const FOLLOWING: &[Ending] = &[
    (Exit::Done, "done; or accepted, where nobody waits"),
    REFUSED,
    USAGE,
    REVERTED,
    IN_DOUBT,
    PEER_UNREACHABLE,
    TIMED_OUT,
    ATTENTION,
    INTERRUPTED,
];
/// The daemon.
pub const SERVING: &[Ending] = &[
    (Exit::Done, "stopped by SIGTERM or SIGINT"),
    (Exit::Refused, "cannot serve: the state directory, the socket or the port is not to be had"),
    USAGE,
    BAD_CONFIG,
];

impl Exit {
    /// Returns how a command ends that met `failure`.
    pub fn of(failure: &Failure) -> Self {
        match failure.kind {
            FailureKind::Refused | FailureKind::NotFound | FailureKind::NotPermitted | FailureKind::Internal => {
                Self::Refused
            }
            FailureKind::Usage => Self::Usage,
            FailureKind::InDoubt => Self::InDoubt,
            FailureKind::Unreachable => Self::Unreachable,
            FailureKind::TimedOut => Self::TimedOut,
        }
    }

    /// Returns how a command ends that followed a migration until now.
    pub fn of_migration(migration: &MigrationView) -> Self {
        match migration.stand {
            Stand::Moved if migration.cause.is_some() => Self::Attention,
            Stand::Moved | Stand::Copied => Self::Done,
            Stand::Reverted => Self::Reverted,
            Stand::Undecided => Self::InDoubt,
            Stand::Finishing if migration.needs_somebody() => Self::Attention,
            Stand::Finishing if migration.is_held() => Self::Done,
            Stand::Running | Stand::Finishing => Self::TimedOut,
        }
    }

    /// Returns the graver of two, for a command that was about several models.
    pub fn graver(self, other: Self) -> Self {
        const GRAVEST_FIRST: [Exit; 10] = [
            Exit::InDoubt,
            Exit::Attention,
            Exit::Reverted,
            Exit::TimedOut,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Usage,
            Exit::BadConfig,
            Exit::Interrupted,
            Exit::Done,
        ];
        GRAVEST_FIRST.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_models_the_gravest_counts() {
        assert_eq!(Exit::Done.graver(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::Reverted.graver(Exit::Attention), Exit::Attention);
        assert_eq!(Exit::Attention.graver(Exit::InDoubt), Exit::InDoubt);
        assert_eq!(Exit::TimedOut.graver(Exit::Reverted), Exit::Reverted);
        assert_eq!(Exit::Done.graver(Exit::Done), Exit::Done);
    }
}
