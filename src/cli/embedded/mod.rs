//! `modelferry embedded`: the controller in the agent's own process.

mod client_config;
mod done;
mod user;

use std::path::PathBuf;

use clap::Subcommand;

use super::Context;
use super::base::client;
use super::base::exit::{self, Exit};
use super::base::help::Help;
use super::input::files::{Named, existing, to_fill};
use super::output::plain;
use super::output::{Table, byte_count};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use client_config::ClientConfigArgs;
use done::done;
use user::UserCommand;

const HELP: Help = Help {
    examples: &[
        "modelferry embedded import model.yaml --blobs blobs",
        "modelferry embedded user add bob --password-file pw",
    ],
    exits: exit::ASKING,
    juju: None,
};

const IMPORT: Help = Help {
    examples: &[
        "modelferry embedded import model.yaml --blobs blobs",
        "modelferry embedded import model.yaml --without-blobs",
    ],
    exits: exit::ASKING,
    juju: None,
};

const EXPORT: Help = Help {
    examples: &["modelferry embedded export shop-eu copy", "modelferry embedded export shop-eu copy --held"],
    exits: exit::ASKING,
    juju: Some("juju dump-model MODEL, which prints the description alone"),
};

const REMOVE: Help = Help {
    examples: &["modelferry embedded remove shop-eu"],
    exits: exit::ASKING,
    juju: Some("juju destroy-model MODEL"),
};

const SET: Help = Help {
    examples: &["modelferry embedded set shop-eu color=blue"],
    exits: exit::ASKING,
    juju: Some("juju config APPLICATION KEY=VALUE, and whatever else writes to a model"),
};

const CLIENT_CONFIG: Help = Help {
    examples: &[
        "modelferry embedded client-config --juju-data ~/juju-east --password-file pw",
        "modelferry embedded client-config --juju-data ~/juju-east --merge --name west",
    ],
    exits: exit::ASKING,
    juju: Some("juju login HOST:PORT -c NAME"),
};

const GET: Help = Help {
    examples: &["modelferry embedded get shop-eu", "modelferry embedded get shop-eu color"],
    exits: exit::ASKING,
    juju: Some("juju config APPLICATION KEY"),
};

/// Work with the controller in the agent's own process
///
/// It keeps models, users and binaries as a real controller does, and runs no machines: for evaluation, drills, and as
/// a vault of copies.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum EmbeddedCommand {
    /// Import a model description as Juju writes it, with the binaries it names
    ///
    /// The description is kept byte for byte. Every binary that it names must be there, laid out as `embedded export`
    /// does it: charms/<charm URL, / as _>, tools/<version>, resources/<application>/<name>.
    #[command(
        after_long_help = IMPORT,
        override_usage = "modelferry embedded import [OPTIONS] <FILE> --blobs <DIR>\n       \
            modelferry embedded import [OPTIONS] <FILE> --without-blobs"
    )]
    Import {
        /// The description, YAML of versions 11 to 14; `-` reads standard input
        file: PathBuf,
        /// The binaries, laid out as `embedded export` does
        #[arg(long, value_name = "DIR", required_unless_present = "without_blobs")]
        blobs: Option<PathBuf>,
        /// Import the description alone; the model is incomplete then, and says so
        #[arg(long, conflicts_with = "blobs")]
        without_blobs: bool,
    },
    /// Export a model: its description, its entries and its binaries
    ///
    /// The model stays where it is, and live. What is written is what `embedded import` reads.
    #[command(after_long_help = EXPORT)]
    Export {
        /// The model: name, owner/name or UUID
        model: String,
        /// A directory that is empty or does not exist yet
        dir: PathBuf,
        /// Export the copy that `migrate --hold-reap` keeps here of a model that has moved
        #[arg(long)]
        held: bool,
    },
    /// Remove a model
    ///
    /// For good, with everything in it, and without asking again: see `backup create`. Refused from `migrate` on until the
    /// migration has ended, on both sides of it; docs/while-it-migrates.md has what is said in each state.
    #[command(after_long_help = REMOVE)]
    Remove {
        /// The model: name, owner/name or UUID
        model: String,
    },
    /// Write to a model, as its users would
    ///
    /// What is acknowledged is durable, and is there after a migration. While the model is frozen it is refused, as
    /// Juju refuses it.
    #[command(after_long_help = SET)]
    Set {
        /// The model: name, owner/name or UUID
        model: String,
        /// What to write
        #[arg(value_name = "KEY=VALUE")]
        entry: String,
    },
    /// Read what was written to a model
    ///
    /// Of a key, the last value; without a key, every entry in the order in which they were written.
    #[command(after_long_help = GET)]
    Get {
        /// The model: name, owner/name or UUID
        model: String,
        /// The key; all of them by default
        key: Option<String>,
        /// Read the copy that `migrate --hold-reap` keeps here of a model that has moved
        #[arg(long)]
        held: bool,
    },
    #[command(subcommand)]
    User(UserCommand),
    /// Write what Juju's own client needs to find this controller
    ///
    /// The files are those that `juju login` would write: controllers.yaml, accounts.yaml, models.yaml. A directory that
    /// has some of them is only added to with --merge, and never while another `juju` command runs. The password is written
    /// only where a file with it is given; without one `juju login` asks for it.
    #[command(after_long_help = CLIENT_CONFIG)]
    ClientConfig(ClientConfigArgs),
}

