//! The audit log: journal records in words, and the check that nobody has changed them.

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::record::{Body, Destination, Entry, PrecopyState, Signed};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use tokio::sync::watch;

use super::core::Core;
use super::engine::Engine;
use crate::engine::base::entry::entry;
use crate::engine::base::error::EngineError;
use crate::engine::migration::id::migration_id;
use crate::engine::migration::mailbox::orders;
use crate::engine::view::MigrationView;
use crate::engine::view::{AuditView, EventView};

impl Engine {
    /// Returns what the journal holds about a migration, in order.
    ///
    /// Errors: [`EngineError::UnknownMigration`], [`EngineError::Journal`].
    pub async fn events(&self, mid: MigrationId) -> Result<Vec<EventView>, EngineError> {
        self.tracked(mid)?;
        self.read(Some(mid), 0).await
    }

    /// Returns every record after the sequence number `after`, in order.
    ///
    /// Errors: [`EngineError::Journal`].
    pub async fn events_after(&self, after: u64) -> Result<Vec<EventView>, EngineError> {
        self.read(None, after).await
    }

    /// Tells the sequence number of the last record, and of each that follows.
    pub fn recorded(&self) -> watch::Receiver<u64> {
        self.0.recorded()
    }

    /// Reads the whole journal again and proves that each record is chained to the one before it.
    ///
    /// Errors: [`EngineError::Journal`] where that does not hold.
    pub async fn audit(&self) -> Result<AuditView, EngineError> {
        let journal = self.0.parts.journal.clone();
        let verified = Core::blocking(move || journal.verify()).await?;
        let migrations: Vec<_> = self.migrations().into_iter().filter(MigrationView::moves).collect();
        Ok(AuditView {
            journal: self.0.parts.journal.id().to_string(),
            records: verified.records,
            last: verified.last.to_string(),
            migrations: migrations.len() as u64,
            unfinished: migrations.iter().filter(|view| view.ended_ms.is_none()).count() as u64,
        })
    }

    /// Records that the controller's CA has signed a certificate for a gateway. Durable when this returns.
    ///
    /// Errors: [`EngineError::Journal`] from an agent whose journal was set back.
    pub async fn note_signed(&self, signed: Signed, actor: &str) -> Result<(), EngineError> {
        self.refuse_if_halted()?;
        self.0.append(entry(actor, Body::Signed(signed))).await;
        Ok(())
    }

    async fn read(&self, mid: Option<MigrationId>, after: u64) -> Result<Vec<EventView>, EngineError> {
        let journal = self.0.parts.journal.clone();
        let entries = Core::blocking(move || journal.entries(mid)).await?;
        Ok(entries.into_iter().filter(|(sequence, _)| *sequence > after).map(|entry| self.event(entry)).collect())
    }

    fn name_of(&self, mid: MigrationId) -> String {
        self.0.tracked(mid).map_or_else(|| mid.to_string(), |tracked| tracked.id())
    }

    fn event(&self, (sequence, entry): (u64, Entry)) -> EventView {
        let mid = entry.body.mid();
        EventView {
            sequence,
            time_ms: entry.time_ms,
            migration: mid.map_or_else(|| "-".to_owned(), |mid| self.name_of(mid)),
            actor: entry.actor.to_string(),
            text: describe(&entry.body),
        }
    }
}

fn with_cause(state: &str, cause: &str) -> String {
    format!("{state}: {cause}")
}

fn describe_source(record: &SourceRecord) -> String {
    let name = record.state.name();
    match &record.state {
        SourceState::Aborting(cause) | SourceState::Aborted(cause) => with_cause(name, cause),
        SourceState::Frozen(frozen) => format!("{name}, root {}", frozen.root),
        SourceState::Committed(committed) => format!("{name}, root {}", committed.root),
        SourceState::Reclaiming(reclaiming) | SourceState::Seizing(reclaiming) => with_cause(name, &reclaiming.cause),
        SourceState::Reclaimed(epoch) => format!("{name}, at epoch {epoch}"),
        _ => name.to_owned(),
    }
}

