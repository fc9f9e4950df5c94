//! The controller itself: its parts, and what the agent keeps of migrations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;

use super::card::remembered;
use super::connection::Connector;
use super::proven::{Proven, Sha256};
use super::record::{Copy, DATABASE, Records};
use super::throttle::Throttle;
use crate::config::{JujuConfig, RefusalConfig};
use crate::controller::description::Description;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::controller::serial::Turns;
use crate::disk::{Disk, blocking};
use crate::store::Store;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::controller) struct Timing {
    /// One dial.
    pub dial: Duration,
    /// How long after an import whose reply was lost it may still be under way in the controller.
    pub import_settles: Duration,
    /// How long an aborted model may still be seen.
    pub gone: Duration,
    /// The pause between two looks.
    pub look: Duration,
    /// How long a dry run waits for a controller that is busy or away.
    pub patience: Duration,
    /// How long a restore waits for such a controller at each call that stages the model.
    pub restore: Duration,
    /// The pause before a restore makes a call again.
    pub again: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(3),
            import_settles: Duration::from_secs(60),
            gone: Duration::from_secs(10),
            look: Duration::from_millis(200),
            patience: Duration::from_secs(60),
            restore: Duration::from_secs(30 * 60),
            again: Duration::from_secs(2),
        }
    }
}

/// A real controller. Clones are the same one.
#[derive(Clone)]
pub struct Juju {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) connector: Connector,
    pub(super) records: Records,
    pub(super) store: Store,
    pub(super) timing: Timing,
    /// What versions of Juju refuse to import, besides what is shipped.
    pub(super) refusals: Vec<RefusalConfig>,
    pub(super) card: Mutex<ControllerCard>,
    pub(super) sha256: Sha256,
    pub(super) proven: Proven,
    pub(super) throttle: Throttle,
    /// The description that was parsed last: prechecks, import and each upload of a migration ask for the same one.
    pub(super) parsed: Mutex<Option<(Hash, Arc<Description>)>>,
    pub(super) turns: Turns,
    /// Held while a log that follows a model changes.
    pub(super) logs: Mutex<()>,
}

impl Juju {
    /// Opens what is remembered in `state_dir`. Nothing is dialled yet.
    ///
    /// `refusals`: what versions of Juju refuse to import, besides what is shipped.
    /// Errors: [`ControllerError::Storage`].
    pub fn open(
        state_dir: &Path,
        config: JujuConfig,
        refusals: Vec<RefusalConfig>,
        store: Store,
        disk: Disk,
    ) -> Result<Self, ControllerError> {
        Self::open_with(state_dir, config, refusals, store, disk, Timing::default())
    }

    pub(super) fn open_with(
        state_dir: &Path,
        config: JujuConfig,
        refusals: Vec<RefusalConfig>,
        store: Store,
        disk: Disk,
        timing: Timing,
    ) -> Result<Self, ControllerError> {
        let records = Records::open(state_dir, disk)?;
        let (card, nodes) = remembered(&records, &config.name)?;
        let known = (card.uuid != ModelUuid::default()).then_some(card.uuid);
        let connector = Connector::new(config, known, nodes, timing.dial);
        let inner = Inner {
            connector,
            records,
            store,
            timing,
            refusals,
            card: Mutex::new(card),
            sha256: Sha256::default(),
            proven: Proven::default(),
            throttle: Throttle::default(),
            parsed: Mutex::default(),
            turns: Turns::default(),
            logs: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the path of the database in a state directory.
    pub fn database_path(state_dir: &Path) -> PathBuf {
        state_dir.join(DATABASE)
    }
}

impl Inner {
    /// Returns what a migration has made of its model.
    pub(super) async fn copy(self: &Arc<Self>, mid: MigrationId) -> Result<Option<Copy>, ControllerError> {
        let inner = self.clone();
        blocking(move || inner.records.copy(mid)).await
    }

    /// Returns what the migration has made, if it has begun.
    ///
    /// Errors: [`ControllerError::OtherMigration`], [`ControllerError::ModelNotFound`].
    pub(super) async fn begun(self: &Arc<Self>, migration: MigrationRef) -> Result<Copy, ControllerError> {
        match self.copy(migration.mid).await? {
            Some(copy) if copy.model == migration.model => Ok(copy),
            _ => match self.holder(migration.model).await? {
                Some(actual) => {
                    Err(ControllerError::OtherMigration { model: migration.model, actual, expected: migration.mid })
                }
                None => Err(ControllerError::ModelNotFound(migration.model.to_string())),
            },
        }
    }

    /// Returns the migrations whose copies are here and not in service, by their models.
    pub(super) async fn holders(self: &Arc<Self>) -> Result<HashMap<ModelUuid, MigrationId>, ControllerError> {
        let inner = self.clone();
        let copies = blocking(move || inner.records.copies()).await?;
        let held = copies.into_iter().filter(|(_, copy)| copy.activation.is_none() && !copy.gone);
        // The first of several: migrations are read in the order of their ids.
        Ok(held.rev().map(|(mid, copy)| (copy.model, mid)).collect())
    }

    /// Returns the migration whose copy of a model is here and not in service.
    pub(super) async fn holder(self: &Arc<Self>, model: ModelUuid) -> Result<Option<MigrationId>, ControllerError> {
        Ok(self.holders().await?.get(&model).copied())
    }

    /// Keeps what a migration has made; durable when this returns.
    pub(super) async fn put(self: &Arc<Self>, mid: MigrationId, copy: &Copy) -> Result<(), ControllerError> {
        let (inner, copy) = (self.clone(), copy.clone());
        blocking(move || inner.records.put_copy(mid, &copy)).await
    }

    /// Returns a description out of the store, parsed.
    ///
    /// Errors: as [`Inner::description`].
    pub(super) async fn parsed(self: &Arc<Self>, hash: Hash) -> Result<Arc<Description>, ControllerError> {
        if let Some(parsed) = self.known(hash) {
            return Ok(parsed);
        }
        let store = self.store.clone();
        let bytes = blocking(move || store.size(hash)).await.map_err(ControllerError::storage)?.unwrap_or_default();
        let (_, told) = self.description(BlobRef { hash, bytes }).await?;
        Ok(told)
    }

    /// Returns the description that was parsed last, if it has this hash.
    fn known(&self, hash: Hash) -> Option<Arc<Description>> {
        self.parsed.lock().as_ref().filter(|(known, _)| *known == hash).map(|(_, parsed)| parsed.clone())
    }

    /// Returns a description out of the store.
    ///
    /// The prechecks parse it while the model is live. If the frozen model still has the same description, nothing is parsed during
    /// the freeze.
    ///
    /// Errors: [`ControllerError::Refused`] for what is not understood.
    pub(super) async fn description(
        self: &Arc<Self>,
        blob: BlobRef,
    ) -> Result<(Vec<u8>, Arc<Description>), ControllerError> {
        let (store, known) = (self.store.clone(), self.known(blob.hash));
        let (bytes, parsed) = blocking(move || {
            let bytes = store.read(blob, DESCRIPTION_BYTES_MAX).map_err(ControllerError::storage)?;
            let parsed = match known {
                Some(parsed) => parsed,
                None => {
                    let parsed = Description::parse(&bytes);
                    Arc::new(parsed.map_err(|error| ControllerError::Refused(error.to_string()))?)
                }
            };
            Ok::<_, ControllerError>((bytes, parsed))
        })
        .await?;
        *self.parsed.lock() = Some((blob.hash, parsed.clone()));
        Ok((bytes, parsed))
    }
}
