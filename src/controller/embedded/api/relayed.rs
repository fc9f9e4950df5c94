//! What a peer's gateway asks of this controller: it poses as it to a Juju controller.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::caller::{Caller, Subject};
use super::session::facades;
use super::{Api, LastMigration, Migrator};
use crate::controller::embedded::Embedded;
use crate::controller::embedded::records::user_record::ADMIN;
use crate::controller::port::VerbatimCall;
use crate::juju::params::admin::{HostPort, LoginResult};
use crate::juju::params::tag;
use crate::juju::rpc::{RpcCall, RpcError};
use modelferry_protocol::ids::ModelUuid;

/// Begins no migration: a peer's calls only read.
struct Nobody;

#[async_trait::async_trait]
impl Migrator for Nobody {
    fn last(&self, _: ModelUuid) -> Option<LastMigration> {
        None
    }

    async fn check(&self, _: ModelUuid, _: ModelUuid) -> Result<(), RpcError> {
        Err(RpcError::permission_denied())
    }

    async fn begin(&self, _: ModelUuid, _: ModelUuid, _: &str) -> Result<String, RpcError> {
        Err(RpcError::permission_denied())
    }
}

impl Embedded {
    /// Returns what a superuser's login without a model is answered.
    pub(in crate::controller::embedded) fn login_told(&self) -> LoginResult {
        let servers = self.inner.config.addresses.iter().filter_map(|address| HostPort::read(address)).collect();
        LoginResult {
            servers: vec![servers],
            controller_tag: tag::controller(&self.inner.identity.uuid.to_string()),
            facades: facades(Subject::Controller, false),
            server_version: self.inner.config.version.clone(),
            ..LoginResult::default()
        }
    }

    /// Makes a peer's call, which only reads, as a superuser. Blocks on the disk.
    pub(in crate::controller::embedded) fn relayed(&self, call: &VerbatimCall) -> Result<Value, RpcError> {
        let params = match call.params.as_slice() {
            [] => json!({}),
            params => serde_json::from_slice(params).map_err(|error| RpcError::plain(error.to_string()))?,
        };
        let (facade, method) = (call.facade.clone(), call.method.clone());
        let call = RpcCall { facade, version: call.version, id: String::new(), method, params };
        let api = Api::new(self.clone(), Arc::new(Nobody), (Ipv4Addr::LOCALHOST, 0).into());
        let from = Ipv4Addr::LOCALHOST.into();
        Caller { api, user: Some(ADMIN.to_owned()), subject: Subject::Controller, from }.answer(&call)
    }
}
