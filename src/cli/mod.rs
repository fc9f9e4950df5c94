//! The command line: a command, a file; each speaks to the control socket and prints.

mod abort;
#[cfg(test)]
mod advice;
mod aftermath;
mod agent;
mod audit;
mod backup;
mod begin;
mod checklist;
mod client;
mod complete;
mod completion;
mod controllers;
mod cutover;
pub mod demo;
mod doctor;
mod doubt;
mod embedded;
mod events;
pub mod exit;
pub(crate) mod files;
mod follow;
mod from;
mod gateway;
mod help;
mod identity;
mod limit;
pub mod link_spec;
mod man;
mod migrate;
mod migrations;
mod mistake;
mod models;
mod models_named;
mod moment;
pub(crate) mod output;
mod pair;
mod pause;
mod peers;
mod plan_text;
mod precheck;
mod precopy;
mod reap;
mod redirect;
mod resolve;
mod resume;
mod show_controller;
mod show_migration;
mod show_model;
mod spool;
mod status;
mod store;
mod stuck;
mod unpair;
mod verify;
mod wait;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::config::{Config, Environment};
use crate::controller::files::Files;
use client::Client;
use exit::Exit;
use help::Help;
use output::{Format, Sink, plain};

const HELP: Help = Help {
    examples: &[
        "modelferry demo",
        "modelferry status",
        "modelferry precheck shop-eu west",
        "modelferry migrate shop-eu west --wait",
        "modelferry help backup create",
    ],
    exits: exit::ALL,
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

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Globals {
    /// The agent's control socket.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The agent's configuration.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed; with `json`, failures and mistakes in the command line are JSON as well.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
    /// Print in colour, whatever the terminal.
    #[arg(long, global = true, overrides_with = "no_color")]
    color: bool,
    /// Print without colour; so do the environment variable NO_COLOR, and TERM=dumb.
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(agent::AgentArgs),
    #[command(subcommand)]
    Pair(pair::PairCommand),
    Peers(peers::PeersArgs),
    Unpair(unpair::UnpairArgs),
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    Controllers(controllers::ControllersArgs),
    ShowController(show_controller::ShowControllerArgs),
    Models(models::ModelsArgs),
    ShowModel(show_model::ShowModelArgs),
    Status(status::StatusArgs),
    Limit(limit::LimitArgs),
    Precheck(precheck::PrecheckArgs),
    Precopy(precopy::PrecopyArgs),
    Migrate(migrate::MigrateArgs),
    Pause(pause::PauseArgs),
    Resume(resume::ResumeArgs),
    Cutover(cutover::CutoverArgs),
    Abort(abort::AbortArgs),
    Reap(reap::ReapArgs),
    Wait(wait::WaitArgs),
    Verify(verify::VerifyArgs),
    Migrations(migrations::MigrationsArgs),
    ShowMigration(show_migration::ShowMigrationArgs),
    Resolve(resolve::ResolveArgs),
    Events(events::EventsArgs),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    #[command(subcommand)]
    Store(store::StoreCommand),
    #[command(subcommand)]
    Embedded(embedded::EmbeddedCommand),
    Demo(demo::DemoArgs),
    Completion(completion::CompletionArgs),
    Man(man::ManArgs),
}

/// What every command may need.
#[derive(Debug)]
pub struct Context {
    format: Format,
    /// Whether standard error may be coloured.
    color: bool,
    /// Whether tables may be coloured.
    paint: bool,
    /// The configuration file named on the command line.
    config: Option<PathBuf>,
    socket: Option<PathBuf>,
    pub(crate) environment: Environment,
    sink: Sink,
}

impl Context {
    fn new(globals: Globals, environment: Environment) -> Self {
        let Globals { socket, config, format, color, no_color } = globals;
        let may = |terminal: bool| color || !no_color && !environment.is_plain() && terminal;
        let (color, paint) = (may(std::io::stderr().is_terminal()), may(std::io::stdout().is_terminal()));
        Self { format, color, paint, config, socket, environment, sink: Sink::default() }
    }

    /// Prints to standard output.
    ///
    /// Returns whether it makes sense to print more: nobody reads what follows otherwise.
    pub(crate) fn put(&self, text: &str) -> bool {
        self.sink.out(text)
    }

    /// Connects to the agent that the command line means.
    fn connect(&self) -> Result<Client, Failure> {
        let sockets = match (&self.socket, &self.config) {
            (Some(socket), _) => vec![socket.clone()],
            (None, Some(file)) => {
                let config = Config::load(Some(file), &self.environment)
                    .map_err(|error| Failure::new(FailureKind::Usage, error.to_string()))?;
                vec![config.socket]
            }
            (None, None) => self.environment.sockets(),
        };
        Ok(Client::connect(&sockets)?.telling(self.format == Format::Tabular))
    }

    /// Asks the agent and returns the response that ends it.
    fn ask(&self, request: &Request) -> Result<Response, Failure> {
        self.connect()?.ask(request)
    }

    /// Likewise, and hands the agent the files that it asks for.
    fn ask_handing(&self, request: &Request, files: &mut dyn Files) -> Result<Response, Failure> {
        self.connect()?.ask_handing(request, files)
    }

    /// Prints a result.
    pub(crate) fn print(&self, value: &impl serde::Serialize, tabular: impl FnOnce() -> String) {
        self.put(&self.format.render(value, tabular));
    }

    /// Prints a remark that is no result, where people read.
    fn remark(&self, text: &str) {
        if self.format == Format::Tabular {
            self.sink.err(text);
        }
    }

    /// Reports whether whatever else is to be asked would wait as long for the same failure, and says that it is not asked.
    fn gives_up(&self, failure: &Failure) -> bool {
        let is_away = failure.kind == FailureKind::Unreachable;
        if is_away {
            self.remark("nothing more is asked for");
        }
        is_away
    }

    /// Prints a failure, and tells how the command ends.
    fn fail(&self, failure: &Failure) -> Exit {
        if self.format == Format::Json {
            self.put(&mistake::json(failure));
        } else {
            self.complain(failure);
        }
        Exit::of(failure)
    }

    /// Prints a failure for people.
    fn complain(&self, failure: &Failure) {
        let message = match &failure.redirect {
            Some(redirect) => redirect::text(redirect),
            None => failure.message.lines().map(plain).collect::<Vec<_>>().join("\n"),
        };
        let (red, reset) = if self.color { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        self.sink.err(&format!("{red}ERROR{reset} {message}"));
        for line in [&failure.state, &failure.hint].into_iter().flat_map(|text| text.lines()) {
            self.sink.err(&plain(line));
        }
    }

    /// Ends the command, and says so if something that it printed is lost.
    fn finish(&self, exit: Exit) -> Exit {
        let Some(unwritten) = self.sink.unwritten() else { return exit };
        let mut failure = Failure::new(FailureKind::Refused, unwritten.message())
            .hint("make room, or send the output elsewhere, and type it again: a proof is printed again as well");
        if exit == Exit::Done {
            failure = failure.state("what was asked for is done; what was printed of it is not whole");
        }
        self.complain(&failure);
        exit.graver(Exit::Refused)
    }
}

/// Returns a cloud and its region as Juju's tables have them.
fn cloud_region(cloud: &str, region: &str) -> String {
    if region.is_empty() { cloud.to_owned() } else { format!("{cloud}/{region}") }
}

/// Returns the whole command line: every command, with its options and its help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process. `play` plays the demo, which stands above this floor.
pub fn main(play: demo::Play) -> ExitCode {
    let environment = Environment::from_process();
    if let Some(code) = complete::answer(&environment) {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let choice = if environment.is_plain() { ColorChoice::Never } else { ColorChoice::Auto };
    let parsed = command().color(choice).try_get_matches_from(&words);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return mistake::tell(&error, &words).into(),
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
        Command::Man(args) => args.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
