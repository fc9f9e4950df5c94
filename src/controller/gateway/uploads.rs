//! `/migrate/charms`, `/migrate/tools`, `/migrate/resources`: into the agent's store, and on to the destination.

use super::Gateway;
use super::login::Shown;
use crate::controller::master::upload::{Received, Upload, bad, model_of};
use crate::juju::http::{HttpReply, HttpRequest};
use crate::juju::rpc::RpcError;

impl Gateway {
    pub(super) async fn take_upload(&self, request: &mut HttpRequest) -> Result<HttpReply, RpcError> {
        let migration = self.master_by(&Shown::of(&request.head.credentials)).ok_or_else(RpcError::bad_login)?;
        let model = model_of(&request.head)?;
        if model != migration.migration_ref.model {
            let text =
                format!("this login moves model {}, and the upload is for {model}", migration.migration_ref.model);
            return Err(bad(text));
        }
        let upload = Upload::of(&request.head)?;
        // Nothing names what is stored until the relay has it.
        let _stored = self.inner.store.lease_with_puts();
        let Received { step, reply } = upload.receive(&self.inner.store, request).await?;
        if let Some(step) = step {
            self.relay().upload(migration.migration_ref, &step).await?;
        }
        Ok(reply)
    }
}
