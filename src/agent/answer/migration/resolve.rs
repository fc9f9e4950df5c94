//! Requests about migrations in doubt, and about the audit log: proofs, resolutions, records. The engine decides.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::record::Signed;
use modelferry_protocol::snapshot::Name;

use crate::agent::answer::RequestHandler;
use crate::agent::control::{Failure, FailureKind, ResolveMethod, Response};
use crate::agent::socket::server::Client;
use crate::engine::{EngineError, Resolution};

/// Records that travel in one response.
const EVENTS_AT_ONCE: usize = 500;

impl RequestHandler {
    /// Returns this side's proof of a migration.
    pub(in crate::agent::answer) async fn show_proof(&self, id: &str) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let mid = engine.find_migration(id).map_err(|error| self.refusal_of_engine(&error))?;
        let proof = engine.proof(mid).await.map_err(|error| self.refusal_of_engine(&error))?;
        Ok(Response::Proof(proof.to_string()))
    }

    /// Refuses the last resorts for a copy where ID names another model than the UUID that was typed in full: of two lines
    /// pasted from two alarms, one would otherwise delete the wrong model's writes.
    ///
    /// Errors: [`EngineError::WrongModel`], [`EngineError::UnknownMigration`] in the operator's words.
    async fn refuse_if_other(&self, id: &str, typed: ModelUuid) -> Result<(), Failure> {
        let engine = self.engine()?;
        let mut named = engine.models_named(id);
        named.extend(id.parse::<ModelUuid>());
        let of_controller = id.to_owned();
        // A copy that was imported by hand has no migration.
        named.extend(self.blocking(move |embedded| Ok(embedded.find(&of_controller).ok())).await?);
        let refusal = match named.first() {
            _ if named.contains(&typed) => return Ok(()),
            Some(&expected) => EngineError::WrongModel { expected, typed },
            None => EngineError::UnknownMigration(id.to_owned()),
        };
        Err(self.refusal_of_engine(&refusal).state("nothing has changed"))
    }

    /// Resolves a migration in doubt.
    pub(in crate::agent::answer) async fn resolve(
        &self,
        id: &str,
        how: ResolveMethod,
        reason: &str,
        actor: &str,
    ) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let usage = |error: &dyn std::error::Error| Failure::new(FailureKind::Usage, error.to_string());
        let resolution = match how {
            ResolveMethod::DiscardFrozen { model } => {
                let typed = model.parse().map_err(|error| usage(&error))?;
                self.refuse_if_other(id, typed).await?;
                let discarded = engine.discard(typed, reason, actor).await;
                return discarded.map(|()| Response::Done).map_err(|error| self.refusal_of_engine(&error));
            }
            ResolveMethod::KeepMine { model } => {
                let typed = model.parse().map_err(|error| usage(&error))?;
                self.refuse_if_other(id, typed).await?;
                let kept = engine.keep_mine(typed, reason, actor).await;
                return kept.map(|()| Response::Done).map_err(|error| self.refusal_of_engine(&error));
            }
            ResolveMethod::KeepTheirs { model } => {
                let typed = model.parse().map_err(|error| usage(&error))?;
                self.refuse_if_other(id, typed).await?;
                let kept = engine.keep_theirs(typed, reason, actor).await;
                return kept.map(|()| Response::Done).map_err(|error| self.refusal_of_engine(&error));
            }
            ResolveMethod::Acknowledge {} => {
                let acknowledged = engine.acknowledge(id, reason, actor).await;
                return acknowledged.map(|()| Response::Done).map_err(|error| self.refusal_of_engine(&error));
            }
            ResolveMethod::Proof { text } => Resolution::Proof(Box::new(text.parse().map_err(|error| usage(&error))?)),
            ResolveMethod::Renounce {} => Resolution::Renounce,
            ResolveMethod::Reclaim { model } => {
                Resolution::Reclaim { typed: model.parse().map_err(|error| usage(&error))? }
            }
            ResolveMethod::ForceActivate { model } => {
                Resolution::ForceActivate { typed: model.parse().map_err(|error| usage(&error))? }
            }
        };
        let mid = engine.find_migration(id).map_err(|error| self.refusal_of_engine(&error))?;
        let resolved = engine.resolve(mid, resolution, reason, actor).await;
        let migration = resolved.map_err(|error| {
            let failure = self.refusal_of_engine(&error);
            match error {
                EngineError::Unresolvable { .. } | EngineError::WrongModel { .. } | EngineError::Proof(_) => failure
                    .state("nothing has changed")
                    .hint(format!("see `modelferry show-migration {id}`, and docs/in-doubt.md")),
                _ => failure,
            }
        })?;
        // What the other side needs in turn, where the link stays dead.
        let proof = engine.proof(mid).await.ok().map(|proof| proof.to_string());
        Ok(Response::Resolved { migration: Box::new(migration), proof })
    }

    /// Records that a certificate was signed for a gateway.
    pub(in crate::agent::answer) async fn note_signed(
        &self,
        certificate: &str,
        ca: &str,
        until_s: u64,
        actor: &str,
    ) -> Result<Response, Failure> {
        let signed = Signed { certificate: Name::cut(certificate), ca: Name::cut(ca), until_s };
        let noted = self.engine()?.note_signed(signed, actor).await;
        noted.map(|()| Response::Done).map_err(|error| self.refusal_of_engine(&error))
    }

    /// Proves the journal's chain.
    pub(in crate::agent::answer) async fn audit(&self) -> Result<Response, Failure> {
        let audit = self.engine()?.audit().await.map_err(|error| {
            self.refusal_of_engine(&error).state("the journal is not what this agent wrote").hint(
                "stop the agent, keep a copy of its state directory, and read docs/in-doubt.md before anything else",
            )
        })?;
        Ok(Response::Audit(audit))
    }

    /// Tells a client every record after `after`; with `follow`, also those to come.
    pub(in crate::agent::answer) async fn events(
        &self,
        after: u64,
        follow: bool,
        client: &mut Client,
    ) -> Result<Response, Failure> {
        let engine = self.engine()?;
        let (mut recorded, mut after) = (engine.recorded(), after);
        loop {
            recorded.borrow_and_update();
            let events = engine.events_after(after).await.map_err(|error| self.refusal_of_engine(&error))?;
            after = events.last().map_or(after, |event| event.sequence);
            for some in events.chunks(EVENTS_AT_ONCE) {
                let gone = |_| Failure::new(FailureKind::Unreachable, "the watcher is gone");
                client.update(&Response::Events(some.to_vec())).await.map_err(gone)?;
            }
            if !follow {
                return Ok(Response::Done);
            }
            if recorded.changed().await.is_err() {
                return Err(Failure::new(FailureKind::Unreachable, "the agent stops"));
            }
        }
    }
}
