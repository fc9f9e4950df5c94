//! A backup comes to life in a real controller.
//!
//! No source hands anything over, so nothing is voted on: the model is staged, and then taken into service. A crash before that
//! ends it, and what was staged is removed at the next start; after a crash later than that the rest is done then.

use std::sync::Arc;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::{Arguments, Call, Params};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::outcome::Seen;
use super::repoint::{ControllerAddress, commands};
use super::{Inner, Juju};
use crate::controller::backup::Source;
use crate::controller::embedded::view::Imported;
use crate::controller::embedded::{Unpacked, unpack};
use crate::controller::local::Say;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::controller::text;
use crate::disk::blocking;
use crate::store::Lease;

/// Where the restores that are under way are kept.
const FACT: &str = "restores";

/// A restore that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Restoring {
    #[serde(with = "text")]
    mid: MigrationId,
    #[serde(with = "text")]
    uuid: ModelUuid,
    /// `owner/name`.
    pub model: String,
}

impl Restoring {
    fn migration(&self) -> MigrationRef {
        MigrationRef { mid: self.mid, model: self.uuid }
    }
}

/// A backup that could be restored: its files are in the agent's store, and the controller would take the model.
pub struct PreparedRestore {
    restoring: Restoring,
    unpacked: Unpacked,
    /// What the restore does not do, and then the commands that do it, a line each.
    pub notes: Vec<String>,
    /// Nothing else names these files until the controller has them.
    _files: Lease,
}

impl PreparedRestore {
    /// Returns the model.
    pub fn model(&self) -> ModelUuid {
        self.restoring.uuid
    }
}

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

fn complaint(finding: &Finding) -> String {
    match finding.fix.is_empty() {
        true => finding.text.to_string(),
        false => format!("{}: `{}`", &*finding.text, &*finding.fix),
    }
}

impl Juju {
    /// Takes a backup's files into the agent's store, and asks the controller whether it would take the model. Changes nothing
    /// there.
    ///
    /// Errors: [`ControllerError::Refused`] with everything that stands against it.
    pub async fn prepare_restore(
        &self,
        mut source: Box<dyn Source + Send>,
    ) -> Result<PreparedRestore, ControllerError> {
        let manifest = source.manifest().clone();
        let store = self.inner.store.clone();
        let lease = store.lease_with_puts();
        let unpacked = blocking(move || unpack(source.as_mut(), &store)).await?;
        let mid = MigrationId(*uuid::Uuid::new_v4().as_bytes());
        let restoring = Restoring { mid, uuid: manifest.uuid, model: manifest.path() };
        if unpacked.entries > 0 {
            return Err(refused(super::stage::ENTRIES));
        }
        let live = self.connect().await?;
        let mut facts = unpacked.description.facts().map_err(|error| refused(error.to_string()))?;
        facts.mid = Some(mid);
        let findings = self.inner.judge_backup(facts).await?;
        let against: Vec<String> =
            findings.iter().filter(|finding| finding.level == Level::Fail).map(complaint).collect();
        if !against.is_empty() {
            return Err(refused(against.join("; ")));
        }
        if self.inner.look(manifest.uuid).await? != Seen::Nothing {
            return Err(ControllerError::Exists(manifest.uuid));
        }
        self.inner.dry_run_stage(&unpacked.calls).await?;
        let mut notes = unsaid(&manifest.taken, &manifest.controller.name, &unpacked);
        let commands = commands(&unpacked.description, &ControllerAddress::of(&live));
        if !commands.is_empty() {
            notes.push(
                "the model's agents still dial the old controller: nothing but these lines lets them dial this one. Type them once \
                 the model is restored, on a host that reaches its machines:"
                    .to_owned(),
            );
            notes.extend(commands);
        }
        Ok(PreparedRestore { restoring, unpacked, notes, _files: lease })
    }

    /// Stages the model and takes it into service. `say` hears what it waits for meanwhile.
    ///
    /// Errors: [`ControllerError::Refused`] with the controller's reason; nothing of the model is in the controller then.
    pub async fn restore(&self, prepared: PreparedRestore, say: &Say) -> Result<Imported, ControllerError> {
        let PreparedRestore { restoring, unpacked, .. } = &prepared;
        self.inner.note_restore(restoring.clone(), true).await?;
        for call in &unpacked.calls {
            if let Err(cause) = self.staged(restoring, call, say).await {
                self.insist(restoring, &Call::Abort, say).await;
                self.inner.note_restore(restoring.clone(), false).await?;
                return Err(cause);
            }
        }
        self.take_over(restoring, say).await;
        let mut warnings = unpacked.warnings.clone();
        for segment in &unpacked.log {
            if let Err(error) = self.inner.take_log(restoring.migration(), segment).await {
                warnings.push(format!("the model's log is not in the controller: {error}; it is in the backup"));
                break;
            }
        }
        self.inner.note_restore(restoring.clone(), false).await?;
        Ok(Imported { warnings, ..unpacked.imported(&restoring.model) })
    }

