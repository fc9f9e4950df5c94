//! Backups: archives, and copies kept for peers.

use std::path::PathBuf;

use modelferry_protocol::ids::ModelUuid;
use tokio::sync::mpsc;

use crate::agent::answer::RequestHandler;
use crate::agent::control::view::{ModelStatusView, ModelView, PeerView};
use crate::agent::control::{BackupRef, Failure, FailureKind, Request, Response};
use crate::agent::socket::server::Client;
use crate::controller::backup::view::{BackupView, ID_SHOWN};
use crate::controller::backup::{self, Archive, BackupError, Kept, Origin, Source};
use crate::controller::description::Description;
use crate::controller::embedded::{Embedded, verify};
use crate::controller::files::Files;
use crate::controller::port::ControllerError;
use crate::controller::status::ModelStatus;
use crate::engine::causes;

/// What a restore waits for, as far as a slow client has not been told of it.
const TEXTS_QUEUED_MAX: usize = 8;

impl RequestHandler {
    pub(in crate::agent::answer) async fn backup_create(
        &self,
        model: &str,
        file: PathBuf,
        held: bool,
        client: &mut Client,
    ) -> Result<Response, Failure> {
        let model = if held { model.to_owned() } else { self.model_here(model).await?.to_string() };
        let made = self.with_files(client, move |embedded, files| match held {
            true => embedded.back_up_held(&model, &file, files),
            false => embedded.back_up(&model, &file, files),
        });
        let made = made.await?;
        Ok(Response::Backup(Box::new(made)))
    }

    pub(in crate::agent::answer) async fn backup_keep(&self, model: &str, peer: &str) -> Result<Response, Failure> {
        let model = self.model_here(model).await?;
        let kept = self.engine()?.keep(model, peer).await.map_err(|error| self.refusal_of_engine(&error))?;
        Ok(Response::Kept(kept))
    }

    pub(in crate::agent::answer) async fn backup_list(&self) -> Result<Response, Failure> {
        let kept = self.blocking(|embedded| backup::list(embedded.store())).await?;
        let mut views: Vec<BackupView> = kept.into_iter().map(|(id, kept)| view(id, kept)).collect();
        views.sort_by(|a, b| (&b.taken, &a.model).cmp(&(&a.taken, &b.model)));
        Ok(Response::Backups(views))
    }

    pub(in crate::agent::answer) async fn backup_verify(&self, id: String) -> Result<Response, Failure> {
        let verified = self.blocking(move |embedded| {
            let kept = kept(embedded, &id)?;
            let view = BackupView::new(&kept.manifest, kept.peer.clone(), None);
            verify(&mut kept.open(embedded.store().clone()))?;
            Ok(view)
        });
        Ok(Response::Backup(Box::new(verified.await?)))
    }

    pub(in crate::agent::answer) async fn backup_remove(&self, id: String) -> Result<Response, Failure> {
        let removed = self.blocking(move |embedded| {
            let store = embedded.store();
            let id = backup::find_to_remove(store, &id)?;
            let view = view(id.clone(), Kept::read(store, &id));
            backup::forget(store, &id)?;
            Ok(view)
        });
        Ok(Response::Backup(Box::new(removed.await?)))
    }

    pub(in crate::agent::answer) async fn backup_show(&self, id: String) -> Result<Response, Failure> {
        let shown = self.blocking(move |embedded| {
            let kept = kept(embedded, &id)?;
            let description = kept.description(embedded.store())?;
            let description = Description::parse(&description);
            let description = description.map_err(|error| ControllerError::Refused(causes(&error)))?;
            let model = ModelView::of_description(&description, &kept.manifest.id.to_string()[..ID_SHOWN]);
            Ok(ModelStatusView { model, inside: ModelStatus::of(&description) })
        });
        Ok(Response::ModelStatus(Box::new(shown.await?)))
    }

