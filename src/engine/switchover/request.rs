//! Passes operators' requests to the task of a migration or pre-copy.

use std::time::Duration;

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::Cause;
use tokio::sync::oneshot;

use crate::engine::base::error::EngineError;
use crate::engine::migration::gateway::{self, Asked};
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::{Event, Reply};
use crate::engine::migration::mailbox::orders::Change;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::engine::Engine;
use crate::engine::view::{Direction, MigrationView};

/// How long a request is waited for after it is durable: the controller beside the agent has to follow.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(20);

impl Engine {
    /// Ends a pre-copy, or a migration before its commit point; the model is live again when this returns, or soon after.
    ///
    /// Errors: [`EngineError::TooLate`] after the commit point, [`EngineError::Ended`] at rest.
    pub async fn abort(&self, mid: MigrationId, actor: &str) -> Result<MigrationView, EngineError> {
        let tracked = self.tracked(mid)?;
        if !self.0.may_revert(&tracked) {
            self.refuse_if_halted()?;
        }
        let cause = Cause::cut(format!("aborted by operator ({actor})"));
        self.ask(&tracked, Asked::Abort, |reply| Event::Abort { cause, actor: actor.to_owned(), reply }).await?;
        Ok(tracked.view())
    }

    /// Changes what is wanted of a migration whose model is live, and returns it as soon as that is durable.
    ///
    /// Errors: [`EngineError::Frozen`], [`EngineError::TooLate`], [`EngineError::Ended`] when it comes too late;
    /// [`EngineError::NoSuchOrder`] where it would change nothing; [`EngineError::NotSource`].
    pub async fn order(&self, mid: MigrationId, change: Change, actor: &str) -> Result<MigrationView, EngineError> {
        self.refuse_if_halted()?;
        let tracked = self.tracked(mid)?;
        if tracked.direction() == Direction::Target {
            return Err(EngineError::NotSource(id_of(&tracked.terms)));
        }
        self.ask(&tracked, Asked::Steer, |reply| Event::Order { change, actor: actor.to_owned(), reply }).await?;
        Ok(tracked.view())
    }

    /// Deletes the source's copy of a model that has moved now: ends a hold, or tries again at once what failed.
    /// Returns the migration as it is once that is done, or after a while.
    ///
    /// `skip_log`: whether what is left of the log is given up.
    /// Errors: [`EngineError::Unresolvable`] before the target has the model, and while its log follows it;
    /// [`EngineError::Ended`] at rest.
    pub async fn reap(&self, mid: MigrationId, skip_log: bool, actor: &str) -> Result<MigrationView, EngineError> {
        self.refuse_if_halted()?;
        let tracked = self.tracked(mid)?;
        self.ask(&tracked, Asked::Reap, |reply| Event::Reap { skip_log, actor: actor.to_owned(), reply }).await?;
        settle(&tracked, |tracked| tracked.is_at_rest() || tracked.is_reap_failing()).await;
        Ok(tracked.view())
    }

    /// Gives the migration's task an operator's request, and returns once the request is durable.
    ///
    /// Errors: those of the task; [`Engine::ended`] if it has ended.
    pub(super) async fn ask(
        &self,
        tracked: &Tracked,
        asked: Asked,
        event: impl FnOnce(Reply) -> Event,
    ) -> Result<(), EngineError> {
        let ended = || self.ended(tracked, asked);
        let mailbox = tracked.mailbox().ok_or_else(ended)?;
        let (reply, answer) = oneshot::channel();
        mailbox.send(event(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Returns why a migration that has ended does not do what an operator asks.
    pub(super) fn ended(&self, tracked: &Tracked, asked: Asked) -> EngineError {
        let id = tracked.id();
        let last = self.0.parts.journal.ledger(|ledger| ledger.last_record(tracked.terms.mid).cloned());
        let relayed = match &last {
            Some(LastRecord::Source(record)) => gateway::refusal(record, asked, &id),
            Some(LastRecord::Target(_)) | None => None,
        };
        relayed.unwrap_or_else(|| EngineError::Ended { id, state: tracked.state().to_string() })
    }
}

/// Waits until what was asked for has been done, or for [`SETTLE_WITHIN`]: it is durable already, so a controller that is slow
/// to follow, or fails, changes nothing about it.
pub(super) async fn settle(tracked: &Tracked, is_done: impl Fn(&Tracked) -> bool) {
    let mut changes = tracked.watch();
    let settled = async {
        // A change is shown after it is made, so that none is missed.
        while !is_done(tracked) && changes.changed().await.is_ok() {}
    };
    let _ = tokio::time::timeout(SETTLE_WITHIN, settled).await;
}
