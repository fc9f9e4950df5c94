//! Finds the known name that is nearest to a mistyped one.

use crate::agent::answer::RequestHandler;
use crate::agent::control::view::PeerView;
use crate::agent::control::{Failure, Missing, nearest};
use crate::controller::embedded::Embedded;
use crate::controller::inventory::Held;
use crate::controller::port::ControllerError;
use crate::engine::EngineError;
use crate::engine::view::MigrationView;

/// Characters of a backup's id that are shown: enough to tell any two apart, and to be typed.
const BACKUP_ID_SHOWN: usize = 12;

impl RequestHandler {
    /// Adds the nearest name to a failure that is about a missing one.
    ///
    /// The names are looked up only here, once something is missing. If they cannot be, there is nothing to add.
    pub(in crate::agent::answer) async fn with_nearest(&self, mut failure: Failure) -> Failure {
        let Some(missing) = failure.missing.take() else { return failure };
        if let Missing::Migration(typed) = &missing
            && let Some(brought) = self.brought_as(typed).await
        {
            return brought;
        }
        let names = match &missing {
            Missing::Model(_) => self.model_names().await,
            Missing::Peer(_) => self.peer_names(),
            Missing::Controller(_) => {
                let own = self.local.card().name.to_string();
                self.peer_names().into_iter().chain([own]).collect()
            }
            Missing::Migration(_) => self.known_migrations(|view| [view.id, view.mid, view.model]),
            Missing::Backup(_) => {
                let kept = |embedded: &Embedded| embedded.store().kept().map_err(ControllerError::storage);
                let ids = self.blocking(kept).await.unwrap_or_default().into_iter();
                ids.map(|id| id.chars().take(BACKUP_ID_SHOWN).collect()).collect()
            }
        };
        // What was typed itself was looked for, and is not here.
        let others = names.iter().map(String::as_str).filter(|name| *name != missing.typed());
        if let Some(meant) = nearest(missing.typed(), others) {
            let hint = std::mem::take(&mut failure.hint);
            failure.hint = format!("did you mean \"{meant}\"?\n{hint}").trim_end().to_owned();
        }
        failure
    }

    /// Returns the names of all models that are here, or that have been: those tell where they went.
    async fn model_names(&self) -> Vec<String> {
        let here = self.local.models().await.unwrap_or_default().into_iter();
        let here = here.flat_map(|model| [format!("{}/{}", model.owner, model.name), model.name]);
        here.chain(self.known_migrations(|view| [format!("{}/{}", view.owner, view.model), view.model])).collect()
    }

    /// Says of a model that a Juju controller brings that no agent has a migration of it; nothing of any other.
    async fn brought_as(&self, named: &str) -> Option<Failure> {
        let held = self.blocking(Embedded::brought).await.ok()?.into_iter();
        let mut held = held.filter(|held| {
            let name = held.path.split_once('/').map(|(_, name)| name);
            held.path == named || name == Some(named) || held.uuid.to_string() == named
        });
        let Held { uuid: model, path, brought, .. } = held.next()?;
        Some(self.refusal_of_engine(&EngineError::Brought { model, path, brought: brought? }))
    }

    /// Returns what peers are called here, and what the controllers beside them call themselves.
    fn peer_names(&self) -> Vec<String> {
        let names = |peer: PeerView| [Some(peer.name), peer.controller.map(|controller| controller.name)];
        self.peers().into_iter().flat_map(names).flatten().collect()
    }

    fn known_migrations<const N: usize>(&self, names: impl Fn(MigrationView) -> [String; N]) -> Vec<String> {
        let known = self.engine.get().map(|engine| engine.migrations()).unwrap_or_default();
        known.into_iter().flat_map(names).collect()
    }
}
