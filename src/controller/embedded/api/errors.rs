//! The controller's errors in Juju's words and codes.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::snapshot::Name;

use super::super::Inner;
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::port::ControllerError;
use crate::juju::params::admin::{HostPort, RedirectErrorInfo};
use crate::juju::params::tag;
use crate::juju::rpc::{ErrorCode, RpcError};

/// Returns what a client is told of a failure. What is wrong with the controller's own storage is logged, and not told.
pub(super) fn fault(error: &ControllerError) -> RpcError {
    match error {
        ControllerError::ModelNotFound(_) => model_not_found(),
        ControllerError::MigrationInProgress => RpcError::new(ErrorCode::MigrationInProgress, error.to_string()),
        ControllerError::Storage(source) => {
            tracing::error!(%error, source, "the API cannot answer");
            RpcError::plain(error.to_string())
        }
        other => RpcError::plain(other.to_string()),
    }
}

pub(super) fn model_not_found() -> RpcError {
    RpcError::new(ErrorCode::ModelNotFound, "model not found")
}

pub(super) fn denied() -> RpcError {
    RpcError::new(ErrorCode::Unauthorized, "permission denied")
}

/// Says that text is no tag of a kind.
pub(super) fn no_tag(kind: &str, text: &str) -> RpcError {
    RpcError::plain(tag::not_a(kind, text))
}

/// The fact that holds what a controller was called by whoever migrated something there.
fn alias_fact(controller: ModelUuid) -> String {
    format!("alias/{controller}")
}

impl Inner {
    /// Remembers what a client calls the controller that it migrates a model to: redirects name it so.
    pub(super) fn put_alias(&self, controller: ModelUuid, alias: &str) -> Result<(), ControllerError> {
        let alias = Name::cut(alias).to_string();
        self.database.write(|tables| tables.put_fact(&alias_fact(controller), &alias))
    }

    /// Returns where a model's users are sent; nothing while it is here.
    pub(super) fn redirection(&self, record: &ModelRecord) -> Result<Option<RedirectErrorInfo>, ControllerError> {
        let Some(to) = record.redirect() else { return Ok(None) };
        let alias = self.database.fact::<String>(&alias_fact(to.uuid))?.filter(|alias| !alias.is_empty());
        Ok(Some(RedirectErrorInfo {
            servers: vec![to.addresses.iter().filter_map(|address| HostPort::read(address)).collect()],
            ca_cert: to.ca_cert.clone(),
            controller_tag: tag::controller(&to.uuid.to_string()),
            controller_alias: alias.unwrap_or_else(|| to.name.clone()),
        }))
    }
}
