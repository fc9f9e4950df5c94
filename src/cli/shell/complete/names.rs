//! The names that the running agent knows.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::EnvCompleter;

use super::bash;
use super::kind::Kind;
use crate::agent::control::view::ControllerView;
use crate::agent::control::{Request, Response};
use crate::cli::base::client::Client;
use crate::cli::output::plain;
use crate::config::{Config, Environment};
use crate::controller::embedded::view::ModelRow;

/// How long an agent, and the peer behind it, may take for everything: somebody's finger is on the key.
const PATIENCE: Duration = Duration::from_secs(1);
/// The owner whose models Juju names without their owner.
const OWN_USER: &str = "admin";

/// Where names come from.
pub(super) struct Names {
    sockets: Vec<PathBuf>,
    deadline: Instant,
}

impl Names {
    /// Finds the agent that the line means as it stands.
    pub(super) fn new(shell: &dyn EnvCompleter, asked: &[OsString], environment: Environment) -> Self {
        let asked: Vec<String> = asked.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        // Bash passes the line, the others pass its words.
        let words = if shell.name() == "bash" { asked.first().and_then(|line| bash::words(line)) } else { Some(asked) };
        let words = words.unwrap_or_default();
        let configured = |file: PathBuf| Config::load(Some(&file), &environment).ok().map(|config| config.socket);
        let sockets = match (option(&words, "--socket"), option(&words, "--config")) {
            (Some(socket), _) => vec![socket],
            (None, Some(file)) => configured(file).into_iter().collect(),
            (None, None) => environment.sockets(),
        };
        Self { sockets, deadline: Instant::now() + PATIENCE }
    }

    /// Returns all names of these kinds that go on as `begun`.
    pub(super) fn beginning(&self, begun: &OsStr, kinds: &[Kind]) -> Vec<CompletionCandidate> {
        let text = begun.to_string_lossy();
        let mut found = Vec::new();
        for kind in kinds {
            found.extend(match kind {
                Kind::Model => self.models(None, text.contains('/')),
                Kind::AnyModel => self.any_models(&text),
                Kind::Peer => self.peers(),
                Kind::Controller => self.controllers().into_iter().map(controller).collect(),
                Kind::Migration => self.migrations(),
                Kind::Backup => self.backups(),
                Kind::Path => PathCompleter::any().complete(begun),
            });
        }
        found.retain(|candidate| {
            let name = candidate.get_value().to_string_lossy();
            // A name that a terminal would obey is typed by hand, if at all.
            name.starts_with(&*text) && plain(&name) == name
        });
        found
    }

    /// Asks the agent; whatever goes wrong, there are no names.
    fn ask(&self, request: &Request) -> Option<Response> {
        if self.sockets.is_empty() {
            return None;
        }
        let mut client = Client::connect(&self.sockets).ok()?;
        client.send(request).ok()?;
        client.next(Some(self.deadline)).ok()?
    }

    fn models(&self, controller: Option<&str>, with_owner: bool) -> Vec<CompletionCandidate> {
        let request = Request::Models { controller: controller.map(str::to_owned) };
        let Some(Response::Models { models, .. }) = self.ask(&request) else { return Vec::new() };
        let before = controller.map_or_else(String::new, |controller| format!("{controller}:"));
        let name = |model: &ModelRow| match with_owner || model.owner != OWN_USER {
            true => format!("{before}{}/{}", model.owner, model.name),
            false => format!("{before}{}", model.name),
        };
        models.iter().map(|model| candidate(name(model), format!("{} on {}", model.status, model.cloud))).collect()
    }

    /// Returns models of this controller and the controllers that may stand before others; behind a controller, its own.
    fn any_models(&self, begun: &str) -> Vec<CompletionCandidate> {
        if let Some((controller, model)) = begun.split_once(':') {
            return self.models(Some(controller), model.contains('/'));
        }
        let mut found = self.models(None, begun.contains('/'));
        let before =
            |view: ControllerView| candidate(format!("{}:", called(&view)), "models of that controller".into());
        found.extend(self.controllers().into_iter().map(before));
        found
    }

    fn peers(&self) -> Vec<CompletionCandidate> {
        let Some(Response::Peers(peers)) = self.ask(&Request::Peers {}) else { return Vec::new() };
        let told = |connected: bool| if connected { "connected" } else { "not connected" };
        peers.into_iter().map(|peer| candidate(peer.name, told(peer.connected).into())).collect()
    }

    fn controllers(&self) -> Vec<ControllerView> {
        match self.ask(&Request::Controllers {}) {
            Some(Response::Controllers(controllers)) => controllers,
            _ => Vec::new(),
        }
    }

    /// Returns migrations by their ids and by their models.
    fn migrations(&self) -> Vec<CompletionCandidate> {
        let Some(Response::Migrations(migrations)) = self.ask(&Request::Migrations {}) else { return Vec::new() };
        let mut seen = std::collections::BTreeSet::new();
        let mut found = Vec::new();
        for view in migrations {
            if view.moves() && seen.insert(view.model.clone()) {
                found.push(candidate(view.model.clone(), format!("{}, the last", view.state)));
            }
            found.push(candidate(view.id, format!("{} of {}/{}", view.state, view.owner, view.model)));
        }
        found
    }

    fn backups(&self) -> Vec<CompletionCandidate> {
        let Some(Response::Backups(backups)) = self.ask(&Request::BackupList {}) else { return Vec::new() };
        backups.into_iter().map(|backup| candidate(backup.id, format!("{}, {}", backup.model, backup.taken))).collect()
    }
}

fn candidate(name: String, told: String) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(plain(&told).into_owned().into()))
}

fn controller(view: ControllerView) -> CompletionCandidate {
    let told = crate::cli::output::cloud::cloud_region(&view.cloud, &view.region);
    candidate(called(&view), told)
}

/// Returns what a controller is called here.
fn called(view: &ControllerView) -> String {
    view.peer.clone().unwrap_or_else(|| view.name.clone())
}

/// Returns the value of an option on a line that need not be complete.
fn option(words: &[String], name: &str) -> Option<PathBuf> {
    let behind = |index: usize| words.get(index + 1).cloned();
    let value = |(index, word): (usize, &String)| match word.strip_prefix(name)? {
        "" => behind(index),
        rest => rest.strip_prefix('=').map(str::to_owned),
    };
    words.iter().enumerate().find_map(value).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_the_one_that_the_line_names() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = |line: &str| option(&words(line), "--socket").map(|path| path.display().to_string());
        assert_eq!(found("modelferry --socket /run/a status -m "), Some("/run/a".into()));
        assert_eq!(found("modelferry --socket=/run/a status"), Some("/run/a".into()));
        assert_eq!(found("modelferry status --sockets /run/a"), None);
        assert_eq!(found("modelferry --socket"), None);
    }
}
