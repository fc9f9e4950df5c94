//! Shell completion: commands, options, and the names that the running agent knows.
//!
//! The script that `completion` prints lets the shell call this program again, with [`COMPLETE`] in its environment and
//! the words so far behind `--`. Which names an argument takes follows from what its usage calls it: MODEL, DEST, ID. So
//! a new command has them by itself. Where no agent answers at once there are no names, and nothing is said of it.
//!
//! [`COMPLETE`]: crate::config::COMPLETE

mod bash;
mod kind;
mod names;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, Command};
use clap_complete::engine::ArgValueCompleter;
use clap_complete::env::{Elvish, Fish, Powershell, Shells, Zsh};

use crate::config::{COMPLETE, Environment};
use bash::Bash;
use kind::Kind;
use names::Names;

/// The shells that can be told. Bash is our own: names have colons in them, at which bash cuts words.
const SHELLS: Shells<'_> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);
/// What the program is called.
const NAME: &str = "modelferry";

/// Returns the script that makes `shell` ask this program.
pub(super) fn script(shell: &str) -> Vec<u8> {
    let mut script = Vec::new();
    let shell = SHELLS.completer(shell).expect("every shell that can be named is in the list");
    shell.write_registration(COMPLETE, NAME, NAME, NAME, &mut script).expect("memory takes what is written");
    script
}

/// Answers a shell that asks what may come next; nothing if this process was not asked that.
pub(in crate::cli) fn answer(environment: &Environment, command: Command) -> Option<ExitCode> {
    let shell = environment.complete.as_deref()?;
    let Some(shell) = SHELLS.completer(shell) else {
        eprintln!("{COMPLETE}: no shell is called {shell:?}");
        return Some(ExitCode::from(2));
    };
    let asked: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let names = Arc::new(Names::new(shell, &asked, environment.clone()));
    let mut command = with_names(command, "", &names);
    let mut told = Vec::new();
    // What cannot be completed is not: a word of complaint would land in the middle of the line.
    let current_dir = std::env::current_dir().ok();
    if shell.write_complete(&mut command, asked, current_dir.as_deref(), &mut told).is_ok() {
        let _ = std::io::stdout().lock().write_all(&told);
    }
    Some(ExitCode::SUCCESS)
}

/// Returns the kinds of names that an argument takes, by what its usage calls it.
fn kinds(parent: &str, arg: &Arg) -> Vec<Kind> {
    let called = arg.get_value_names().unwrap_or_default().iter();
    let words = called.flat_map(|name| name.split([' ', '|'])).map(|word| word.trim_end_matches('.'));
    let kind = |word: &str| match word {
        "MODEL" => Some(Kind::Model),
        "[CONTROLLER:]MODEL" => Some(Kind::AnyModel),
        "DEST" | "PEER" => Some(Kind::Peer),
        "CONTROLLER" => Some(Kind::Controller),
        "ID" if parent == "backup" => Some(Kind::Backup),
        "ID" => Some(Kind::Migration),
        "FILE" | "DIR" => Some(Kind::Path),
        _ => None,
    };
    words.filter_map(kind).collect()
}

/// Lets every argument that takes names be completed with them.
fn with_names(command: Command, parent: &str, names: &Arc<Names>) -> Command {
    let complete = |arg: Arg| match kinds(parent, &arg) {
        kinds if kinds.is_empty() => arg,
        kinds => {
            let names = Arc::clone(names);
            arg.add(ArgValueCompleter::new(move |begun: &OsStr| names.beginning(begun, &kinds)))
        }
    };
    let name = command.get_name().to_owned();
    command.mut_args(complete).mut_subcommands(|inner| with_names(inner, &name, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds_of(path: &[&str], id: &str) -> Vec<Kind> {
        let (mut command, mut parent) = (crate::cli::command(), String::new());
        for name in path {
            parent = command.get_name().to_owned();
            command = command.find_subcommand(name).unwrap_or_else(|| panic!("{path:?}")).clone();
        }
        let arg = command.get_arguments().find(|arg| arg.get_id() == id).unwrap_or_else(|| panic!("{path:?} {id}"));
        kinds(&parent, arg)
    }

    #[test]
    fn usage_tells_which_names_an_argument_takes() {
        for (path, id, expected) in [
            (&["status"][..], "model", &[Kind::AnyModel][..]),
            (&["show-model"], "model", &[Kind::AnyModel]),
            (&["embedded", "export"], "model", &[Kind::Model]),
            (&["migrate"], "names", &[Kind::Model, Kind::Peer]),
            (&["precopy"], "names", &[Kind::Model, Kind::Peer]),
            (&["unpair"], "peer", &[Kind::Peer]),
            (&["limit"], "arguments", &[Kind::Peer]),
            (&["models"], "controller", &[Kind::Controller]),
            (&["abort"], "id", &[Kind::Migration]),
            (&["backup", "create"], "args", &[Kind::Model, Kind::Path, Kind::Peer]),
            (&["backup", "restore"], "backup", &[Kind::Path, Kind::Backup]),
            (&["backup", "remove"], "id", &[Kind::Backup]),
            (&["resolve"], "target_destroyed", &[]),
            (&["pair", "offer"], "name", &[]),
        ] {
            assert_eq!(kinds_of(path, id), expected, "{path:?} {id}");
        }
    }

    #[test]
    fn every_shell_has_a_script_that_calls_this_program() {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = String::from_utf8(script(shell)).unwrap();
            assert!(script.contains(COMPLETE) && script.contains(NAME), "{shell}: {script}");
        }
    }
}
