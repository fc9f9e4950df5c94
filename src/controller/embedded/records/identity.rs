//! The controller's identity, made once: a UUID, a CA, a first user and a controller model.

use modelferry_protocol::ids::{Hash, ModelUuid};
use ring::digest;
use serde::{Deserialize, Serialize};

use super::database::ControllerDatabase;
use super::record::{ModelRecord, State, Summary, text};
use super::user_record::{ADMIN, UserRecord};
use crate::clock::now_ms;
use crate::config::EmbeddedConfig;
use crate::controller::embedded::view::Access;
use crate::controller::port::ControllerError;
use crate::juju::tls::{Authority, first_certificate};

/// The fact that holds it.
const FACT: &str = "identity";
/// The controller's own model, as Juju calls it.
const CONTROLLER_MODEL: &str = "controller";

/// The controller's identity, made once.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct Identity {
    /// The controller's UUID.
    #[serde(with = "text")]
    pub uuid: ModelUuid,
    /// The CA's certificate, PEM.
    pub ca_cert: String,
    /// The CA's key, PEM: it signs the certificate of the API.
    #[serde(default)]
    pub ca_key: String,
    /// SHA-256 of the certificate's DER.
    #[serde(with = "text")]
    pub ca_fingerprint: Hash,
}

impl Identity {
    /// Reads the identity, or makes it, with the administrator and the controller's own model.
    pub(in crate::controller::embedded) fn open(
        database: &ControllerDatabase,
        config: &EmbeddedConfig,
    ) -> Result<Self, ControllerError> {
        match database.fact::<Self>(FACT)? {
            Some(identity) if !identity.ca_key.is_empty() => return Ok(identity),
            // Made by a version that kept no key, with which nothing can be signed.
            Some(keyless) => {
                let identity = Self { uuid: keyless.uuid, ..Self::make()? };
                tracing::warn!("the embedded controller has a new CA: the key of the one before was not kept");
                database.write(|tables| tables.put_fact(FACT, &identity))?;
                return Ok(identity);
            }
            None => {}
        }
        let identity = Self::make()?;
        let model = ModelRecord {
            uuid: new_uuid(),
            name: CONTROLLER_MODEL.to_owned(),
            owner: ADMIN.to_owned(),
            controller: true,
            description: None,
            incomplete: false,
            state: State::Live { came: None },
            since_ms: now_ms(),
            summary: Summary::of_controller(&config.cloud, &config.region, &config.cloud_type),
        };
        let admin = UserRecord { access: Access::Superuser, created_ms: now_ms(), ..UserRecord::default() };
        database.write(|tables| {
            tables.put_fact(FACT, &identity)?;
            tables.put_user(ADMIN, &admin)?;
            tables.put_model(&model)
        })?;
        Ok(identity)
    }

    fn make() -> Result<Self, ControllerError> {
        let authority = Authority::make().map_err(ControllerError::storage)?;
        let certificate = first_certificate(&authority.cert_pem).map_err(ControllerError::storage)?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, &certificate).as_ref());
        Ok(Self {
            uuid: new_uuid(),
            ca_cert: authority.cert_pem,
            ca_key: authority.key_pem,
            ca_fingerprint: Hash(fingerprint),
        })
    }

    /// Returns the controller's CA.
    pub(in crate::controller::embedded) fn authority(&self) -> Authority {
        Authority { cert_pem: self.ca_cert.clone(), key_pem: self.ca_key.clone() }
    }
}

fn new_uuid() -> ModelUuid {
    ModelUuid(uuid::Uuid::new_v4().into_bytes())
}
