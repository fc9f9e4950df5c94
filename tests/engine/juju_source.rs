//! A source controller of the tests that drives its migrations by itself: it shows what a test has it show.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use modelferry::controller::master::log::segment_of;
use modelferry::controller::port::{Announced, ControllerError, KeptLog, MigrationRef, Relayed, Shown};
use modelferry::store::Store;
use modelferry_protocol::snapshot::LogSegment;

/// What the controller shows, and what it was asked.
pub struct Script {
    pub shown: Shown,
    pub asked: Vec<(MigrationRef, String)>,
    pub refuse: Option<String>,
    pub log: KeptLog,
    /// When it was asked, if it keeps that.
    pub asked_ms: Option<u64>,
    /// The agent's, which pieces of the log are kept in.
    pub store: Option<Store>,
}

/// A controller that drives its migrations by itself.
#[derive(Clone)]
pub struct Source(Arc<Mutex<Script>>);

impl Source {
    pub fn new() -> Self {
        let (shown, log) = (Shown::Nothing, KeptLog::default());
        let script = Script { shown, asked: Vec::new(), refuse: None, log, asked_ms: None, store: None };
        Self(Arc::new(Mutex::new(script)))
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub fn shows(&self, shown: Shown) {
        self.script().shown = shown;
    }
}

#[async_trait]
impl Relayed for Source {
    async fn initiate(&self, migration: MigrationRef, to: &Announced) -> Result<(), ControllerError> {
        let mut script = self.script();
        if let Some(why) = script.refuse.clone() {
            return Err(ControllerError::Refused(why));
        }
        script.asked.push((migration, to.addresses.join(",")));
        Ok(())
    }

    async fn asked_ms(&self, _: MigrationRef) -> Result<Option<u64>, ControllerError> {
        Ok(self.script().asked_ms)
    }

    async fn shown(&self, _: MigrationRef) -> Result<Shown, ControllerError> {
        Ok(self.script().shown)
    }

    async fn keep_log(&self, _: MigrationRef, text: String) -> Result<(), ControllerError> {
        let segment = segment_of(text.as_bytes()).map_err(ControllerError::Refused)?;
        let mut script = self.script();
        if let Some(store) = &script.store {
            store.put_bytes(text.as_bytes()).map_err(ControllerError::storage)?;
        }
        script.log.until_ms = script.log.until_ms.max(segment.until_ms);
        script.log.segments.push(segment);
        Ok(())
    }

    async fn log(&self, _: MigrationRef) -> Result<KeptLog, ControllerError> {
        Ok(self.script().log.clone())
    }

    async fn log_taken(&self, _: MigrationRef, piece: &LogSegment) -> Result<(), ControllerError> {
        self.script().log.segments.retain(|kept| kept.name != piece.name);
        Ok(())
    }
}
