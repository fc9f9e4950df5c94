//! The command line: a command, a file, in a folder for what it is about. Each speaks to the control socket and prints.

#[cfg(test)]
mod advice;
mod base;
mod daemon;
pub mod demo;
mod embedded;
mod input;
mod migration;
mod model;
pub(crate) mod output;
mod peer;
mod shell;
mod texts;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use base::context::Context;
pub use base::exit;
pub(crate) use base::spool;
pub(crate) use input::files;
pub use input::link_spec;

use crate::agent::control::Failure;
use crate::config::Environment;
use base::context::Globals;
use base::exit::Exit;
use base::help::Help;

const HELP: Help = Help {
    examples: &[
        "modelferry demo",
        "modelferry status",
        "modelferry precheck shop-eu west",
        "modelferry migrate shop-eu west --wait",
        "modelferry help backup create",
    ],
    exits: base::exit::ALL,
    juju: Some("juju migrate, and the commands around it; each command's help names its own"),
};

/// Moves Juju models between controllers across regions and VPCs
///
/// One agent runs beside each controller; every other command asks the agent of this host, through its control socket.
/// A model stays live while its binaries travel, is frozen for a moment, and is then on its new controller; or it is
/// live where it was, as it was. `modelferry demo` shows it; `modelferry man DIR` writes the manual pages, with every key of
/// the configuration in modelferry.toml(5).
#[derive(Debug, Parser)]
#[command(name = "modelferry", version, after_long_help = HELP, infer_subcommands = false)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(daemon::agent::AgentArgs),
    #[command(subcommand)]
    Pair(peer::pair::PairCommand),
    Peers(peer::peers::PeersArgs),
    #[command(subcommand)]
    Peer(peer::set::PeerCommand),
    Unpair(peer::unpair::UnpairArgs),
    #[command(subcommand)]
    Identity(daemon::identity::IdentityCommand),
    #[command(subcommand)]
    Gateway(daemon::gateway::GatewayCommand),
    Controllers(peer::controllers::ControllersArgs),
    ShowController(peer::show_controller::ShowControllerArgs),
    Models(model::models::ModelsArgs),
    ShowModel(model::show_model::ShowModelArgs),
    Status(model::status::StatusArgs),
    Limit(peer::limit::LimitArgs),
    Precheck(migration::start::precheck::PrecheckArgs),
    Precopy(migration::start::precopy::PrecopyArgs),
    Migrate(migration::start::migrate::MigrateArgs),
    Pause(migration::orders::pause::PauseArgs),
    Resume(migration::orders::resume::ResumeArgs),
    Cutover(migration::orders::cutover::CutoverArgs),
    Abort(migration::orders::abort::AbortArgs),
    Reap(migration::orders::reap::ReapArgs),
    Wait(migration::wait::WaitArgs),
    Verify(migration::verify::VerifyArgs),
    Migrations(migration::migrations::MigrationsArgs),
    ShowMigration(migration::show_migration::ShowMigrationArgs),
    Resolve(migration::orders::resolve::ResolveArgs),
    Events(daemon::events::EventsArgs),
    #[command(subcommand)]
    Audit(daemon::audit::AuditCommand),
    Doctor(daemon::doctor::DoctorArgs),
    #[command(subcommand)]
    Backup(model::backup::BackupCommand),
    #[command(subcommand)]
    Store(daemon::store::StoreCommand),
    #[command(subcommand)]
    Embedded(embedded::EmbeddedCommand),
    Demo(demo::DemoArgs),
    Completion(shell::completion::CompletionArgs),
    Man(shell::man::ManArgs),
}

/// Returns the whole command line: every command, with its options and its help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process. `play` plays the demo, which stands above this floor.
pub fn main(play: demo::Play) -> ExitCode {
    let environment = Environment::from_process();
    if let Some(code) = shell::complete::answer(&environment, command()) {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let choice = if environment.is_plain() { ColorChoice::Never } else { ColorChoice::Auto };
    let parsed = command().color(choice).try_get_matches_from(&words);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return base::mistake::tell(&error, &words).into(),
    };
    let context = Context::new(cli.globals, environment);
    let exit = run(cli.command, &context, play).unwrap_or_else(|failure| context.fail(&failure));
    context.finish(exit).into()
}

/// Runs a command.
fn run(command: Command, context: &Context, play: demo::Play) -> Result<Exit, Failure> {
    match command {
        Command::Agent(args) => args.run(context),
        Command::Pair(command) => command.run(context),
        Command::Peers(args) => args.run(context),
        Command::Peer(command) => command.run(context),
        Command::Unpair(args) => args.run(context),
        Command::Identity(command) => command.run(context),
        Command::Gateway(command) => command.run(context),
        Command::Controllers(args) => args.run(context),
        Command::ShowController(args) => args.run(context),
        Command::Models(args) => args.run(context),
        Command::ShowModel(args) => args.run(context),
        Command::Status(args) => args.run(context),
        Command::Limit(args) => args.run(context),
        Command::Precheck(args) => args.run(context),
        Command::Precopy(args) => args.run(context),
        Command::Migrate(args) => args.run(context),
        Command::Pause(args) => args.run(context),
        Command::Resume(args) => args.run(context),
        Command::Cutover(args) => args.run(context),
        Command::Abort(args) => args.run(context),
        Command::Reap(args) => args.run(context),
        Command::Wait(args) => args.run(context),
        Command::Verify(args) => args.run(context),
        Command::Migrations(args) => args.run(context),
        Command::ShowMigration(args) => args.run(context),
        Command::Backup(command) => command.run(context),
        Command::Resolve(args) => args.run(context),
        Command::Events(args) => args.run(context),
        Command::Audit(command) => command.run(context),
        Command::Doctor(args) => args.run(context),
        Command::Store(command) => command.run(context),
        Command::Embedded(command) => command.run(context),
        Command::Demo(args) => play(args, context),
        Command::Completion(args) => args.run(context),
        Command::Man(args) => args.run(self::command()),
    }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use super::*;

    /// The bug: "invalid digit found in string", which is a library's word for it.
    #[test]
    fn what_is_no_number_is_refused_in_words_that_say_what_to_write() {
        fn walk(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, String)>) {
            for option in command.get_arguments().filter(|option| option.get_action().takes_values()) {
                let parser = option.get_value_parser().type_id();
                let is_number = [TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<usize>(), TypeId::of::<f64>()]
                    .iter()
                    .any(|number| parser == *number);
                if let Some(long) = option.get_long().filter(|_| is_number) {
                    found.push((path.to_vec(), format!("--{long}")));
                }
            }
            for sub in command.get_subcommands() {
                walk(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
            }
        }
        let mut found = Vec::new();
        walk(&command(), &["modelferry".to_owned()], &mut found);
        assert!(found.len() >= 3, "{found:?}");
        for (path, option) in found {
            let error = command().try_get_matches_from(path.iter().chain([&option, &"x".to_owned()])).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("write "), "{path:?} {option}: {text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