    pub(in crate::agent::answer) async fn backup_restore(
        &self,
        backup: BackupRef,
        source_lost: bool,
        controller: Option<&str>,
        actor: &str,
        client: &mut Client,
    ) -> Result<Response, Failure> {
        self.refuse_other_controller(controller)?;
        let source = self.with_files(client, move |embedded, files| open(embedded, &backup, files)).await?;
        let told = source.manifest();
        let (model, origin, engine) = (told.uuid, told.controller.clone(), self.engine()?.clone());
        let held = engine.take_in_hand(model).map_err(|error| self.refusal_of_engine(&error))?;
        let asserted = self.refuse_second_owner(&origin, model, source_lost).await?;
        let actor = actor.to_owned();
        let prepared = self.local.prepare_restore(source).await;
        let prepared = prepared.map_err(|error| self.refusal_of_controller(&error))?;
        for note in prepared.notes() {
            // The client may be gone; the restore goes on.
            let _ = client.update(&Response::Waiting(note.clone())).await;
        }
        let say = Box::new(saying(client));
        // The restore goes on if the client hangs up.
        let restored = tokio::spawn(async move {
            let _held = held;
            let restored = prepared.perform(say).await?;
            engine.restored(model, asserted, &actor).await;
            Ok::<_, ControllerError>(restored)
        });
        match restored.await {
            Ok(restored) => restored.map(Response::Imported).map_err(|error| self.refusal_of_controller(&error)),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Refuses to restore into any controller but the one beside this agent, and into a real one that is not named.
    fn refuse_other_controller(&self, controller: Option<&str>) -> Result<(), Failure> {
        let refused = |message: String, hint: String| {
            Err(Failure::new(FailureKind::Refused, message).state("nothing has changed").hint(hint))
        };
        let own = self.local.card().name.to_string();
        match controller {
            None if self.local.is_real() => refused(
                format!("this agent stands beside the real controller \"{own}\", whose machines would run the model"),
                format!("name it to restore the model there: add --controller {own}"),
            ),
            None => Ok(()),
            Some(name) if name == own => Ok(()),
            Some(name) if self.locate(Some(name)).is_ok() => refused(
                format!("controller {name} is beside another agent, and a backup is restored by a controller's own"),
                format!("copy the archive to the host of {name}, and run `modelferry backup restore FILE` there"),
            ),
            Some(name) => refused(
                format!("no agent that is known here stands beside controller {name}"),
                "set an agent up beside it, see docs/juju.md, and restore the backup there; `modelferry controllers` lists those \
                 that are known"
                    .to_owned(),
            ),
        }
    }

    /// Refuses to restore a model that its own controller may still have, or the one that it went to from here: nothing may
    /// make two owners of it. Returns whether the operator's word was needed for it.
    ///
    /// What `source_lost` says is believed only where such a controller cannot be asked.
    async fn refuse_second_owner(&self, origin: &Origin, model: ModelUuid, source_lost: bool) -> Result<bool, Failure> {
        let left = self.blocking(move |embedded| embedded.redirects()).await?;
        let left = left.into_iter().find(|redirect| redirect.model_uuid == model.to_string());
        let went =
            left.map(|redirect| (redirect.controller, redirect.controller_uuid, "which it was migrated to from here"));
        let taken_from = (origin.name.clone(), origin.uuid.to_string(), "which this backup was taken from");
        let own = self.own_uuid();
        let mut asserted = false;
        for (name, controller, role) in
            [taken_from].into_iter().chain(went).filter(|(_, controller, _)| *controller != own)
        {
            asserted |= self.refuse_owner(&name, &controller, role, model, source_lost).await?;
        }
        Ok(asserted)
    }

    /// Refuses to restore a model that this controller may have. Returns whether the operator's word was needed for it.
    pub(super) async fn refuse_owner(
        &self,
        name: &str,
        uuid: &str,
        role: &str,
        model: ModelUuid,
        source_lost: bool,
    ) -> Result<bool, Failure> {
        let beside = |peer: &PeerView| peer.controller.as_ref().is_some_and(|controller| controller.uuid == uuid);
        let peer = self.peers().into_iter().find(beside).map(|peer| peer.name);
        let asked = match &peer {
            Some(peer) => self.ask_peer(peer, &Request::ShowModel { model: model.to_string(), held: false }).await,
            None => Err(Failure::new(FailureKind::Unreachable, "no connected peer is beside it")),
        };
        let second = |message: String, hint: String| {
            Err(Failure::new(FailureKind::Refused, message).state("nothing has changed").hint(hint))
        };
        match asked {
            Ok(_) => second(
                format!("the model is on controller \"{name}\", {role}; it would be on both"),
                "migrate it from there; or, if that copy is not the one that you want, read \"Two copies of one model\" in \
                 docs/in-doubt.md"
                    .to_owned(),
            ),
            Err(failure) if failure.redirect.as_ref().is_some_and(|to| to.controller_uuid == self.own_uuid()) => Ok(false),
            // The controller that the model went to is the one whose database this host has lost: it had another UUID.
            Err(failure) if failure.redirect.is_some() && self.has_lost(model).await? => match source_lost {
                true => Ok(true),
                false => second(
                    format!("the model went from controller \"{name}\" to the one here, whose database has lost it"),
                    format!("if no other controller has it (`modelferry show-model {model}` asks), add --source-lost"),
                ),
            },
            Err(failure) if failure.redirect.is_some() => second(
                format!("the model has left controller \"{name}\", and is elsewhere: {}", failure.message),
                "it would be on two controllers; migrate it from where it is".to_owned(),
            ),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(false),
            // It answers, so it is not lost, whatever the operator says.
            Err(failure) if failure.kind == FailureKind::Refused && failure.redirect.is_none() => second(
                format!("the model is on controller \"{name}\", {role}, which does not show it here; it would be on both"),
                format!("migrate it from there; {}", failure.hint),
            ),
            Err(_) if source_lost => Ok(true),
            Err(failure) => second(
                format!("controller \"{name}\", {role}, cannot be asked: {}", failure.message),
                lost_for_good(name == &*self.embedded.controller_card().name),
            ),
        }
    }

    /// Reports whether the journal holds a model to be in service here, and the database has lost it.
    pub(super) async fn has_lost(&self, model: ModelUuid) -> Result<bool, Failure> {
        let memory = self.memory.clone();
        self.blocking(move |_| memory.has_lost(model)).await
    }

    fn own_uuid(&self) -> String {
        self.local.card().uuid.to_string()
    }
}

/// Returns what to type where the controller of a backup cannot be asked. `namesake`: whether the one here has its name.
fn lost_for_good(namesake: bool) -> String {
    let namesake = match namesake {
        true => "the controller here has that name and another UUID, as one has whose database was lost. ",
        false => "",
    };
    format!(
        "{namesake}if the model may still be there, it would be on both; if that controller is lost for good, add --source-lost"
    )
}

/// Passes on to a client what a restore waits for, each thing once.
fn saying(client: &Client) -> impl Fn(String) + Send + Sync + use<> {
    let (said, mut texts) = mpsc::channel::<String>(TEXTS_QUEUED_MAX);
    let mut client = client.clone();
    tokio::spawn(async move {
        let mut last = String::new();
        while let Some(text) = texts.recv().await {
            // The client may be gone; the restore goes on.
            if text != last {
                let _ = client.update(&Response::Waiting(text.clone())).await;
            }
            last = text;
        }
    });
    move |text| {
        tracing::warn!("{text}");
        // A slow client misses some.
        let _ = said.try_send(text);
    }
}

/// Returns what is shown of a backup that is kept here.
fn view(id: String, kept: Result<Kept, ControllerError>) -> BackupView {
    match kept {
        Ok(kept) => BackupView::new(&kept.manifest, kept.peer, None),
        Err(error) => BackupView::damaged(id, String::new(), error.to_string()),
    }
}

fn kept(embedded: &Embedded, id: &str) -> Result<Kept, ControllerError> {
    let store = embedded.store();
    Kept::read(store, &backup::find(store, id)?)
}

fn open(
    embedded: &Embedded,
    backup: &BackupRef,
    files: &mut dyn Files,
) -> Result<Box<dyn Source + Send>, ControllerError> {
    Ok(match backup {
        BackupRef::File(path) => {
            let unreadable = |source| BackupError::Unreadable { path: path.clone(), source };
            Box::new(Archive::of(files.open(path).map_err(unreadable)?, path)?)
        }
        BackupRef::Kept(id) => Box::new(kept(embedded, id)?.open(embedded.store().clone())),
    })
}
