//! `modelferry embedded user`: who may use the embedded controller.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::done::done;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::{client, spool};
use crate::cli::output::Table;
use crate::cli::output::plain;
use crate::config::words;
use crate::secret::SecretText;

/// Bytes that a password file may have: more than a password may have.
const PASSWORD_FILE_BYTES_MAX: u64 = 4 << 10;

const USER: Help = Help {
    examples: &[
        "modelferry embedded user list",
        "modelferry embedded user set-password admin --password-file pw",
        "modelferry embedded user add bob",
    ],
    exits: exit::ASKING,
    juju: Some("juju users"),
};

const USER_ADD: Help = Help {
    examples: &[
        "modelferry embedded user add bob",
        "modelferry embedded user add bob --password-file pw",
        "modelferry embedded user add carol@external --access add-model",
    ],
    exits: exit::ASKING,
    juju: Some("juju add-user USER"),
};

const USER_SET_PASSWORD: Help = Help {
    examples: &[
        "modelferry embedded user set-password admin --password-file pw",
        "pwgen 20 1 | tee pw | modelferry embedded user set-password admin --password-file -",
    ],
    exits: exit::ASKING,
    juju: Some("juju change-user-password USER"),
};

const USER_LIST: Help =
    Help { examples: &["modelferry embedded user list"], exits: exit::ASKING, juju: Some("juju users") };

const USER_REMOVE: Help = Help {
    examples: &["modelferry embedded user remove bob"],
    exits: exit::ASKING,
    juju: Some("juju remove-user USER"),
};

/// Work with the controller's users
///
/// All users of a model must exist on the controller that it is migrated to, as in Juju. The user `admin` is always
/// there, and has no password until `set-password` gives it one: until then nobody logs in to the controller's API.
#[derive(Debug, Subcommand)]
#[command(after_long_help = USER)]
pub enum UserCommand {
    /// Add a user
    ///
    /// Without --password-file the user cannot log in: models can name it, and that is all.
    #[command(after_long_help = USER_ADD)]
    Add {
        /// The user; external ones with their domain
        user: String,
        /// The access level: login, add-model or superuser
        #[arg(long)]
        access: Option<String>,
        /// A file whose first line is the password; - reads standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give a user a password, in the place of the one before
    ///
    /// This is how the controller's API gets its first login: `set-password admin`. Connections that are open stay open.
    #[command(after_long_help = USER_SET_PASSWORD)]
    SetPassword {
        /// The user
        user: String,
        /// A file whose first line is the password; - reads standard input
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
    /// List the users
    ///
    /// With the access that each has to the controller, and whether it has a password.
    #[command(after_long_help = USER_LIST)]
    List {},
    /// Remove a user
    ///
    /// Models keep naming the user; they cannot be migrated to here while they do and the user is not here.
    #[command(after_long_help = USER_REMOVE)]
    Remove {
        /// The user
        user: String,
    },
}

impl UserCommand {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Add { user, access, password_file } => {
                let password = password_file.map(|file| password(&file)).transpose()?;
                let said = format!("User \"{}\" added.\n", plain(&user));
                done(context, &Request::UserAdd { user, access, password }, said)?;
            }
            Self::SetPassword { user, password_file } => {
                let password = password(&password_file)?;
                let said = format!("Password of user \"{}\" set.\n", plain(&user));
                done(context, &Request::UserSetPassword { user, password }, said)?;
            }
            Self::List {} => {
                let Response::Users(users) = context.ask(&Request::UserList {})? else {
                    return Err(client::unexpected());
                };
                context.print(&users, || {
                    let mut table = Table::new(&["Name", "Access", "Password"]);
                    for user in &users {
                        let password = if user.password { "yes" } else { "-" };
                        table.row([user.name.as_str(), user.access.as_str(), password]);
                    }
                    table.render()
                });
            }
            Self::Remove { user } => {
                let said = format!("User \"{}\" removed.\n", plain(&user));
                done(context, &Request::UserRemove { user }, said)?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Reads a password: the first line of a file, or of standard input.
pub(super) fn password(file: &Path) -> Result<SecretText, Failure> {
    let failed = |error: std::io::Error| {
        let why = words::of_text(&error);
        Failure::new(FailureKind::Refused, format!("cannot read the password from {}: {why}", file.display()))
            .state("nothing has changed")
    };
    let text = spool::small_text(file, PASSWORD_FILE_BYTES_MAX)?.map_err(failed)?;
    match text.lines().next().unwrap_or("") {
        "" => Err(Failure::new(FailureKind::Usage, format!("the first line of {} is empty", file.display()))
            .state("nothing has changed")
            .hint("write the password into its first line")),
        line => Ok(line.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_a_file() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, "open sesame\nnot this\n").unwrap();
        assert_eq!(&*password(&file).unwrap(), "open sesame");
        std::fs::write(&file, "\n").unwrap();
        assert!(password(&file).unwrap_err().message.contains("is empty"));
        assert!(password(&dir.path().join("none")).unwrap_err().message.contains("cannot read"));
    }
}
