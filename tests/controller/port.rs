//! The port, over whatever holds a [`FakeController`].

use async_trait::async_trait;
use modelferry::controller::inventory::Held as Listed;
use modelferry::controller::port::{
    Arrival, ControllerError, Departure, Examination, Export, Holding, MigrationRef, ModelReader, Presence, Said,
    VerbatimCall,
};
use modelferry::store::Store;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{BlobRef, Call, Charm, LogSegment, Name, Params, Reply};

use super::{Effect, FakeController, Held, MODEL};

/// Bytes of a description, at most.
const DESCRIPTION_BYTES_MAX: u64 = 1 << 10;

/// A controller, and the way to it.
#[async_trait]
pub trait ControllerAccess: Send + Sync {
    /// Asks for an effect. What befalls the call is this seam's.
    async fn ask(&self, mid: MigrationId, effect: Effect) -> Result<(), ControllerError>;

    /// Looks at what it holds.
    fn look<R>(&self, look: impl FnOnce(&FakeController) -> R) -> R
    where
        Self: Sized;

    /// The agent's store.
    fn store(&self) -> &Store;

    /// Hears that a call names a blob that is not there: that must not be.
    fn unreadable(&self, what: String) -> ControllerError;

    /// Takes as long as an answer does.
    async fn answering(&self) {}

    /// Takes as long as it takes to list the models.
    async fn listing(&self) {}

    /// Takes as long as it takes to look for a model.
    async fn probing(&self, _: ModelUuid) {}

    /// Judges a model that wants to come here.
    fn judge(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Takes as long as it takes to try a model.
    async fn trying(&self) {}

    /// Tries what can be tried of a model that is on its way here.
    fn dry_run(&self, _: &[Call]) -> Result<(), ControllerError> {
        Ok(())
    }
}

/// The port.
pub struct FakePort<C>(pub C);

impl<C: ControllerAccess> FakePort<C> {
    fn export_now(&self) -> Result<Export, ControllerError> {
        let (writes, charms) = self.0.look(|site| (site.writes, site.charms.clone()));
        let described = self.0.store().put_bytes(format!("writes: {writes}\n").as_bytes());
        let mut calls = vec![Call::Import(described.map_err(ControllerError::storage)?)];
        calls.extend(charms.iter().enumerate().map(|(n, blob)| {
            let url = Name::cut(format!("ch:charm-{n}"));
            Call::UploadCharm(Charm { blob: *blob, ..Charm::named(url) })
        }));
        calls.push(Call::CheckMachines(Params::default()));
        Ok(Export { name: "shelf".into(), owner: "admin".into(), complete: true, calls })
    }

    /// Returns the writes that a description tells of.
    fn described(&self, blob: BlobRef) -> Result<u32, ControllerError> {
        let bytes = self.0.store().read(blob, DESCRIPTION_BYTES_MAX);
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let told = text.as_deref().ok().and_then(|text| text.strip_prefix("writes: ")?.trim().parse().ok());
        told.ok_or_else(|| self.unreadable(blob, format!("{text:?}")))
    }

    fn unreadable(&self, blob: BlobRef, what: String) -> ControllerError {
        self.0.unreadable(format!("blob {} of {} bytes is not there: {what}", blob.hash, blob.bytes))
    }
}

#[async_trait]
impl<C: ControllerAccess> ModelReader for FakePort<C> {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        let is_here = self.0.look(|site| site.is_live() || site.is_whole() && matches!(site.held, Held::Frozen(_)));
        if model != MODEL || !is_here {
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
}

#[async_trait]
impl<C: ControllerAccess> Departure for FakePort<C> {
    async fn freeze(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.0.ask(migration.mid, Effect::Freeze).await
    }

    async fn export(&self, migration: MigrationRef) -> Result<Export, ControllerError> {
        // The writes of a model that is not frozen for this migration are nobody's to hand over.
        if self.0.look(|site| site.held) != Held::Frozen(migration.mid) {
            return Err(ControllerError::Refused("the model is not frozen".into()));
        }
        self.export_now()
    }

    async fn thaw(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.0.ask(migration.mid, Effect::Thaw).await
    }

    async fn redirect(&self, migration: MigrationRef, _: &ControllerCard) -> Result<(), ControllerError> {
        self.0.ask(migration.mid, Effect::Redirect).await
    }

    async fn log(&self, migration: MigrationRef, from_ms: u64) -> Result<Vec<LogSegment>, ControllerError> {
        let segment = |(until_ms, blob): (&u64, &BlobRef)| LogSegment {
            name: Name::cut(until_ms.to_string()),
            until_ms: *until_ms,
            lines: 1,
            blob: *blob,
        };
        Ok(self.0.look(|site| match site.held {
            Held::Frozen(by) if by == migration.mid => site.log.range(from_ms..).map(segment).collect(),
            _ => Vec::new(),
        }))
    }

    async fn reap(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.0.ask(migration.mid, Effect::Reap).await
    }
}

#[async_trait]
impl<C: ControllerAccess> Arrival for FakePort<C> {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(ControllerCard::default())
    }

    async fn holdings(&self) -> Result<Vec<Holding>, ControllerError> {
        let blobs = self.0.look(|site| site.blobs().into_iter().map(|blob| blob.hash).collect());
        self.0.answering().await;
        Ok(vec![Holding { model: "admin/shelf".into(), blobs }])
    }

    async fn places(&self) -> Result<Option<Vec<Listed>>, ControllerError> {
        self.0.listing().await;
        Ok(None)
    }

    async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        Ok(self.0.judge())
    }

    async fn dry_run_stage(&self, _: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        self.0.trying().await;
        self.0.dry_run(calls)
    }

    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let effect = match call {
            Call::Import(blob) => Effect::Import(self.described(*blob)?),
            Call::UploadCharm(charm) => {
                let proven = self.0.store().verify(charm.blob);
                proven.map_err(|error| self.unreadable(charm.blob, error.to_string()))?;
                Effect::Upload(charm.blob)
            }
            Call::CheckMachines(_) => Effect::Check,
            Call::Activate(_) => Effect::Activate,
            Call::AdoptResources(_) => Effect::Adopt,
            Call::Abort => Effect::Discard,
            Call::ImportOpaque(_) => return Err(ControllerError::Refused("an export of a kind not known here".into())),
            Call::ImportEntries(_) | Call::UploadAgentBinary(_) | Call::UploadResource(_) => {
                return Ok(Reply::default());
            }
        };
        self.0.ask(migration.mid, effect).await?;
        Ok(Reply::default())
    }

    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError> {
        Ok(self.0.look(|site| site.log_time(migration.mid)))
    }

    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        let lease = self.0.store().lease();
        lease.keep([segment.blob.hash]);
        let proven = self.0.store().verify(segment.blob);
        proven.map_err(|error| self.unreadable(segment.blob, error.to_string()))?;
        self.0.ask(migration.mid, Effect::TakeLog(segment.until_ms, segment.blob)).await?;
        Ok(self.0.look(|site| site.log_time(migration.mid)))
    }

    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        // A gateway asks how this controller answers a login.
        let told = if call.method == "Login" { r#"{"server-version":"4.1.0"}"# } else { "{}" };
        Ok(Said::Response(told.into()))
    }

    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError> {
        self.0.probing(migration.model).await;
        Ok(match self.0.look(|site| site.held) {
            Held::Absent => Presence::Absent,
            Held::Importing(mid) if mid == migration.mid => Presence::Importing,
            Held::Staged(mid) if mid == migration.mid => Presence::Staged,
            Held::Live(Some(mid)) if mid == migration.mid => Presence::Live,
            _ => Presence::Other,
        })
    }
}
