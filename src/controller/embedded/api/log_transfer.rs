//! `/migrate/logtransfer`: the log that follows a model which a migration master has brought.

use async_trait::async_trait;
use modelferry_protocol::snapshot::LogSegment;

use super::super::logs::LogRecord as Piece;
use super::Api;
use crate::controller::master::log::Gatherer;
use crate::controller::master::upload::{bad, model_of};
use crate::controller::port::{ControllerError, Errand};
use crate::disk::blocking;
use crate::juju::http::RequestHead;
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::rpc::RpcError;

/// A log that comes.
struct Writer {
    api: Api,
    errand: Errand,
    gathered: Gatherer,
}

impl Api {
    pub(super) async fn take_log(&self, head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        if head.header("X-Juju-ClientVersion").is_none() {
            return Err(bad("missing \"X-Juju-ClientVersion\" in request headers"));
        }
        let (model, api) = (model_of(head)?, self.clone());
        let errand = blocking(move || api.inner().in_mode(model, "")).await?;
        Ok(Box::new(Writer { api: self.clone(), errand, gathered: Gatherer::default() }))
    }
}

impl Writer {
    /// Keeps a piece of whole lines.
    async fn keep(&self, text: String) -> Result<(), RpcError> {
        let errand = self.errand;
        let keep = move |api: &Api| {
            let piece = Piece::read(text.as_bytes(), "the log that follows the model")?;
            let _stored = api.inner().store.lease_with_puts();
            api.inner().store.put_bytes(text.as_bytes()).map_err(ControllerError::storage)?;
            api.inner().take_log(errand, &LogSegment::from(piece)).map(drop)
        };
        self.api.blocking(keep).await
    }
}

#[async_trait]
impl LogWriter for Writer {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        for piece in self.gathered.add(&record)? {
            self.keep(piece).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        match self.gathered.rest() {
            Some(piece) => self.keep(piece).await,
            None => Ok(()),
        }
    }
}
