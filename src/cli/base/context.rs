//! What every command needs: the agent that it asks, and where it prints.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;

use super::client::Client;
use super::exit::Exit;
use super::{mistake, spool};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::output::{Format, Sink, plain};
use crate::cli::texts::redirect;
use crate::config::{Config, ConfigError, Environment, FILE_BYTES_MAX};
use crate::controller::files::Files;

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(in crate::cli) struct Globals {
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

/// What every command may need.
#[derive(Debug)]
pub struct Context {
    pub(in crate::cli) format: Format,
    /// Whether standard error may be coloured.
    pub(in crate::cli) color: bool,
    /// Whether tables may be coloured.
    pub(in crate::cli) paint: bool,
    /// The configuration file named on the command line.
    pub(in crate::cli) config: Option<PathBuf>,
    pub(in crate::cli) socket: Option<PathBuf>,
    /// Where the agent may listen, once that was asked.
    sockets: OnceLock<Vec<PathBuf>>,
    pub(crate) environment: Environment,
    pub(in crate::cli) sink: Sink,
}

impl Context {
    pub(in crate::cli) fn new(globals: Globals, environment: Environment) -> Self {
        let Globals { socket, config, format, color, no_color } = globals;
        let may = |terminal: bool| color || !no_color && !environment.is_plain() && terminal;
        let (color, paint) = (may(std::io::stderr().is_terminal()), may(std::io::stdout().is_terminal()));
        Self { format, color, paint, config, socket, sockets: OnceLock::new(), environment, sink: Sink::default() }
    }

    /// Prints to standard output.
    ///
    /// Returns whether it makes sense to print more: nobody reads what follows otherwise.
    pub(crate) fn put(&self, text: &str) -> bool {
        self.sink.out(text)
    }

    /// Reads the configuration; the defaults without a file. It may come through a pipe.
    pub(in crate::cli) fn configuration(&self, file: Option<&Path>) -> Result<Config, Failure> {
        let usage = |error: ConfigError| Failure::new(FailureKind::Usage, error.to_string());
        let Some(path) = file else { return Config::load(None, &self.environment).map_err(usage) };
        let text = spool::small_text(path, FILE_BYTES_MAX)?
            .map_err(|source| usage(ConfigError::Unreadable { path: path.to_owned(), source }))?;
        Config::parse(&text, path, &self.environment).map_err(usage)
    }

    /// Returns where the agent that the command line means may listen. A configuration is read once: a pipe ends.
    fn sockets(&self) -> Result<&[PathBuf], Failure> {
        if let Some(sockets) = self.sockets.get() {
            return Ok(sockets);
        }
        let sockets = match (&self.socket, &self.config) {
            (Some(socket), _) => vec![socket.clone()],
            (None, Some(file)) => vec![self.configuration(Some(file))?.socket],
            (None, None) => self.environment.sockets(),
        };
        Ok(self.sockets.get_or_init(|| sockets))
    }

    /// Connects to the agent that the command line means.
    pub(in crate::cli) fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(self.sockets()?)?.telling(self.format == Format::Tabular))
    }

    /// Asks the agent and returns the response that ends it.
    pub(in crate::cli) fn ask(&self, request: &Request) -> Result<Response, Failure> {
        self.connect()?.ask(request)
    }

    /// Asks the agent, hands it the files that it asks for, and returns the response that ends the request.
    pub(in crate::cli) fn ask_handing(&self, request: &Request, files: &mut dyn Files) -> Result<Response, Failure> {
        self.connect()?.ask_handing(request, files)
    }

    /// Prints a result.
    pub(crate) fn print(&self, value: &impl serde::Serialize, tabular: impl FnOnce() -> String) {
        self.put(&self.format.render(value, tabular));
    }

    /// Prints a remark that is no result, where people read.
    pub(in crate::cli) fn remark(&self, text: &str) {
        if self.format == Format::Tabular {
            self.sink.err(text);
        }
    }

    /// Reports whether whatever else is to be asked would wait as long for the same failure, and says that it is not asked.
    pub(in crate::cli) fn gives_up(&self, failure: &Failure) -> bool {
        let is_away = failure.kind == FailureKind::Unreachable;
        if is_away {
            self.remark("nothing more is asked for");
        }
        is_away
    }

    /// Prints a failure, and tells how the command ends.
    pub(in crate::cli) fn fail(&self, failure: &Failure) -> Exit {
        if self.format == Format::Json {
            self.put(&mistake::json(failure));
        } else {
            self.complain(failure);
        }
        Exit::of(failure)
    }

    /// Prints a failure for people.
    pub(super) fn complain(&self, failure: &Failure) {
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
    pub(in crate::cli) fn finish(&self, exit: Exit) -> Exit {
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
