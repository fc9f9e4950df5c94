//! What an agent tells other agents about its controller.

use crate::codec::{Bounded, Bytes, Decode, Encode};
use crate::ids::ModelUuid;
use crate::limits::{ADDRESSES_MAX, CA_CERT_BYTES_MAX};
use crate::text::Name;

/// What an agent tells about its controller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ControllerCard {
    /// Its name, as its own operators call it.
    pub name: Name,
    /// Its UUID.
    pub uuid: ModelUuid,
    /// The Juju version it runs, or claims.
    pub version: Name,
    /// The cloud it runs in.
    pub cloud: Name,
    /// The cloud's region, empty where there is none.
    pub region: Name,
    /// The cloud's type, Juju's "substrate": `lxd`, `openstack`, `kubernetes`.
    pub cloud_type: Name,
    /// `host:port` of its API.
    pub addresses: Bounded<Name, ADDRESSES_MAX>,
    /// SHA-256 of its CA certificate's DER.
    pub ca_fingerprint: [u8; 32],
    /// That certificate, DER: users who are sent here are given it. Empty where it is not known.
    pub ca_cert: Bytes<CA_CERT_BYTES_MAX>,
}
