//! `/migrate/logtransfer`: the log that follows a model which a migration master has brought.

use async_trait::async_trait;
use modelferry_protocol::snapshot::LogSegment;

use crate::controller::embedded::api::Api;
use crate::controller::log_piece::LogPiece;
use crate::controller::master::log::{LogKeeper, PieceWriter, model_of_log};
use crate::controller::port::{ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::http::RequestHead;
use crate::juju::logstream::LogWriter;
use crate::juju::rpc::RpcError;

/// The log of a model that has come.
struct ModelLog {
    api: Api,
    migration: MigrationRef,
}

impl Api {
    pub(in crate::controller::embedded::api) async fn take_log(
        &self,
        head: &RequestHead,
    ) -> Result<Box<dyn LogWriter>, RpcError> {
        let (model, api) = (model_of_log(head)?, self.clone());
        let migration = blocking(move || api.inner().in_mode(model, "")).await?;
        Ok(Box::new(PieceWriter::new(ModelLog { api: self.clone(), migration })))
    }
}

#[async_trait]
impl LogKeeper for ModelLog {
    async fn keep(&self, text: String) -> Result<(), RpcError> {
        let migration = self.migration;
        let keep = move |api: &Api| {
            let piece = LogPiece::read(text.as_bytes(), "the log that follows the model")?;
            let _stored = api.inner().store.lease_with_puts();
            api.inner().store.put_bytes(text.as_bytes()).map_err(ControllerError::storage)?;
            api.inner().take_log(migration, &LogSegment::from(piece)).map(drop)
        };
        self.api.blocking(keep).await
    }
}
