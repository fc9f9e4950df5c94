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
}

/// What every command's help ends with; some can end in more ways.
macro_rules! exit_status {
    ($($line:literal),*) => {
        concat!(
            "EXIT STATUS:\n",
            "  0  done\n",
            "  1  refused, nothing has changed\n",
            "  2  the command line makes no sense\n",
            $("  ", $line, "\n",)*
            "  5  the agent cannot be reached"
        )
    };
}

/// Help of commands that ask the agent, or tell it something that is done at once.
pub const ASKING: &str = exit_status!();
/// Help of commands that follow a migration to its end.
pub const FOLLOWING: &str = concat!(
    "EXIT STATUS:\n",
    "  0  done; or accepted, where nobody waits\n",
    "  1  refused, nothing has changed\n",
    "  2  the command line makes no sense\n",
    "  3  reverted: the model is live on its source, as it was\n",
    "  4  in doubt: decided, but not known on both sides\n",
    "  5  the agent cannot be reached\n",
    "  6  not finished in time\n",
    "  7  moved, but somebody should look\n",
    "Of several models, the gravest: 4, 7, 3, 6, 1."
);
/// Help of the daemon.
pub const SERVING: &str = concat!(
    "EXIT STATUS:\n",
    "  0   stopped by SIGTERM or SIGINT\n",
    "  1   cannot serve: the state directory, the socket or the port is not to be had\n",
    "  2   the command line makes no sense\n",
    "  78  the configuration is wrong"
);
/// Help of commands that need no agent.
pub const ALONE: &str =
    "EXIT STATUS:\n  0  done\n  1  refused, nothing has changed\n  2  the command line makes no sense";

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
            Stand::Moved => Self::Done,
            Stand::Reverted => Self::Reverted,
            Stand::Undecided => Self::InDoubt,
            Stand::Finishing if migration.is_reap_failing() => Self::Attention,
            Stand::Finishing if migration.is_held() => Self::Done,
            Stand::Running | Stand::Finishing => Self::TimedOut,
        }
    }

    /// Returns the graver of two, for a command that was about several models.
    pub fn graver(self, other: Self) -> Self {
        const GRAVEST_FIRST: [Exit; 9] = [
            Exit::InDoubt,
            Exit::Attention,
            Exit::Reverted,
            Exit::TimedOut,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Usage,
            Exit::BadConfig,
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