    /// Makes a call that stages the model, again while the controller is busy or away.
    async fn staged(&self, restoring: &Restoring, call: &Call, say: &Say) -> Result<(), ControllerError> {
        let begun = Instant::now();
        loop {
            match self.alone(restoring, call).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_passing() && begun.elapsed() < self.inner.timing.restore => {
                    say(format!("controller: {error}; trying again"));
                    sleep(error.wait().unwrap_or(self.inner.timing.again)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Activates the model and adopts its resources. From the first of the two on it is never taken back.
    async fn take_over(&self, restoring: &Restoring, say: &Say) {
        self.insist(restoring, &Call::Activate(Arguments::default()), say).await;
        self.insist(restoring, &Call::AdoptResources(Params::default()), say).await;
    }

    /// Makes a call until it succeeds, or finds that there is nothing left for it to do.
    async fn insist(&self, restoring: &Restoring, call: &Call, say: &Say) {
        loop {
            match self.alone(restoring, call).await {
                Ok(()) | Err(ControllerError::NotImporting) => return,
                Err(error) => {
                    say(format!("controller: {}: {error}; trying again", call.name()));
                    sleep(self.inner.timing.again).await;
                }
            }
        }
    }

    async fn alone(&self, restoring: &Restoring, call: &Call) -> Result<(), ControllerError> {
        let (inner, call, migration) = (self.inner.clone(), call.clone(), restoring.migration());
        self.inner.turns.alone(migration.model, async move { inner.perform(migration, &call).await.map(drop) }).await
    }

    /// Ends the restores that a crash has interrupted.
    pub(super) async fn resume_restores(&self) -> Result<(), ControllerError> {
        for restoring in self.inner.restores().await? {
            let model = restoring.model.clone();
            let log = move |text: String| tracing::warn!(model, "{text}");
            let copy = self.inner.copy(restoring.mid).await?;
            if copy.is_some_and(|copy| copy.activation.is_some()) {
                self.take_over(&restoring, &log).await;
                log("the restore that was interrupted is done: the model is live".to_owned());
            } else {
                self.insist(&restoring, &Call::Abort, &log).await;
                log("the restore was interrupted, and what was staged is removed: type it again".to_owned());
            }
            self.inner.note_restore(restoring, false).await?;
        }
        Ok(())
    }
}

/// Says what a restore into a real controller does not do.
fn unsaid(taken: &str, controller: &str, unpacked: &Unpacked) -> Vec<String> {
    let told = &unpacked.description;
    let mut notes = vec![
        format!("the model will be as it was at {taken} on \"{controller}\": what was changed since is lost"),
        "machines and volumes of the cloud are not restored: the controller takes over those that there are, and refuses the model \
         if an instance is missing"
            .to_owned(),
        "machines, units and volumes that were added since are unknown to it: their agents cannot log in, and nothing removes them"
            .to_owned(),
    ];
    if told.applications.iter().any(|application| !application.offers.is_empty()) {
        notes.push(
            "models elsewhere that consume its offers still dial the old controller: type `juju remove-saas` and `juju consume` there"
                .to_owned(),
        );
    }
    notes
}

impl Inner {
    /// Returns the restores that are under way.
    pub(super) async fn restores(self: &Arc<Self>) -> Result<Vec<Restoring>, ControllerError> {
        let inner = self.clone();
        blocking(move || Ok(inner.records.fact(FACT)?.unwrap_or_default())).await
    }

    /// Keeps that a restore is under way, or that it is no more.
    async fn note_restore(self: &Arc<Self>, restoring: Restoring, is_under_way: bool) -> Result<(), ControllerError> {
        let inner = self.clone();
        blocking(move || {
            let mut restores: Vec<Restoring> = inner.records.fact(FACT)?.unwrap_or_default();
            restores.retain(|known| known.mid != restoring.mid);
            restores.extend(is_under_way.then_some(restoring));
            inner.records.put_fact(FACT, &restores)
        })
        .await
    }
}
