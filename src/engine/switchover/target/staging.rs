//! Carries out the commands of a target at its controller: import, stage, activate, adopt, discard.
//!
//! One call at a time, and each is over when its effect is seen. A controller that keeps migrations apart by itself is
//! asked for the same again where the answer was lost; any other is looked at first, and its import is never repeated.

use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::CALLS_MAX;
use modelferry_protocol::message::{Message, MigrationKey, Stage, Staged};
use modelferry_protocol::snapshot::{Arguments, BlobRef, Call, KeptReply, Performed, Reply, kept};
use modelferry_protocol::switch::Cause;
use modelferry_protocol::switch::target::{Staging, TargetInput, TargetState};

use super::state::TargetTask;
use crate::controller::port::{ControllerError, Presence};
use crate::engine::base::error::causes;
use crate::engine::shared::core::Core;
use crate::engine::shared::seal;
use crate::engine::view::Failing;

/// Why a model is not staged.
pub enum Unstaged {
    /// It may be, later: it is tried again for as long as the source waits.
    Waits(ControllerError),
    /// It will not get better: the copy is dropped.
    Refused(Cause),
}

impl From<ControllerError> for Unstaged {
    fn from(error: ControllerError) -> Self {
        match error.is_passing() {
            true => Self::Waits(error),
            false => failed(&causes(&error)),
        }
    }
}

fn failed(text: &str) -> Unstaged {
    Unstaged::Refused(Cause::cut(format!("failed to import model into target controller: {text}")))
}

/// How far a copy is, before the next call about it.
enum Begun {
    /// Nothing was imported, or it can be imported again.
    Not,
    /// The import is complete; the rest is staged again.
    Imported,
    /// Nothing is left to be done.
    Staged,
}

impl TargetTask {
    /// Finds out how far the copy is. `imported`: whether the record says that it was imported.
    async fn begun(&mut self, imported: bool) -> Result<Begun, Unstaged> {
        let unsent = std::mem::take(&mut self.side.unsent);
        let (arrival, migration) = (&self.core.parts.arrival, self.migration());
        Ok(match arrival.probe(migration).await? {
            Presence::Staged => Begun::Staged,
            Presence::Live | Presence::Other => {
                return Err(failed(&format!("model with same UUID already exists ({})", migration.model)));
            }
            Presence::Imported => Begun::Imported,
            _ if imported => Begun::Imported,
            Presence::Absent => match unsent || arrival.keeps_migrations() {
                true => Begun::Not,
                false => return Err(failed("what came of the import is not known, and none is sent twice")),
            },
            // Half of it may be here from before a crash: every call can be repeated. An abort is no way to begin
            // anew, since it ends the migration on this controller for ever.
            Presence::Importing if arrival.keeps_migrations() => Begun::Not,
            Presence::Importing | Presence::Unclear if unsent => {
                return Err(failed(&format!("a copy that is left over is in the way ({})", migration.model)));
            }
            Presence::Importing | Presence::Unclear => {
                return Err(failed("whether the import was complete is not known, and none is sent twice"));
            }
        })
    }

    /// Imports the description ahead of the rest.
    pub async fn import(&mut self) -> Result<(), Unstaged> {
        let TargetState::Importing(hash) = self.record.state else { return Err(failed("nothing is to be imported")) };
        self.pass("import", "before")?;
        if let Begun::Not = self.begun(false).await? {
            let call = match self.side.import.clone() {
                Some(call) => call,
                // Only a controller that takes an import again is asked for it by another process.
                None => self.description(hash).await?,
            };
            self.core.parts.arrival.perform(self.migration(), &call).await?;
        }
        Ok(self.pass("import", "after")?)
    }

    async fn description(&self, hash: Hash) -> Result<Call, Unstaged> {
        let store = self.core.parts.store.clone();
        match Core::blocking(move || store.size(hash)).await {
            Ok(Some(bytes)) => Ok(Call::Import(BlobRef { hash, bytes })),
            Ok(None) => Err(failed("its description is not in the store")),
            Err(error) => Err(failed(&error.to_string())),
        }
    }

    /// Imports what is not imported yet, without taking it into service. Everything that can fail is tried here: after
    /// the vote nothing may.
    pub async fn stage(&mut self) -> Result<(), Unstaged> {
        let TargetState::Staging(Staging { root, imported }) = self.record.state else {
            return Err(failed("nothing is to be staged"));
        };
        let (_, snapshot) = seal::read(&self.core, root).await.map_err(|text| failed(&text))?;
        self.pass("stage", "before")?;
        let imported = match self.begun(imported).await? {
            Begun::Staged => return Ok(()),
            Begun::Imported => true,
            Begun::Not => false,
        };
        for call in snapshot.calls.iter().filter(|call| !(imported && call.imports())) {
            self.core.parts.arrival.perform(self.migration(), call).await?;
            // The half staged copy is a case of its own.
            self.pass("stage", "within")?;
        }
        Ok(self.pass("stage", "after")?)
    }

    /// Takes the model into service: the source has given it away.
    pub async fn activate(&self) -> Result<(), ControllerError> {
        let (arrival, migration) = (&self.core.parts.arrival, self.migration());
        let arguments = match &self.record.state {
            TargetState::Activating(activating) => activating.handover.activate.clone(),
            _ => Arguments::default(),
        };
        self.pass("activate", "before")?;
        if arrival.probe(migration).await? != Presence::Live {
            arrival.perform(migration, &Call::Activate(arguments)).await?;
            if !arrival.keeps_migrations() && arrival.probe(migration).await? != Presence::Live {
                return Err(ControllerError::Unknown("the model was activated and is not seen live yet".into()));
            }
        }
        self.pass("activate", "after")
    }

