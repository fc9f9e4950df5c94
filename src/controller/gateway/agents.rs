//! Agents of the model: held until the destination has the model, then sent there.
//!
//! An agent comes here in VALIDATION, because `target-info` names the gateway. It follows the redirect, checks that it finds
//! itself at the destination, and reports that to its source. From SUCCESS on it keeps the redirect's addresses.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Gateway, MigrationPhase, RelayError, RelayedMigration, Visitor, Way};
use crate::controller::checks::pair::FOLLOWS_REDIRECTS;
use crate::controller::checks::version::Version;
use crate::juju::params::Entities;
use crate::juju::params::admin::{LoginRequest, LoginResult};
use crate::juju::params::tag;
use crate::juju::rpc::{Connection, FacadeVersions, LoggedIn, RpcCall, RpcError, Session};

/// What agents of every release in use ask in their check.
const CHECKED: &[&str] = &["CAASOperator", "Machiner", "Pinger", "Uniter"];
/// Versions of those facades that are answered: all that there are, and those of releases to come.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=40;

impl Gateway {
    /// Takes an agent's login.
    pub(super) async fn admit_agent(
        &self,
        migration: RelayedMigration,
        connection: &Connection,
        login: &LoginRequest,
    ) -> Result<LoggedIn, RpcError> {
        let RelayedMigration { migration_ref, phase, .. } = migration;
        match phase {
            MigrationPhase::Aborted => return Err(RpcError::unknown_model(&migration_ref.model.to_string())),
            MigrationPhase::Running => {
                self.inner.imports.ended(migration_ref.mid).await;
                self.relay().seal(migration_ref).await?;
                match self.relay().staged(migration_ref).await {
                    Ok(()) => {}
                    Err(RelayError::Refused(why)) => return self.reassured(&migration, &why),
                    Err(error) => return Err(error.into()),
                }
            }
            MigrationPhase::Moved => {}
        }
        let destination = self.destination()?;
        let version: Result<Version, _> = login.client_version.parse();
        if version.is_ok_and(|version| version >= FOLLOWS_REDIRECTS) {
            let redirection = self.redirection()?;
            self.inner.turnstile.pass(destination.admission).await;
            self.relay().came(migration_ref, &Visitor::of(connection, login, Way::Redirected));
            return Err(RpcError::redirect(&redirection));
        }
        if !destination.route_shown {
            // It would report success by way of this connection, and lose its controller when it is told the real addresses.
            let text = format!(
                "agent {} of version {:?} follows no redirect, and it is not known that it reaches the destination's API: show \
                 the route, or upgrade the model's agents to 3.6.9 or later",
                login.auth_tag, login.client_version
            );
            return Err(RpcError::plain(text));
        }
        self.inner.turnstile.pass(destination.admission).await;
        self.proxied(migration_ref, connection, login).await
    }

    /// Lets an agent report success although the destination has refused the model. The reason reaches the master by
    /// `CheckMachines` then, at once; an agent that is refused tries for minutes, with the model frozen, and tells no reason.
    fn reassured(&self, migration: &RelayedMigration, why: &RpcError) -> Result<LoggedIn, RpcError> {
        let model = migration.migration_ref.model.to_string();
        tracing::info!(%model, "an agent's check is answered here, as the destination has refused the model: {why}");
        let destination = self.destination()?;
        let versions: Vec<u32> = VERSIONS.collect();
        let result = LoginResult {
            model_tag: tag::model(&model),
            controller_tag: destination.login.controller_tag.clone(),
            server_version: destination.login.server_version.clone(),
            facades: CHECKED.iter().map(|facade| FacadeVersions::new(*facade, &versions)).collect(),
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(Reassured { model }) })
    }
}

/// Answers an agent's check.
struct Reassured {
    model: String,
}

#[async_trait]
impl Session for Reassured {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        match call.method.as_str() {
            "Life" | "Refresh" => {
                let asked = call.params::<Entities>()?.entities;
                let alive = json!({ "life": "alive", "resolved": "" });
                Ok(json!({ "results": vec![alive; asked.len()] }))
            }
            "CurrentModel" => Ok(json!({ "name": "", "uuid": self.model, "type": "iaas" })),
            _ => Err(RpcError::unknown_method(&call)),
        }
    }
}