fn describe_target(record: &TargetRecord) -> String {
    let name = record.state.name();
    match &record.state {
        TargetState::Dropping(dropping) => with_cause(name, &dropping.cause),
        TargetState::Dropped(cause) => with_cause(name, cause),
        TargetState::Seizing(seizure) => with_cause(name, &seizure.cause),
        TargetState::Staging(staging) => format!("{name}, root {}", staging.root),
        TargetState::Prepared(root) => format!("{name}, root {root}"),
        TargetState::Seized(_) => format!("{name}, at epoch {}", record.owned_epoch()),
        _ => name.to_owned(),
    }
}

/// Returns a journal record in words.
fn describe(body: &Body) -> String {
    match body {
        Body::Source(record) => describe_source(record),
        Body::Target(record) => describe_target(record),
        Body::Terms(terms) => {
            format!("migration of {}/{} with {} begins, attempt {}", terms.owner, terms.name, terms.peer, terms.attempt)
        }
        Body::Destination(Destination { controller, .. }) => {
            let addresses: Vec<&str> = controller.addresses.iter().map(|address| &**address).collect();
            let at = if addresses.is_empty() { String::new() } else { format!(" at {}", addresses.join(", ")) };
            format!("the destination is now called \"{}\"{at}: the model's users are sent there", &*controller.name)
        }
        Body::Note(note) => note.text.to_string(),
        Body::Orders(orders) => orders::describe(orders),
        Body::Conflict(conflict) => format!(
            "Conflict: model {} is live at epoch {} here and at epoch {} on {}; frozen here: {}",
            conflict.model, conflict.epoch, conflict.peer_epoch, conflict.peer, &*conflict.cause
        ),
        Body::Discarded(discarded) => {
            format!("Discarded: the copy of model {} that was frozen here: {}", discarded.model, &*discarded.cause)
        }
        Body::Alarm(alarm) => format!("Alarm: {}", &*alarm.text),
        Body::Acknowledged(acknowledged) => {
            format!("Acknowledged: the alarms about {}: {}", acknowledged.peer, &*acknowledged.cause)
        }
        Body::Restored(restored) => {
            format!("Restored: model {} at epoch {}: {}", restored.model, restored.epoch, &*restored.cause)
        }
        Body::Removed(removed) => format!("Removed: model {}: {}", removed.model, &*removed.cause),
        Body::Reimported(back) => format!("Reimported: model {}: {}", back.model, &*back.cause),
        Body::Tombstones(buried) => {
            format!("{} offers that came to nothing are forgotten, but for their ids", buried.mids.len())
        }
        Body::Halted(halted) => format!("Halted: {}", &*halted.text),
        Body::Signed(signed) => {
            let until = jiff::Timestamp::from_second(i64::try_from(signed.until_s).unwrap_or(i64::MAX));
            let until = until.map_or_else(|_| signed.until_s.to_string(), |until| until.to_string());
            let (certificate, ca) = (&*signed.certificate, &*signed.ca);
            format!(
                "Signed: certificate {certificate} of a gateway, which poses as this controller, by the CA {ca}, until {until}"
            )
        }
        Body::Precopy(precopy) => {
            let name = precopy.state.name();
            match &precopy.state {
                PrecopyState::Copying => {
                    format!("pre-copy of {}/{} to {} begins", precopy.owner, precopy.name, precopy.peer_name)
                }
                PrecopyState::Copied(bytes) => format!("{name}, {bytes} bytes are there"),
                PrecopyState::Adopted(by) => {
                    format!("{name} by migration {}", migration_id(precopy.model, by.attempt))
                }
                PrecopyState::Aborted(cause) | PrecopyState::Failed(cause) => with_cause(name, cause),
            }
        }
    }
}
