//! The plan: both controllers asked for everything that would stop a migration. Changes nothing.

use std::time::Instant;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::plan::{Answer, Finding, Level, Question};
use modelferry_protocol::snapshot::distinct_blobs;

use super::conversation::Conversation;
use super::core::Core;
use super::error::EngineError;
use super::view::{FindingView, PlanView};

/// Returns what both controllers say about moving a model over this connection, the source's first.
///
/// `mid`: the migration that runs, if one does.
/// Errors: [`EngineError::Unanswered`] if the connection ends; whatever the controller here says.
pub async fn findings(
    core: &Core,
    conversation: &Conversation,
    model: ModelUuid,
    mid: Option<MigrationId>,
) -> Result<Vec<Finding>, EngineError> {
    let examination = core.parts.departure.examine(model, mid).await?;
    let mut findings = examination.findings;
    match conversation.ask(Question::Prechecks(Box::new(examination.facts))).await? {
        Answer::Findings(there) => findings.extend(there.into_vec()),
        Answer::Failed(text) => return Err(peer_failed(conversation, &text)),
        Answer::Bytes(_) | Answer::Json(_) => return Err(peer_failed(conversation, "it answered another question")),
    }
    Ok(findings)
}

fn peer_failed(conversation: &Conversation, text: &str) -> EngineError {
    EngineError::Peer { peer: conversation.session.peer_name(), text: text.to_owned() }
}

/// Returns the whole plan.
///
/// Errors: as [`findings`].
pub async fn plan(
    core: &Core,
    conversation: &Conversation,
    model: ModelUuid,
    name: String,
    peer: &str,
) -> Result<PlanView, EngineError> {
    let findings = findings(core, conversation, model, None).await?;
    let export = core.parts.departure.preview(model).await?;
    let blobs = distinct_blobs(&export.calls);
    let bytes_total = blobs.iter().map(|blob| blob.bytes).sum();
    let bytes_held = match conversation.ask(Question::Held(Bounded::truncated(blobs))).await? {
        Answer::Bytes(bytes) => bytes,
        Answer::Failed(text) => return Err(peer_failed(conversation, &text)),
        Answer::Findings(_) | Answer::Json(_) => {
            return Err(peer_failed(conversation, "it answered another question"));
        }
    };
    let asked = Instant::now();
    conversation.ask(Question::Ping).await?;
    let rtt_ms = asked.elapsed().as_secs_f64() * 1000.0;
    Ok(PlanView {
        model: name,
        peer: peer.to_owned(),
        controller: conversation.session.hello().controller.name.to_string(),
        ok: findings.iter().all(|finding| finding.level != Level::Fail),
        findings: findings.iter().map(finding_view).collect(),
        bytes_total,
        bytes_held,
        rtt_ms,
    })
}

fn finding_view(finding: &Finding) -> FindingView {
    let level = match finding.level {
        Level::Pass => "pass",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    FindingView {
        level: level.to_owned(),
        check: finding.check.to_string(),
        text: finding.text.to_string(),
        fix: finding.fix.to_string(),
    }
}
