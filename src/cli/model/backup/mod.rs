//! `modelferry backup`: copies of models, in archives or kept by peers.

mod list;
mod target;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::agent::control::{BackupRef, Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::{client, spool};
use crate::cli::embedded::warned;
use crate::cli::input::files::{Named, sendable};
use crate::cli::output::byte_count;
use crate::cli::output::plain;
use crate::controller::backup::view::BackupView;
use crate::controller::backup::{Archive, BackupError, Draft, Source};
use crate::controller::embedded::verify;
use list::not_read;
use target::{SUFFIX, Target};

const HELP: Help = Help {
    examples: &[
        "modelferry backup create prod prod.tar.zst",
        "modelferry backup list prod.tar.zst",
        "modelferry backup restore prod.tar.zst",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju create-backup, of a whole controller"),
};

const CREATE: Help = Help {
    examples: &[
        "modelferry backup create prod prod.tar.zst",
        "modelferry backup create prod east",
        "modelferry backup create --all backups",
        "modelferry backup create prod prod.tar.zst --held",
    ],
    exits: exit::ASKING_PEER,
    juju: Some("juju create-backup, of a whole controller"),
};

const LIST: Help = Help {
    examples: &["modelferry backup list", "modelferry backup list backups"],
    exits: exit::ASKING,
    juju: Some("juju backups, up to 2.9"),
};

const VERIFY: Help = Help {
    examples: &["modelferry backup verify prod.tar.zst", "modelferry backup verify 9f3c0b7e21aa"],
    exits: exit::ASKING,
    juju: None,
};

const RESTORE: Help = Help {
    examples: &[
        "modelferry backup restore prod.tar.zst",
        "modelferry backup restore 9f3c0b7e21aa --source-lost",
        "modelferry backup restore prod.tar.zst --controller west --source-lost",
    ],
    exits: exit::ASKING,
    juju: Some("juju-restore, a program beside Juju, for a whole controller"),
};

const REMOVE: Help = Help {
    examples: &["modelferry backup remove 9f3c0b7e21aa"],
    exits: exit::ASKING,
    juju: Some("juju remove-backup, up to 2.9"),
};

/// Back models up: into archives, or with a peer that keeps them
///
/// A backup is the model's description, its entries and its binaries, each with its hash. The model stays live and as it
/// is. `status`, `show-model` and `models` take an archive with --from, and need no agent then, or the id of a kept copy.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum BackupCommand {
    /// Back up a model, which stays live meanwhile
    ///
    /// FILE is one self-contained archive, for its owner's eyes alone: description, entries and binaries, each with
    /// its hash. PEER keeps the copy in its own store, where what it has already is not sent
    /// again, until `backup remove` there. A word without a slash is a peer's name if there is such a peer. Otherwise it is
    /// a path, if it has a dot in it or something of that name is there; else it is refused, and ./FILE means the file.
    #[command(
        after_long_help = CREATE,
        override_usage = "modelferry backup create <MODEL> <FILE|PEER>\n       modelferry backup create --all <DIR|PEER>"
    )]
    Create {
        /// The model: name, owner/name or UUID; then the archive to write, or the peer that keeps the copy
        #[arg(value_names = ["MODEL", "FILE|PEER"], required = true, num_args = 1..=2)]
        args: Vec<String>,
        /// Every model; the archives go to DIR, which must exist, as <owner>_<model>.tar.zst
        #[arg(long)]
        all: bool,
        /// Replace archives that are there
        #[arg(long)]
        force: bool,
        /// Back up the copy that `migrate --hold-reap` keeps here of a model that has moved; into a FILE, as peers keep
        /// copies of models in service alone
        #[arg(long, conflicts_with = "all")]
        held: bool,
    },
    /// List the backups that this agent keeps for its peers, or those in files
    ///
    /// Files are read by this command itself, which needs no agent then. Listing proves nothing: see `verify`.
    #[command(after_long_help = LIST)]
    List {
        /// Archives, or directories of them
        #[arg(value_name = "FILE|DIR")]
        places: Vec<PathBuf>,
    },
    /// Prove a backup: every byte of it, every hash, and that the description is one
    ///
    /// A file is read by this command itself, which needs no agent then.
    #[command(after_long_help = VERIFY)]
    Verify {
        /// The archive, `-` for standard input, or the id of a backup that this agent keeps
        #[arg(value_name = "FILE|ID")]
        backup: String,
    },
    /// Bring a model back: live, as it was, on the controller beside this agent
    ///
    /// Refused if the model is here, and if it is, or may be, on the controller that the backup was taken from. A real
    /// controller of Juju must be named with --controller. What a restore there does not do is printed before it begins, with
    /// the commands that let the agents of the model's machines dial that controller.
    #[command(after_long_help = RESTORE)]
    Restore {
        /// The archive, `-` for standard input, or the id of a backup that this agent keeps
        #[arg(value_name = "FILE|ID")]
        backup: String,
        /// Go ahead although the controller that the backup was taken from cannot be asked: it is lost for good
        #[arg(long)]
        source_lost: bool,
        /// The controller beside this agent; the embedded one is the default
        #[arg(short, long, value_name = "NAME")]
        controller: Option<String>,
    },
    /// Keep a backup no longer that this agent keeps for a peer
    ///
    /// Its binaries stay in the store until `modelferry store prune`, or the configured retention. Archives are files, and are removed as such.
    #[command(after_long_help = REMOVE)]
    Remove {
        /// Its id, or how that begins: 8 digits at least
        id: String,
    },
}

