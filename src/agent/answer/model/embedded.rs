//! Requests about the embedded controller: import, export, writes, users.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use modelferry_protocol::ids::ModelUuid;

use crate::agent::answer::RequestHandler;
use crate::agent::control::{Failure, FailureKind, Response};
use crate::agent::socket::server::Client;
use crate::controller::embedded::view::{Access, Imported};
use crate::controller::embedded::{Blobs, Embedded};
use crate::controller::port::ControllerError;
use crate::disk::blocking;
use crate::engine::Engine;
use crate::secret::SecretText;

/// What the controller is that a model went to.
const WENT: &str = "which it was migrated to from here";
/// What to do where that controller cannot be asked.
const LINK_FIRST: &str = "bring the link to it back, and type this again; if it is lost for good, a backup of the model comes back \
                          with `modelferry backup restore FILE --source-lost`";

impl RequestHandler {
    pub(in crate::agent::answer) async fn embedded_import(
        &self,
        file: PathBuf,
        blobs: Option<PathBuf>,
        actor: &str,
        client: &mut Client,
    ) -> Result<Response, Failure> {
        let found = Arc::new(OnceLock::new());
        let first = self.import_once(&file, blobs.clone(), false, &found, client).await;
        let imported = match (first, found.get().copied()) {
            // It was migrated away from here. If it was removed over there since, it is nowhere, and may come in.
            (Err(Failure { redirect: Some(to), .. }), Some(model)) => {
                let name = if to.alias.is_empty() { &to.controller_uuid } else { &to.alias };
                let asked = self.refuse_owner(name, &to.controller_uuid, WENT, model, false).await;
                asked.map_err(|refused| match refused.kind {
                    FailureKind::Refused if refused.hint.contains("--source-lost") => refused.hint(LINK_FIRST),
                    _ => refused,
                })?;
                self.import_once(&file, blobs, true, &found, client).await?
            }
            (imported, _) => imported?,
        };
        if let Some(model) = found.get() {
            self.engine()?.imported(*model, actor).await;
        }
        Ok(Response::Imported(imported))
    }

    /// Takes a model in from files, if nothing here stands against it. `found`: gets the model's UUID.
    async fn import_once(
        &self,
        file: &Path,
        blobs: Option<PathBuf>,
        over_redirect: bool,
        found: &Arc<OnceLock<ModelUuid>>,
        client: &mut Client,
    ) -> Result<Imported, Failure> {
        let blobs = blobs.map_or(Blobs::Without, Blobs::Dir);
        let (engine, refusal) = (self.engine()?.clone(), Arc::new(OnceLock::new()));
        let (refused, found, file) = (refusal.clone(), found.clone(), file.to_owned());
        let imported = self.with_files(client, move |embedded, files| {
            // Until the model is in service, or is not taken.
            let mut held = None;
            embedded.import_if(&file, &blobs, files, over_redirect, &mut |model| {
                let _ = found.set(model);
                match engine.take_in_hand(model) {
                    Ok(taken) => {
                        held = Some(taken);
                        Ok(())
                    }
                    Err(error) => {
                        let text = error.to_string();
                        let _ = refused.set(error);
                        Err(ControllerError::Refused(text))
                    }
                }
            })
        });
        let imported = imported.await;
        match refusal.get() {
            Some(error) => Err(self.refusal_of_engine(error)),
            None => imported,
        }
    }

    pub(in crate::agent::answer) async fn embedded_export(
        &self,
        model: String,
        dir: PathBuf,
        held: bool,
        client: &mut Client,
    ) -> Result<Response, Failure> {
        let exported = self.with_files(client, move |embedded, files| match held {
            true => embedded.export_held(&model, &dir, files),
            false => embedded.export(&model, &dir, files),
        });
        Ok(Response::Exported(exported.await?))
    }