impl EmbeddedCommand {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Import { file, blobs, without_blobs: _ } => import(context, &file, blobs.as_deref())?,
            Self::Export { model, dir, held } => export(context, model, &dir, held)?,
            Self::Remove { model } => {
                let said = format!("Model \"{}\" removed.\n", plain(&model));
                done(context, &Request::EmbeddedRemove { model }, said)?;
            }
            Self::Set { model, entry } => set(context, model, &entry)?,
            Self::Get { model, key, held } => get(context, model, key, held)?,
            Self::User(command) => return command.run(context),
            Self::ClientConfig(args) => return args.run(context),
        }
        Ok(Exit::Done)
    }
}

fn import(context: &Context, file: &std::path::Path, blobs: Option<&std::path::Path>) -> Result<(), Failure> {
    let blobs = blobs.map(existing).transpose()?;
    let (file, files) = Named::input(file)?;
    let mut files = files.and(blobs.clone());
    let request = Request::EmbeddedImport { file, blobs };
    let Response::Imported(imported) = context.ask_handing(&request, &mut files)? else {
        return Err(client::unexpected());
    };
    context.print(&imported, || {
        let incomplete = if imported.incomplete { "; the model is incomplete" } else { "" };
        format!(
            "Model \"{}\" ({}) imported: a description of {}, {} binaries of {}{incomplete}.\n",
            plain(&imported.model),
            imported.uuid,
            byte_count(imported.description_bytes),
            imported.binaries,
            byte_count(imported.binaries_bytes),
        )
    });
    warned(context, &imported.warnings);
    Ok(())
}

/// Prints what the agent warns of after it has taken a model in.
pub(super) fn warned(context: &Context, warnings: &[String]) {
    warnings.iter().for_each(|warning| context.remark(&format!("warning: {}", plain(warning))));
}

fn export(context: &Context, model: String, dir: &std::path::Path, held: bool) -> Result<(), Failure> {
    let dir = to_fill(dir)?;
    let (shown, mut files) = (dir.display().to_string(), Named::new([dir.clone()]));
    let request = Request::EmbeddedExport { model, dir, held };
    let Response::Exported(exported) = context.ask_handing(&request, &mut files)? else {
        return Err(client::unexpected());
    };
    context.print(&exported, || {
        let incomplete = if exported.incomplete { "; the model is incomplete" } else { "" };
        let (files, bytes) = (exported.files, byte_count(exported.bytes));
        format!(
            "Model \"{}\" exported to {}: {files} files of {bytes}{incomplete}.\n",
            plain(&exported.model),
            plain(&shown)
        )
    });
    Ok(())
}

fn set(context: &Context, model: String, entry: &str) -> Result<(), Failure> {
    let Some((key, value)) = entry.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(Failure::new(FailureKind::Usage, format!("`{entry}` is not key=value"))
            .hint("write one such as color=blue"));
    };
    let request = Request::EmbeddedSet { model, key: key.to_owned(), value: value.to_owned() };
    let Response::Written(number) = context.ask(&request)? else { return Err(client::unexpected()) };
    context.print(&serde_json::json!({ "entry": number }), || format!("Written as entry {number}.\n"));
    Ok(())
}

fn get(context: &Context, model: String, key: Option<String>, held: bool) -> Result<(), Failure> {
    let one = key.is_some();
    let Response::Entries(entries) = context.ask(&Request::EmbeddedGet { model, key, held })? else {
        return Err(client::unexpected());
    };
    context.print(&entries, || match entries.as_slice() {
        [entry] if one => format!("{}\n", plain(&entry.value)),
        entries => {
            let mut table = Table::new(&[">Entry", "Key", "Value"]);
            for entry in entries {
                table.row([&entry.number.to_string(), &entry.key, &entry.value]);
            }
            table.render()
        }
    });
    Ok(())
}
