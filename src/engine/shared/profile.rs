//! Who decides about the migrations that leave from here, and how a controller that does logs in.

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::switch::Profile;

use super::core::Core;
use crate::controller::gateway::Secret;

/// What the secret of a migration is derived from.
const SECRET: &[u8] = b"modelferry/1 gateway login\0";

impl Core {
    /// Returns who decides about the migrations that leave from here.
    pub fn profile(&self) -> Profile {
        if self.parts.relayed.is_some() { Profile::Gateway } else { Profile::Embedded }
    }

    /// Returns the secret by which the master of a migration logs in at the gateway. It follows from this agent's identity and
    /// the migration's id, which are both durable: nothing else has to be kept.
    pub fn gateway_secret(&self, mid: MigrationId) -> Secret {
        let signature = self.parts.link.sign(&[SECRET, &mid.0].concat());
        Secret(*blake3::hash(&signature).as_bytes())
    }
}
