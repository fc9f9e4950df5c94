//! A real Juju controller as source and destination of migrations: 3.6, 4.0 and 4.1, unmodified, over its own API.
//!
//! What a real controller lacks, the agent keeps in `juju.redb`: which migration a copy belongs to, and how each call ended
//! whose outcome the controller does not tell. Calls about one model never overlap, and none is given up half-way
//! ([`super::serial::Turns`]).

mod access;
mod arrival;
mod audit;
mod card;
mod connection;
mod doctor;
mod import;
mod judge;
mod local;
mod logs;
mod outcome;
mod record;
mod refusal;
mod relay;
mod repoint;
mod restore;
mod source;
mod stage;
mod summary;
#[cfg(test)]
mod tests;
mod upload;
mod view;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::{BlobRef, Call};
use parking_lot::Mutex;

use self::connection::Connector;
use self::record::{Copy, Records};
use super::description::Description;
use super::port::{ControllerError, Errand};
use super::serial::Turns;
use crate::config::{JujuConfig, RefusalConfig};
use crate::disk::{Disk, blocking};
use crate::store::Store;

/// Versions of `MigrationTarget` that take a model description, ascending.
const MIGRATION_TARGET: &[u32] = &[4, 5, 6, 7];
const MODEL_MANAGER: &[u32] = &[9, 10, 11];

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// One dial.
    pub dial: Duration,
    /// How long after an import whose reply was lost it may still be under way in the controller.
    pub import_settles: Duration,
    /// How long an aborted model may still be seen.
    pub gone: Duration,
    /// The pause between two looks.
    pub look: Duration,
    /// How long a rehearsal waits for a controller that is busy or away.
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
    inner: Arc<Inner>,
}

struct Inner {
    connector: Connector,
    records: Records,
    store: Store,
    timing: Timing,
    /// What versions of Juju refuse to import, besides what is shipped.
    refusals: Vec<RefusalConfig>,
    card: Mutex<ControllerCard>,
    sha256: upload::Sha256,
    proven: upload::Proven,
    /// The description that was parsed last: a migration asks for its own once for every binary.
    parsed: Mutex<Option<(Hash, Arc<Description>)>>,
    turns: Turns,
    /// Held while a log that follows a model changes.
    logs: Mutex<()>,
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

    fn open_with(
        state_dir: &Path,
        config: JujuConfig,
        refusals: Vec<RefusalConfig>,
        store: Store,
        disk: Disk,
        timing: Timing,
    ) -> Result<Self, ControllerError> {
        let records = Records::open(state_dir, disk)?;
        let (card, nodes) = card::remembered(&records, &config.name)?;
        let known = (card.uuid != ModelUuid::default()).then_some(card.uuid);
        let connector = Connector::new(config, known, nodes, timing.dial);
        let inner = Inner {
            connector,
            records,
            store,
            timing,
            refusals,
            card: Mutex::new(card),
            sha256: upload::Sha256::default(),
            proven: upload::Proven::default(),
            parsed: Mutex::default(),
            turns: Turns::default(),
            logs: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the path of the database in a state directory.
    pub fn database_path(state_dir: &Path) -> PathBuf {
        state_dir.join(record::DATABASE)
    }
}

impl Inner {
    /// Returns what a migration has made of its model.
    async fn copy(self: &Arc<Self>, mid: MigrationId) -> Result<Option<Copy>, ControllerError> {
        let inner = self.clone();
        blocking(move || inner.records.copy(mid)).await
    }

    /// Returns what the errand has made, if it has begun.
    ///
    /// Errors: [`ControllerError::OtherMigration`], [`ControllerError::ModelNotFound`].
    async fn begun(self: &Arc<Self>, errand: Errand) -> Result<Copy, ControllerError> {
        match self.copy(errand.mid).await? {
            Some(copy) if copy.model == errand.model => Ok(copy),
            _ => match self.holder(errand.model).await? {
                Some(actual) => {
                    Err(ControllerError::OtherMigration { model: errand.model, actual, expected: errand.mid })
                }
                None => Err(ControllerError::ModelNotFound(errand.model.to_string())),
            },
        }
    }

    /// Returns the migrations whose copies are here and not in service, by their models.
    async fn holders(self: &Arc<Self>) -> Result<HashMap<ModelUuid, MigrationId>, ControllerError> {
        let inner = self.clone();
        let copies = blocking(move || inner.records.copies()).await?;
        let held = copies.into_iter().filter(|(_, copy)| copy.activation.is_none() && !copy.gone);
        // The first of several: migrations are read in the order of their ids.
        Ok(held.rev().map(|(mid, copy)| (copy.model, mid)).collect())
    }

    /// Returns the migration whose copy of a model is here and not in service.
    async fn holder(self: &Arc<Self>, model: ModelUuid) -> Result<Option<MigrationId>, ControllerError> {
        Ok(self.holders().await?.get(&model).copied())
    }

    /// Keeps what a migration has made; durable when this returns.
    async fn put(self: &Arc<Self>, mid: MigrationId, copy: &Copy) -> Result<(), ControllerError> {
        let (inner, copy) = (self.clone(), copy.clone());
        blocking(move || inner.records.put_copy(mid, &copy)).await
    }

    /// Returns a description out of the store, parsed.
    ///
    /// Errors: as [`Inner::description`].
    async fn parsed(self: &Arc<Self>, hash: Hash) -> Result<Arc<Description>, ControllerError> {
        if let Some((known, parsed)) = &*self.parsed.lock()
            && *known == hash
        {
            return Ok(parsed.clone());
        }
        let store = self.store.clone();
        let bytes = blocking(move || store.size(hash)).await.map_err(ControllerError::storage)?.unwrap_or_default();
        let (_, told) = self.description(BlobRef { hash, bytes }).await?;
        let told = Arc::new(told);
        *self.parsed.lock() = Some((hash, told.clone()));
        Ok(told)
    }

    /// Returns a description out of the store.
    ///
    /// Errors: [`ControllerError::Refused`] for what is not understood.
    async fn description(self: &Arc<Self>, blob: BlobRef) -> Result<(Vec<u8>, Description), ControllerError> {
        let store = self.store.clone();
        blocking(move || {
            let bytes = store.read(blob, DESCRIPTION_BYTES_MAX).map_err(ControllerError::storage)?;
            let told = Description::parse(&bytes).map_err(|error| ControllerError::Refused(error.to_string()))?;
            Ok((bytes, told))
        })
        .await
    }
}

/// Returns the description that the calls of a snapshot import.
///
/// Errors: [`ControllerError::Refused`] where none does.
fn imported(calls: &[Call]) -> Result<BlobRef, ControllerError> {
    let call = calls.iter().find(|call| call.imports());
    import::payload(call.ok_or_else(|| ControllerError::Refused("no call imports a description".to_owned()))?)
}
