//! What makes this controller this one: a UUID, a CA, a first user and a model of its own.

use modelferry_protocol::ids::{Hash, ModelUuid};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use ring::digest;
use serde::{Deserialize, Serialize};

use super::database::Controller;
use super::record::{ModelRecord, State, Summary, now_ms, text};
use super::users::{ADMIN, UserRecord};
use super::view::Access;
use crate::config::EmbeddedConfig;
use crate::controller::port::ControllerError;

/// The fact that holds it.
const FACT: &str = "identity";
/// The controller's own model, as Juju calls it.
const CONTROLLER_MODEL: &str = "controller";

/// The controller's identity, made once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The controller's UUID.
    #[serde(with = "text")]
    pub uuid: ModelUuid,
    /// The CA's certificate, PEM. Nothing is signed with its key, so the key is not kept.
    pub ca_cert: String,
    /// SHA-256 of the certificate's DER.
    #[serde(with = "text")]
    pub ca_fingerprint: Hash,
}

impl Identity {
    /// Reads the identity, or makes it, with the administrator and the controller's own model.
    pub(super) fn open(database: &Controller, config: &EmbeddedConfig) -> Result<Self, ControllerError> {
        if let Some(identity) = database.fact(FACT)? {
            return Ok(identity);
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
        database.write(|tables| {
            tables.put_fact(FACT, &identity)?;
            tables.put_user(ADMIN, &UserRecord { access: Access::Superuser })?;
            tables.put_model(&model)
        })?;
        Ok(identity)
    }

    fn make() -> Result<Self, ControllerError> {
        let key = KeyPair::generate().map_err(ControllerError::storage)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "modelferry embedded controller CA");
        let certificate = params.self_signed(&key).map_err(ControllerError::storage)?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, certificate.der()).as_ref());
        Ok(Self { uuid: new_uuid(), ca_cert: certificate.pem(), ca_fingerprint: Hash(fingerprint) })
    }
}

fn new_uuid() -> ModelUuid {
    ModelUuid(uuid::Uuid::new_v4().into_bytes())
}
