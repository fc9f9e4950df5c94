//! The handle on the engine. Its methods are in the modules of the rooms above.

use std::sync::Arc;

use modelferry_protocol::ids::MigrationId;

use super::core::Core;
use crate::engine::base::error::EngineError;
use crate::engine::migration::tracking::tracked::Tracked;

/// Carries models to and from the controller beside this agent.
#[derive(Clone)]
pub struct Engine(pub(in crate::engine) Arc<Core>);

impl Engine {
    pub(in crate::engine) fn tracked(&self, mid: MigrationId) -> Result<Arc<Tracked>, EngineError> {
        self.0.tracked(mid).ok_or_else(|| EngineError::UnknownMigration(mid.to_string()))
    }

    pub(in crate::engine) fn refuse_if_halted(&self) -> Result<(), EngineError> {
        self.0.halted().map_or(Ok(()), |why| Err(EngineError::Halted(why)))
    }
}