    /// Has the controller take over what belongs to the live model.
    pub async fn adopt(&self) -> Result<KeptReply, ControllerError> {
        let TargetState::Live(live) = &self.record.state else { return Ok(KeptReply::default()) };
        self.pass("adopt", "before")?;
        let call = Call::AdoptResources(live.adopt.clone());
        let reply = self.core.parts.arrival.perform(self.migration(), &call).await?;
        self.pass("adopt", "after")?;
        Ok(kept(&reply))
    }

    /// Deletes the copy, and sees it gone: a controller may say that it is before it is.
    pub async fn discard(&self) -> Result<(), ControllerError> {
        let (arrival, migration) = (&self.core.parts.arrival, self.migration());
        self.pass("discard", "before")?;
        match arrival.perform(migration, &Call::Abort).await {
            Ok(_) | Err(ControllerError::ModelNotFound(_)) => {}
            Err(error) => return Err(error),
        }
        match arrival.probe(migration).await? {
            Presence::Absent | Presence::Other => self.pass("discard", "after"),
            Presence::Live if !arrival.keeps_migrations() => Err(ControllerError::NotImporting),
            _ => Err(ControllerError::Unknown("the copy is still being deleted".into())),
        }
    }

    /// Takes in what the source wants performed ahead of the seal.
    pub async fn asked(&mut self, stage: &Stage) {
        if stage.key != MigrationKey::of(&self.record.head) || self.side.asked.len() >= CALLS_MAX {
            return;
        }
        if let Some(blob) = stage.call.blob() {
            let (store, mid) = (self.core.parts.store.clone(), stage.key.mid);
            // Held until the migration is over, as what the seal names is.
            if let Err(error) = Core::blocking(move || store.want(mid, [blob.hash])).await {
                return self.tracked.set_waiting(Some(format!("target disk: {error}")));
            }
        }
        self.side.asked.insert(stage.id, stage.call.clone());
        self.stage_ahead().await;
    }

    /// Performs what the source wants ahead of the seal, as far as its blobs are here, and answers it.
    pub async fn stage_ahead(&mut self) {
        let mut later = std::mem::take(&mut self.side.asked);
        while let Some((id, call)) = later.pop_first() {
            if !self.is_here(&call).await {
                self.side.asked.insert(id, call);
                continue;
            }
            let outcome = match (&self.record.state, &call) {
                (TargetState::Receiving, call) if call.imports() => {
                    let description = call.blob().unwrap_or_default().hash;
                    self.side.import = Some(call.clone());
                    self.side.asked.insert(id, call.clone());
                    self.side.asked.append(&mut later);
                    // The import is a command of the state that follows; it is answered from there.
                    return self.input(TargetInput::Import(description)).await;
                }
                (TargetState::Importing(_), _) => {
                    self.side.asked.insert(id, call);
                    continue;
                }
                (TargetState::Imported(hash), call) if call.imports() => {
                    match call.blob().is_some_and(|blob| blob.hash == *hash) {
                        true => Performed::Done(Reply::default()),
                        false => Performed::Failed(Cause::cut("another description was imported already")),
                    }
                }
                (TargetState::Imported(_), call) if call.stages() => match self.perform_ahead(call).await {
                    Ok(reply) => Performed::Done(reply),
                    Err(Unstaged::Waits(error)) => {
                        let why = format!("controller: {}; trying again", causes(&error));
                        self.tracked.set_failing(Failing::Controller, why);
                        self.side.asked.insert(id, call.clone());
                        continue;
                    }
                    Err(Unstaged::Refused(cause)) => {
                        self.answer(id, Performed::Failed(cause.clone())).await;
                        self.side.asked.clear();
                        return self.input(TargetInput::Drop(&cause)).await;
                    }
                },
                (TargetState::Prepared(_), call @ Call::CheckMachines(_)) => match self.perform_ahead(call).await {
                    Ok(reply) => Performed::Done(reply),
                    Err(Unstaged::Waits(_)) => continue,
                    Err(Unstaged::Refused(cause)) => Performed::Failed(cause),
                },
                (state, call) => {
                    Performed::Failed(Cause::cut(format!("`{}` is not performed in `{}`", call.name(), state.name())))
                }
            };
            self.answer(id, outcome).await;
        }
    }

    async fn perform_ahead(&self, call: &Call) -> Result<Reply, Unstaged> {
        Ok(self.core.parts.arrival.perform(self.migration(), call).await?)
    }

    /// Reports whether everything is here that a call needs.
    async fn is_here(&self, call: &Call) -> bool {
        let Some(blob) = call.blob() else { return true };
        let store = self.core.parts.store.clone();
        matches!(Core::blocking(move || store.size(blob.hash)).await, Ok(Some(bytes)) if bytes == blob.bytes)
    }

    /// Answers whatever the source still waits for: the migration ends here.
    pub async fn tell_failure(&mut self, cause: &Cause) {
        for id in std::mem::take(&mut self.side.asked).into_keys() {
            self.answer(id, Performed::Failed(cause.clone())).await;
        }
    }

    async fn answer(&self, id: u64, outcome: Performed) {
        if let Some(conversation) = self.line.conversation() {
            let key = MigrationKey::of(&self.record.head);
            Core::say(&conversation.session, Message::Staged(Staged { key, id, outcome })).await;
        }
    }
}
