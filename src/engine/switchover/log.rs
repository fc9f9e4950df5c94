//! Transfers a model's log after the model is live on its target.
//!
//! Nothing about it is remembered by the source. The target's controller tells how far the log is there, and a piece
//! that it has is taken again without change; so it can break off anywhere.

use std::convert::Infallible;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::plan::{Answer, LogTaking, Question};
use modelferry_protocol::snapshot::{BlobRef, LogSegment};
use modelferry_protocol::switch::target::TargetState;

use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::base::conversation::Conversation;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::peer::reach::SILENT_TOLD;
use crate::engine::shared::core::Core;
use crate::engine::transfer::{TransferError, send};
use crate::link::Silence;

/// A log that has not followed its model yet.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The transfer did not come to its end.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A controller said no: this side's, or the other one's as it told.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

/// Makes the target hold the log as far as it is here.
///
/// `between`: passed after each piece that the target has taken.
/// Errors: [`LogError`].
pub async fn carry(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    migration: MigrationRef,
    between: impl Fn() -> Result<(), ControllerError>,
) -> Result<(), LogError> {
    let carrying = async {
        let from_ms = ask(conversation, Question::LatestLogTime(migration.mid)).await?;
        let segments = core.parts.departure.log(migration, from_ms).await?;
        send_pieces(core, conversation, tracked, &segments).await?;
        let mut sent = 0;
        for segment in &segments {
            hand_over(conversation, migration, segment).await?;
            sent += u64::from(segment.lines);
            tracked.set_log_sent(sent);
            between()?;
        }
        Ok(())
    };
    shown_while(carrying, conversation, tracked).await
}

/// Makes the target hold what a source controller that drives its migrations has sent of the log.
///
/// Errors: [`LogError`].
pub async fn carry_relayed(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    migration: MigrationRef,
) -> Result<(), LogError> {
    let Some(relayed) = &core.parts.relayed else { return Ok(()) };
    let carrying = async {
        loop {
            let segments = relayed.controller.log(migration).await?.segments;
            if segments.is_empty() {
                return Ok(());
            }
            send_pieces(core, conversation, tracked, &segments).await?;
            for segment in &segments {
                hand_over(conversation, migration, segment).await?;
                relayed.controller.log_taken(migration, segment).await?;
                tracked.add_log_sent(u64::from(segment.lines));
            }
        }
    };
    shown_while(carrying, conversation, tracked).await
}

/// Carries a log, and shows meanwhile whether the peer is silent: QUIC notices it only after half a minute, and an operator who
/// resolves the migration would wait as long.
async fn shown_while<T>(carrying: impl Future<Output = T>, conversation: &Conversation, tracked: &Tracked) -> T {
    tokio::select! {
        biased;
        carried = carrying => carried,
        never = show_silence(conversation, tracked) => match never {},
    }
}

/// Shows while the peer gives no sign of life.
async fn show_silence(conversation: &Conversation, tracked: &Tracked) -> Infallible {
    loop {
        conversation.session.falls_silent(SILENT_TOLD, &Silence::default()).await;
        tracked.set_waiting(Some(format!("the agent of {} gives no sign of life", tracked.terms.peer)));
        conversation.session.lives().await;
        tracked.set_waiting(None);
    }
}

/// Makes the target hold the bytes of a log's pieces.
async fn send_pieces(
    core: &Core,
    conversation: &Conversation,
    tracked: &Tracked,
    segments: &[LogSegment],
) -> Result<(), TransferError> {
    let blobs: Vec<BlobRef> = segments.iter().map(|segment| segment.blob).collect();
    // Counted apart: the model's bytes have arrived.
    send::send(core, conversation, &tracked.apart(), &blobs).await
}

/// Makes the target take a piece of the log whose bytes it holds.
async fn hand_over(conversation: &Conversation, migration: MigrationRef, segment: &LogSegment) -> Result<(), LogError> {
    let taking = LogTaking { mid: migration.mid, segment: segment.clone() };
    ask(conversation, Question::TakeLog(taking)).await.map(drop)
}

async fn ask(conversation: &Conversation, question: Question) -> Result<u64, LogError> {
    let refused = |text: &str| LogError::Controller(ControllerError::Refused(format!("the target: {text}")));
    match conversation.ask(question).await.map_err(TransferError::Closed)? {
        Answer::LogTime(until_ms) => Ok(until_ms),
        Answer::Failed(text) => Err(refused(&text)),
        _ => Err(refused("it answered another question")),
    }
}

/// Answers how far the log is that a migration of `peer` has brought.
pub async fn latest(core: &Core, peer: Pin, mid: MigrationId) -> Answer {
    let told = match migration(core, peer, mid) {
        Ok(migration) => core.parts.arrival.latest_log_time(migration).await.map_err(|error| error.to_string()),
        Err(text) => Err(text),
    };
    told.map_or_else(|text| Answer::Failed(Text::cut(text)), Answer::LogTime)
}

/// Takes a piece of the log that follows a migration of `peer`.
pub async fn take(core: &Core, peer: Pin, taking: LogTaking) -> Answer {
    let LogTaking { mid, segment } = taking;
    let told = match migration(core, peer, mid) {
        Ok(migration) => core.parts.arrival.take_log(migration, &segment).await.map_err(|error| error.to_string()),
        Err(text) => Err(text),
    };
    told.map_or_else(|text| Answer::Failed(Text::cut(text)), Answer::LogTime)
}

/// Returns the migration of a migration that has brought its model here from `peer`.
fn migration(core: &Core, peer: Pin, mid: MigrationId) -> Result<MigrationRef, String> {
    let last = core.parts.journal.ledger(|ledger| ledger.last_record(mid).cloned());
    match last {
        Some(LastRecord::Target(record))
            if record.head.peer == peer && matches!(record.state, TargetState::Active(_) | TargetState::Seized(_)) =>
        {
            Ok(MigrationRef { mid, model: record.head.model })
        }
        _ => Err(format!("migration {mid} has brought no model here")),
    }
}