impl BackupCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Create { args, all, force, held } => {
                create(context, &args, all, Written { force, held, way_out: OR_FORCE })
            }
            Self::List { places } => list::list(context, &places),
            Self::Verify { backup } => prove(context, &backup),
            Self::Restore { backup, source_lost, controller } => restore(context, &backup, source_lost, controller),
            Self::Remove { id } => {
                let Response::Backup(gone) = context.ask(&Request::BackupRemove { id })? else {
                    return Err(client::unexpected());
                };
                let said = removed(&gone);
                context.print(&serde_json::json!({ "done": said }), || format!("{said}\n"));
                Ok(Exit::Done)
            }
        }
    }
}

/// What `backup create` offers where a file of the archive's name is there.
const OR_FORCE: &str = "name another file, or replace it with --force";

/// How an archive is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Written {
    /// Whether a file that is there is replaced.
    force: bool,
    /// Whether the copy is meant that is held of a model that has moved.
    held: bool,
    /// What to do where a file of its name is there.
    way_out: &'static str,
}

impl Written {
    /// An archive that a command without `--force` writes.
    pub(in crate::cli) const NEW: Self =
        Self { force: false, held: false, way_out: "name another file, or remove that one" };
}

fn create(context: &Context, args: &[String], all: bool, how: Written) -> Result<Exit, Failure> {
    match (args, all) {
        ([model, target], false) => {
            match Target::of(context, target, false)? {
                Target::Path(file) => write(context, model, &file, how)?,
                Target::Peer(peer) if how.held => {
                    let text = format!("\"{peer}\" is a peer, and a held copy is backed up into a file alone");
                    return Err(Failure::new(FailureKind::Usage, text)
                        .state("nothing has changed")
                        .hint(format!("write ./{peer} for a file of that name, or ./{model}{SUFFIX}")));
                }
                Target::Peer(peer) => keep(context, model, &peer)?,
            }
            Ok(Exit::Done)
        }
        ([target], true) => create_all(context, &Target::of(context, target, true)?, how),
        (_, true) => Err(Failure::new(FailureKind::Usage, "--all takes no model, and one directory or peer")),
        (_, false) => Err(Failure::new(FailureKind::Usage, "name the model, and the archive to write or the peer")),
    }
}

fn create_all(context: &Context, target: &Target, how: Written) -> Result<Exit, Failure> {
    let Response::Models { models, .. } = context.ask(&Request::Models { controller: None })? else {
        return Err(client::unexpected());
    };
    let mut exit = Exit::Done;
    let mut models = models.iter().filter(|model| !model.is_controller).peekable();
    while let Some(model) = models.next() {
        let made = match target {
            Target::Path(dir) => {
                let name = file_name(&format!("{}_{}", model.owner, model.name));
                write(context, &model.uuid, &dir.join(name), how)
            }
            Target::Peer(peer) => keep(context, &model.uuid, peer),
        };
        // One that fails keeps none of the others from being backed up.
        if let Err(failure) = made {
            context.remark(&format!("model \"{}/{}\":", plain(&model.owner), plain(&model.name)));
            exit = exit.graver(context.fail(&failure));
            if models.peek().is_some() && context.gives_up(&failure) {
                break;
            }
        }
    }
    Ok(exit)
}

/// Returns an archive's name of a model's: plain, whatever the model is called.
fn file_name(model: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '@' | '+' | '.');
    let name: String = model.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{}{SUFFIX}", name.trim_start_matches(['.', '-']))
}

/// Lets the agent write an archive, and prints what is in it.
fn write(context: &Context, model: &str, file: &Path, how: Written) -> Result<(), Failure> {
    let made = archive(context, model, file, how)?;
    context.print(&made, || format!("{}\n", said(&made)));
    Ok(())
}

/// Returns a sentence about an archive that has been written.
pub(in crate::cli) fn said(made: &BackupView) -> String {
    format!(
        "Model \"{}\" backed up to {}: {} files of {} in {}{}.",
        plain(&made.model),
        plain(&made.place),
        made.files,
        byte_count(made.bytes),
        byte_count(made.archive_bytes.unwrap_or_default()),
        incomplete(made.incomplete)
    )
}

fn not_written(error: &BackupError, how: Written) -> Failure {
    let failure = Failure::new(FailureKind::Refused, crate::engine::causes(error)).state("nothing has changed");
    if matches!(error, BackupError::Exists(_)) { failure.hint(how.way_out) } else { failure }
}

