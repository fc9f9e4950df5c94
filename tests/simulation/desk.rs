//! An agent's way to its controller. Calls take time, fail, time out, and land late.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::port::{Arrival, ControllerError, Departure, Errand, Examination, Export, Presence};
use modelferry::store::Store;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{BlobRef, Call, Charm, Name};

use super::estate::{Effect, Estate, Held, MODEL};
use super::process::Process;

/// Bytes of a description, at most.
const DESCRIPTION_BYTES_MAX: u64 = 1 << 10;

pub struct Desk {
    pub host: usize,
    pub estate: Estate,
    pub process: Arc<Process>,
    pub store: Store,
}

/// A call on its way. If the agent dies now, it may still land.
struct Sent<'a> {
    desk: &'a Desk,
    mid: MigrationId,
    effect: Effect,
    landed: bool,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let lands = !self.landed && self.desk.estate.inner().rng.bool();
        if lands {
            self.desk.estate.send_late(self.desk.host, self.mid, self.effect);
        }
    }
}

fn down() -> ControllerError {
    ControllerError::Storage("the controller does not answer".into())
}

impl Desk {
    async fn ask(&self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError> {
        let (there_ms, back_ms, fails, how) = {
            let mut inner = self.estate.inner();
            let fails = inner.rng.u32(0..100) < inner.failing_percent;
            (inner.rng.u64(0..30), inner.rng.u64(0..30), fails, inner.rng.u32(0..3))
        };
        let mut sent = Sent { desk: self, mid, effect, landed: false };
        tokio::time::sleep(Duration::from_millis(there_ms)).await;
        if self.process.is_dead() {
            std::future::pending::<()>().await;
        }
        sent.landed = true;
        match (fails, how) {
            // Not done.
            (true, 0) => return Err(down()),
            // Done later.
            (true, 1) => {
                self.estate.send_late(self.host, mid, effect);
                return Err(down());
            }
            _ => {}
        }
        let done = self.estate.perform(self.host, mid, effect);
        tokio::time::sleep(Duration::from_millis(back_ms)).await;
        // Done, and nobody knows.
        if fails { Err(down()) } else { done }
    }

    fn export_now(&self) -> Result<Export, ControllerError> {
        let (writes, charms) = {
            let inner = self.estate.inner();
            let site = &inner.sites[self.host];
            (site.writes, site.charms.clone())
        };
        let described = self.store.put_bytes(format!("writes: {writes}\n").as_bytes());
        let described = described.map_err(|error| ControllerError::Storage(Box::new(error)))?;
        let mut calls = vec![Call::Import(described)];
        calls.extend(charms.iter().enumerate().map(|(n, blob)| {
            let url = Name::cut(format!("ch:charm-{n}"));
            Call::UploadCharm(Charm { url, blob: *blob })
        }));
        calls.push(Call::CheckMachines);
        Ok(Export { name: "shelf".into(), owner: "admin".into(), complete: true, calls })
    }

    /// Returns the writes that a description tells of.
    fn described(&self, blob: BlobRef) -> Result<u32, ControllerError> {
        let bytes = self.store.read(blob, DESCRIPTION_BYTES_MAX);
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let told = text.as_deref().ok().and_then(|text| text.strip_prefix("writes: ")?.trim().parse().ok());
        told.ok_or_else(|| self.unreadable(blob, format!("{text:?}")))
    }

    fn unreadable(&self, blob: BlobRef, what: String) -> ControllerError {
        if !self.process.is_dead() {
            let text = format!(
                "host {} stages blob {} of {} bytes that is not there: {what}",
                self.host, blob.hash, blob.bytes
            );
            self.estate.inner().breaks(text);
        }
        down()
    }
}

#[async_trait]
impl Departure for Desk {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        let held = self.estate.inner().sites[self.host].held;
        if model != MODEL || !matches!(held, Held::Live(_) | Held::Frozen(_)) {
            return Err(ControllerError::ModelNotFound(model.to_string()));
        }
        let facts = ModelFacts {
            mid,
            uuid: model,
            name: Name::cut("shelf"),
            owner: Name::cut("admin"),
            ..ModelFacts::default()
        };
        Ok(Examination { facts, ..Examination::default() })
    }

    async fn preview(&self, _: ModelUuid) -> Result<Export, ControllerError> {
        self.export_now()
    }

    async fn freeze(&self, errand: Errand) -> Result<(), ControllerError> {
        self.ask(errand.mid, Effect::Freeze).await
    }

    async fn export(&self, errand: Errand) -> Result<Export, ControllerError> {
        // The writes of a model that is not frozen for this migration are nobody's to hand over.
        if self.estate.inner().sites[self.host].held != Held::Frozen(errand.mid) {
            return Err(ControllerError::Refused("the model is not frozen".into()));
        }
        self.export_now()
    }

    async fn thaw(&self, errand: Errand) -> Result<(), ControllerError> {
        self.ask(errand.mid, Effect::Thaw).await
    }

    async fn redirect(&self, errand: Errand, _: &ControllerCard) -> Result<(), ControllerError> {
        self.ask(errand.mid, Effect::Redirect).await
    }

    async fn reap(&self, errand: Errand) -> Result<(), ControllerError> {
        self.ask(errand.mid, Effect::Reap).await
    }
}

#[async_trait]
impl Arrival for Desk {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(ControllerCard::default())
    }

    async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        Ok(Vec::new())
    }

    async fn perform(&self, errand: Errand, call: &Call) -> Result<(), ControllerError> {
        let effect = match call {
            Call::Import(blob) => Effect::Import(self.described(*blob)?),
            Call::UploadCharm(charm) => {
                self.store.verify(charm.blob).map_err(|error| self.unreadable(charm.blob, error.to_string()))?;
                Effect::Upload(charm.blob)
            }
            Call::CheckMachines => Effect::Check,
            Call::Activate => Effect::Activate,
            Call::AdoptResources => Effect::Adopt,
            Call::Abort => Effect::Discard,
            Call::ImportEntries(_) | Call::UploadAgentBinary(_) | Call::UploadResource(_) => return Ok(()),
        };
        self.ask(errand.mid, effect).await
    }

    async fn probe(&self, errand: Errand) -> Result<Presence, ControllerError> {
        Ok(match self.estate.inner().sites[self.host].held {
            Held::Absent => Presence::Absent,
            Held::Importing(mid) if mid == errand.mid => Presence::Importing,
            Held::Staged(mid) if mid == errand.mid => Presence::Staged,
            Held::Live(Some(mid)) if mid == errand.mid => Presence::Live,
            _ => Presence::Other,
        })
    }
}