    pub(in crate::agent::answer) async fn embedded_remove(
        &self,
        model: String,
        actor: &str,
    ) -> Result<Response, Failure> {
        let engine = self.engine()?.clone();
        // A model that only the journal knows: there is nothing to be removed but its alarm.
        if let Ok(uuid) = model.parse::<ModelUuid>()
            && self.has_lost(uuid).await?
        {
            engine.removed(uuid, actor).await;
            return Ok(Response::Done);
        }
        let named = model.clone();
        let uuid = match self.blocking(move |embedded| embedded.find(&named)).await {
            // Nothing of a model that is on its way here may be known to the controller yet.
            Err(failure) if failure.kind == FailureKind::NotFound => self.arriving(&model).ok_or(failure)?,
            found => found?,
        };
        let held = engine.take_in_hand(uuid).map_err(|error| self.refusal_of_engine(&error))?;
        let (embedded, actor) = (self.embedded.clone(), actor.to_owned());
        // The removal goes on if the client hangs up.
        let removing = tokio::spawn(async move {
            let _held = held;
            remove(embedded, &engine, uuid, &actor).await
        });
        let removed = removing.await.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()));
        self.unless_frozen(&uuid.to_string(), removed).await?;
        Ok(Response::Done)
    }

    /// Returns the model of a migration that has not ended, by its name or its UUID.
    fn arriving(&self, named: &str) -> Option<ModelUuid> {
        self.engine.get()?.model_under_way(named)
    }

    pub(in crate::agent::answer) async fn embedded_set(
        &self,
        model: String,
        key: String,
        value: String,
    ) -> Result<Response, Failure> {
        let (embedded, named) = (self.embedded.clone(), model.clone());
        let written = blocking(move || embedded.set(&model, &key, &value)).await;
        Ok(Response::Written(self.unless_frozen(&named, written).await?))
    }

    /// Passes on how work on a model ended that a migration may hold back, and says of one that no agent's migration will ever end
    /// who holds it.
    async fn unless_frozen<R>(&self, named: &str, done: Result<R, ControllerError>) -> Result<R, Failure> {
        match done {
            Ok(done) => Ok(done),
            Err(held @ (ControllerError::MigrationInProgress | ControllerError::Importing)) => {
                Err(self.why_held(named).await.unwrap_or_else(|| self.refusal_of_controller(&held)))
            }
            Err(error) => Err(self.refusal_of_controller(&error)),
        }
    }

    /// Says why a model is held that no agent's migration will ever put into service; nothing of any other.
    async fn why_held(&self, named: &str) -> Option<Failure> {
        let named = named.to_owned();
        let model = self.blocking(move |embedded| embedded.find(&named)).await.ok()?;
        let held = self.engine().ok()?.held_for_good(model).await?;
        Some(self.refusal_of_engine(&held))
    }

    pub(in crate::agent::answer) async fn embedded_get(
        &self,
        model: String,
        key: Option<String>,
        held: bool,
    ) -> Result<Response, Failure> {
        let get = move |embedded: &Embedded| if held { embedded.held_entries(&model) } else { embedded.get(&model) };
        let mut entries = self.blocking(get).await?;
        if let Some(key) = key {
            // Of a key's writes the last is its value.
            entries.retain(|entry| entry.key == key);
            entries.drain(..entries.len().saturating_sub(1));
            if entries.is_empty() {
                return Err(Failure::new(FailureKind::NotFound, format!("nobody has written \"{key}\" to the model")));
            }
        }
        Ok(Response::Entries(entries))
    }

    pub(in crate::agent::answer) async fn user_list(&self) -> Result<Response, Failure> {
        Ok(Response::Users(self.blocking(|embedded| embedded.users()).await?))
    }

    pub(in crate::agent::answer) async fn user_add(
        &self,
        user: String,
        access: Option<String>,
        password: Option<SecretText>,
    ) -> Result<Response, Failure> {
        let access: Access = match access {
            Some(access) => access.parse().map_err(|error: String| Failure::new(FailureKind::Usage, error))?,
            None => Access::default(),
        };
        self.blocking(move |embedded| embedded.add_user(&user, access, password.as_deref())).await?;
        Ok(Response::Done)
    }

    pub(in crate::agent::answer) async fn user_set_password(
        &self,
        user: String,
        password: SecretText,
    ) -> Result<Response, Failure> {
        self.blocking(move |embedded| embedded.set_password(&user, &password)).await?;
        Ok(Response::Done)
    }

    pub(in crate::agent::answer) async fn user_remove(&self, user: String) -> Result<Response, Failure> {
        self.blocking(move |embedded| embedded.remove_user(&user)).await?;
        Ok(Response::Done)
    }
}

/// Removes a model, first from the database and then from what the journal holds to be in service here. If the agent ends between
/// the two, the next start tells the journal.
async fn remove(embedded: Embedded, engine: &Engine, model: ModelUuid, actor: &str) -> Result<(), ControllerError> {
    let database = embedded.clone();
    blocking(move || database.remove(&model.to_string())).await?;
    engine.removed(model, actor).await;
    if let Err(error) = blocking(move || embedded.forget_removed(model)).await {
        tracing::warn!(%model, "the database goes on remembering that the model was removed: {error}");
    }
    Ok(())
}