/// Lets the agent write an archive.
pub(in crate::cli) fn archive(
    context: &Context,
    model: &str,
    file: &Path,
    how: Written,
) -> Result<Box<BackupView>, Failure> {
    let file = std::path::absolute(file)
        .map_err(|error| Failure::new(FailureKind::Usage, format!("{} is no path: {error}", file.display())))?;
    let file = sendable(file)?;
    let mut draft = Draft::begin(&file, how.force).map_err(|error| not_written(&error, how))?;
    match context.ask_handing(&Request::BackupCreate { model: model.to_owned(), file, held: how.held }, &mut draft)? {
        Response::Backup(made) => {
            draft.place().map_err(|error| not_written(&error, how))?;
            Ok(made)
        }
        _ => Err(client::unexpected()),
    }
}

fn incomplete(it_is: bool) -> &'static str {
    if it_is { "; the model is incomplete" } else { "" }
}

fn keep(context: &Context, model: &str, peer: &str) -> Result<(), Failure> {
    let request = Request::BackupKeep { model: model.to_owned(), peer: peer.to_owned() };
    let Response::Kept(kept) = context.ask(&request)? else { return Err(client::unexpected()) };
    context.print(&kept, || {
        format!(
            "Model \"{}\" backed up with \"{}\": {}, of which {} had to be sent{}. ID there: {}\n",
            plain(&kept.model),
            plain(&kept.peer),
            byte_count(kept.bytes),
            byte_count(kept.sent),
            incomplete(kept.incomplete),
            plain(&kept.id)
        )
    });
    Ok(())
}

/// Reports whether `text` names a file; otherwise it can only be the id of a kept backup.
pub(super) fn names_a_file(text: &str) -> bool {
    text == "-" || text.contains(['/', '.']) || Path::new(text).exists()
}

/// Opens an archive; one that comes through a pipe has come when this returns.
fn open(path: &Path) -> Result<Result<Archive, BackupError>, Failure> {
    Ok(match spool::spooled(path)? {
        Some(file) => Archive::of(file, path),
        None => Archive::open(path),
    })
}

fn as_file(text: &str) -> Option<PathBuf> {
    names_a_file(text).then(|| text.into())
}

/// Returns a sentence about a backup that is kept no longer.
fn removed(gone: &BackupView) -> String {
    let id = plain(&gone.id);
    if gone.trouble.is_some() {
        return format!("Backup {id} removed, which could not be read.");
    }
    format!("Backup {id} of model \"{}\", taken {}, removed.", plain(&gone.model), plain(&gone.taken))
}

fn prove(context: &Context, backup: &str) -> Result<Exit, Failure> {
    let view = match as_file(backup) {
        Some(path) => {
            let mut archive = open(&path)?.map_err(|error| not_read(&error))?;
            verify(&mut archive).map_err(|error| not_read(&error))?;
            Box::new(BackupView::new(archive.manifest(), path.display().to_string(), Some(archive.bytes())))
        }
        None => match context.ask(&Request::BackupVerify { id: backup.to_owned() })? {
            Response::Backup(view) => view,
            _ => return Err(client::unexpected()),
        },
    };
    context.print(&view, || {
        format!(
            "Backup of model \"{}\", taken {} on controller \"{}\", is whole: {} files of {}{}.\n",
            plain(&view.model),
            plain(&view.taken),
            plain(&view.controller),
            view.files,
            byte_count(view.bytes),
            incomplete(view.incomplete)
        )
    });
    Ok(Exit::Done)
}

fn restore(context: &Context, backup: &str, source_lost: bool, controller: Option<String>) -> Result<Exit, Failure> {
    let input = as_file(backup).map(|path| Named::input(&path)).transpose()?;
    let (file, mut files) = input.map_or_else(Default::default, |(file, files)| (Some(file), files));
    let backup = file.map_or_else(|| BackupRef::Kept(backup.to_owned()), BackupRef::File);
    let Response::Imported(restored) =
        context.ask_handing(&Request::BackupRestore { backup, source_lost, controller }, &mut files)?
    else {
        return Err(client::unexpected());
    };
    context.print(&restored, || {
        format!(
            "Model \"{}\" ({}) restored: a description of {}, {} binaries of {}, {} entries{}.\n",
            plain(&restored.model),
            restored.uuid,
            byte_count(restored.description_bytes),
            restored.binaries,
            byte_count(restored.binaries_bytes),
            restored.entries,
            incomplete(restored.incomplete)
        )
    });
    warned(context, &restored.warnings);
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_plainly_whatever_the_model_is_called() {
        assert_eq!(file_name("admin_prod"), "admin_prod.tar.zst");
        assert_eq!(file_name("carol@external_prod"), "carol@external_prod.tar.zst");
        assert_eq!(file_name("../etc_x/y"), "_etc_x_y.tar.zst");
    }

    #[test]
    fn an_id_is_no_file_and_a_path_is_no_id() {
        assert!(as_file("9f3c0b7e21aa").is_none());
        assert!(as_file("./9f3c0b7e21aa").is_some() && as_file("prod.tar.zst").is_some());
    }
}
