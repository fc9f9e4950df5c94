//! Requests about a migration that has ended: the comparison of what arrived, and the checklist for the operator.

use crate::agent::answer::RequestHandler;
use crate::agent::control::view::ChecklistView;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::controller::embedded::view::fingerprint;
use crate::engine::view::{Direction, MigrationView, Stand};

impl RequestHandler {
    /// Compares what a migration brought with what was handed over, on the side where the model is.
    pub(in crate::agent::answer) async fn verify(&self, id: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let refused = |error| self.refusal_of_engine(&error);
        let mid = engine.find_migration(id).map_err(refused)?;
        let Some(view) = engine.migration(mid) else { return Err(Failure::new(FailureKind::NotFound, id)) };
        if view.stand == Stand::Undecided {
            return Err(undecided(&view));
        }
        if view.direction == Direction::Target {
            return Ok(Response::Verified(Box::new(engine.verify(mid).await.map_err(refused)?)));
        }
        if !matches!(view.stand, Stand::Moved | Stand::Finishing) || view.cause.is_some() && view.stand != Stand::Moved
        {
            let message = format!("migration \"{}\" has not moved its model: {}", view.id, view.note);
            return Err(Failure::new(FailureKind::Refused, message)
                .state("nothing was handed over, so there is nothing to compare")
                .hint(format!("see `modelferry show-migration {}`", view.id)));
        }
        // Only the target has what arrived. Its own name for the migration may differ; the id does not.
        match self.ask_peer(&view.peer, &Request::Verify { id: view.mid }).await? {
            verified @ Response::Verified(_) => Ok(verified),
            _ => {
                let message = format!("the agent of \"{}\" answered another question", view.peer);
                Err(Failure::new(FailureKind::Unreachable, message))
            }
        }
    }

    /// Tells what is left to do after a model has moved.
    pub(in crate::agent::answer) async fn checklist(&self, id: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let refused = |error| self.refusal_of_engine(&error);
        let mid = engine.find_migration(id).map_err(refused)?;
        let handed = engine.handed_over(mid).await.map_err(refused)?;
        let Some(view) = engine.migration(mid) else { return Err(Failure::new(FailureKind::NotFound, id)) };
        let controller = match view.direction {
            Direction::Source => view.peer,
            Direction::Target => self.local.card().name.to_string(),
        };
        Ok(Response::Checklist(Box::new(ChecklistView {
            switch: format!("juju switch {controller}:{}/{}", view.owner, view.model),
            controller,
            controller_uuid: handed.to.uuid.to_string(),
            addresses: handed.to.addresses.iter().map(ToString::to_string).collect(),
            ca_fingerprint: fingerprint(&handed.to.ca_fingerprint),
            consumers: handed.consumers,
            verify: format!("modelferry verify {}", view.id),
            way_back: handed.way_back,
        })))
    }
}

/// Says of a migration that was decided on one side alone, as far as is known here, that nothing can be compared yet.
fn undecided(view: &MigrationView) -> Failure {
    let (what, state) = match view.direction {
        Direction::Source => {
            ("is decided, and the target has not answered yet", "whether the model has arrived is not known here yet")
        }
        Direction::Target => (
            "is staged here, and the source has not said yet that the model is handed over",
            "whether the model is to be in service here is not known here yet",
        ),
    };
    Failure::new(FailureKind::InDoubt, format!("migration \"{}\" {what}", view.id))
        .state(state)
        .hint("`modelferry status` says who must act, and what to type, should the link stay dead")
}
