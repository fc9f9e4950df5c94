//! Makes the plan of a migration: asks both controllers for everything that would stop it. Changes nothing.

mod forecast;
mod pair;
pub mod verify;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::limits::CALLS_MAX;
use modelferry_protocol::plan::{Answer, Finding, Knowledge, Level, Networks, Question, Room};
use modelferry_protocol::snapshot::{BlobRef, distinct_blobs};

use super::base::gateways::relayed::no_gateway;
use super::shared::core::Core;
use super::shared::engine::Engine;
use crate::controller::checks::source;
use crate::controller::port::Examination;
use crate::disk::database::HEADROOM_BYTES;
use crate::disk::usage_command;
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::EngineError;
use crate::engine::peer::ownership;
use crate::engine::peer::rights::{self, Deed};
use crate::engine::view::{Direction, FindingView, PlanView, TotalsView};

/// How far two clocks may be apart without being reported: more than any link takes for an answer.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(30);

/// Returns what both controllers say about moving a model over this connection, the source's first.
///
/// `mid`: the migration that runs, if one does.
/// Errors: [`EngineError::Unanswered`] if the connection ends; whatever the controller here says.
pub async fn findings(
    core: &Core,
    conversation: &Conversation,
    model: ModelUuid,
    mid: Option<MigrationId>,
) -> Result<Vec<FindingView>, EngineError> {
    Ok(judge(core, conversation, model, mid).await?.findings)
}

/// What both sides say, and what they were asked about.
#[derive(Default)]
pub struct Judgement {
    examination: Examination,
    /// What was found.
    pub findings: Vec<FindingView>,
    /// What the peer knows of the model's ownership.
    pub knowledge: Knowledge,
    blobs: Vec<BlobRef>,
    room: Room,
}

/// Asks both controllers and both journals about moving a model over this connection.
///
/// `mid`: the migration that runs, if one does.
/// Errors: as [`findings`].
pub async fn judge(
    core: &Core,
    conversation: &Conversation,
    model: ModelUuid,
    mid: Option<MigrationId>,
) -> Result<Judgement, EngineError> {
    let mut examination = core.parts.reader.examine(model, mid).await?;
    let here = std::mem::take(&mut examination.findings);
    let mut findings: Vec<_> = here.iter().map(|finding| FindingView::of(Direction::Source, finding)).collect();
    // There is nothing else to say about a controller's own model, and nothing to ask.
    if findings.iter().any(|finding| finding.is_failure() && finding.check == source::CONTROLLER_MODEL) {
        return Ok(Judgement { examination, findings, ..Judgement::default() });
    }
    let blobs = core.parts.reader.ahead(model).await?.map(|export| distinct_blobs(&export.calls)).unwrap_or_default();
    let (peer, facts) = (conversation.session.peer(), &examination.facts);
    let forbidden = rights::forbids(core, peer, Deed::Send, &facts.owner, &facts.name).await;
    findings.extend(forbidden.iter().map(|found| FindingView::of(Direction::Source, &found.finding())));
    let gateway = gateway(core, &conversation.session.peer_name());
    findings.extend(gateway.iter().map(|finding| FindingView::of(Direction::Source, finding)));
    if let Some(departing) = &examination.departing {
        let paired = pair::findings(core, conversation, departing).await;
        findings.extend(paired.iter().map(|finding| FindingView::of(Direction::Source, finding)));
    }
    findings.extend(room_here(core).await?.iter().map(|finding| FindingView::of(Direction::Source, finding)));
    // Both at once: on a long link each answer takes its time.
    let (there, room, knowledge) = tokio::try_join!(
        async { Ok(conversation.ask(Question::Prechecks(Box::new(examination.facts.clone()))).await?) },
        async { Ok(conversation.ask(Question::Held(Bounded::truncated(blobs.clone()))).await?) },
        ownership::ask(core, conversation, model),
    )?;
    let peer = conversation.session.peer_name();
    match there {
        Answer::Findings(there) => findings.extend(
            there
                .iter()
                .map(|finding| ownership::compare(core, model, &peer, &knowledge, found_there(finding, conversation))),
        ),
        other => return Err(unexpected(conversation, other)),
    }
    // Once it runs the epoch is offered, and the peer has accepted it or refused.
    if mid.is_none() && !knowledge.is_present {
        let owner = ownership::finding(core, model, &examination.facts.name, &peer, &knowledge);
        findings.extend(owner.iter().map(|finding| FindingView::of(Direction::Source, finding)));
    }
    let room = match room {
        Answer::Room(room) => room,
        other => return Err(unexpected(conversation, other)),
    };
    findings.push(FindingView::of(Direction::Target, &space(&blobs, room, &peer)));
    Ok(Judgement { examination, findings, knowledge, blobs, room })
}

/// Makes the view of what the controller there has found. What this program is to be told about it has to be typed
/// there, and says so in a way that does no harm where it is typed.
fn found_there(finding: &Finding, conversation: &Conversation) -> FindingView {
    let peer = conversation.session.peer_name();
    let there = |line: &str| match line {
        ours if ours.starts_with("modelferry ") && !ours.contains(" # ") => format!("{ours} # on the host of {peer}"),
        other => other.to_owned(),
    };
    let fix = finding.fix.lines().map(there).collect::<Vec<_>>().join("\n");
    FindingView { fix, ..FindingView::of(Direction::Target, finding) }
}

/// Says whether a controller that drives its migrations can be told to migrate to the controller beside `peer`.
fn gateway(core: &Core, peer: &str) -> Option<Finding> {
    let relayed = core.parts.relayed.as_ref()?;
    let found = |level, text: String, fix: String| Finding {
        level,
        check: Text::cut("gateway"),
        text: Text::cut(text),
        fix: Text::cut(fix),
    };
    Some(match relayed.gateway(peer) {
        None => {
            let fix = format!(
                "modelferry agent --help # docs/juju-source.md, \"The configuration\": add [gateways.{peer}] and restart the agent"
            );
            found(Level::Fail, no_gateway(peer), fix)
        }
        Some(gateway) => {
            let at = gateway.addresses.join(", ");
            let text = format!(
                "the gateway for the controller beside {peer} is at {at}: this controller and its machines must reach it"
            );
            found(Level::Pass, text, String::new())
        }
    })
}

fn unexpected(conversation: &Conversation, answer: Answer) -> EngineError {
    let text = match answer {
        Answer::Failed(text) => text.into_string(),
        _ => "it answered another question".to_owned(),
    };
    EngineError::Peer { peer: conversation.session.peer_name(), text }
}

fn bytes_of(blobs: &[BlobRef]) -> u64 {
    blobs.iter().map(|blob| blob.bytes).sum()
}

/// Tells whether the target agent's disk takes what is still to be sent, in MiB: what is needed or kept rounded up, what is
/// free rounded down, so that freeing what is named is enough.
fn space(blobs: &[BlobRef], room: Room, peer: &str) -> Finding {
    let needed = bytes_of(blobs).saturating_sub(room.bytes_held);
    let kept = match room.bytes_kept.div_ceil(1 << 20) {
        0 => String::new(),
        kept => format!("{kept} MiB are always kept free, "),
    };
    let text = format!(
        "the target agent's disk has {} MiB free, {kept}{} MiB are needed",
        room.bytes_free >> 20,
        needed.div_ceil(1 << 20)
    );
    let missing = needed.saturating_add(room.bytes_kept).checked_sub(room.bytes_free).filter(|_| needed > 0);
    let (level, text, fix) = match missing {
        None | Some(0) => (Level::Pass, text, String::new()),
        Some(missing) => {
            let text = format!("{text}: {} MiB more must become free", missing.div_ceil(1 << 20));
            let fix = format!(
                "modelferry store show # on the host of {peer}: what its store holds; `modelferry store prune` there frees what \
                 nobody needs"
            );
            (Level::Fail, text, fix)
        }
    };
    Finding { level, check: Text::cut("disk"), text: Text::cut(text), fix: Text::cut(fix) }
}

/// Reports a disk here that is too full: the freeze is a write, and what is frozen must be thawed if it comes to nothing.
async fn room_here(core: &Core) -> Result<Option<Finding>, EngineError> {
    let (store, needed) = (core.parts.store.clone(), HEADROOM_BYTES);
    let free = Core::blocking(move || store.free_bytes()).await?;
    let text = || {
        let (free, needed) = (free >> 20, needed.div_ceil(1 << 20));
        format!(
            "the source agent's disk has {free} MiB free, {needed} MiB are needed to freeze the model and to thaw it"
        )
    };
    let fix = usage_command(core.parts.store.state_dir());
    Ok((free < needed).then(|| Finding {
        level: Level::Fail,
        check: Text::cut("disk"),
        text: Text::cut(text()),
        fix: Text::cut(fix),
    }))
}

/// Reports clocks that differ: hours, limits and what is in doubt are shown by the clock of each host.
fn clocks(here_ms: u64, there_ms: u64, peer: &str) -> Option<Finding> {
    let apart = Duration::from_millis(here_ms.abs_diff(there_ms));
    let (seconds, way) = (apart.as_secs(), if there_ms > here_ms { "ahead of" } else { "behind" });
    let apart = match seconds {
        0..60 => format!("{seconds} s"),
        60..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    };
    let text =
        format!("the clock of the host of {peer} is {apart} {way} this host's; `--at` and `--until` mean this host's");
    let finding = || Finding {
        level: Level::Warn,
        check: Text::cut("clocks"),
        text: Text::cut(text),
        fix: Text::cut("timedatectl status # on both hosts"),
    };
    (seconds > CLOCKS_APART_MAX.as_secs()).then(finding)
}

/// Returns the whole plan.
///
/// Errors: as [`findings`].
pub async fn plan(
    core: &Core,
    conversation: &Conversation,
    model: ModelUuid,
    peer: &str,
) -> Result<PlanView, EngineError> {
    let Judgement { examination, mut findings, blobs, room, .. } = judge(core, conversation, model, None).await?;
    let (facts, mut networks) = (examination.facts, examination.networks);
    let there: Networks = match conversation.ask(Question::Networks).await? {
        Answer::Networks(there) => *there,
        other => return Err(unexpected(conversation, other)),
    };
    networks.compare(&there);
    let target = &conversation.session.hello().controller;
    let cloud = match &*target.region {
        "" => target.cloud.to_string(),
        region => format!("{}/{region}", &*target.cloud),
    };
    if !networks.is_empty() {
        findings.extend(networks.findings(&there, &cloud, &facts.name).iter().map(FindingView::from));
    }
    let asked = Instant::now();
    let pinged = conversation.ask(Question::Ping).await?;
    let rtt = asked.elapsed();
    if let Answer::Bytes(there_ms) = pinged {
        let here_ms = core.clock_ms().saturating_sub(rtt.as_millis() as u64 / 2);
        findings.extend(clocks(here_ms, there_ms, peer).iter().map(FindingView::from));
    }
    let bytes_total = bytes_of(&blobs);
    let bytes_to_send = bytes_total.saturating_sub(room.bytes_held);
    let rate = forecast::rate(core, conversation.session.peer()).await?;
    let (limit, allowed) = forecast::limit(core, conversation.session.peer(), peer, rate);
    let eta_ms = forecast::eta_ms(bytes_to_send, allowed, rtt);
    if let Some(departing) = &examination.departing {
        let ends = pair::lifetimes(core, conversation, departing, eta_ms);
        findings.extend(ends.iter().map(|finding| FindingView::of(Direction::Source, finding)));
    }
    let source = core.parts.arrival.card().await?;
    Ok(PlanView {
        ok: !findings.iter().any(FindingView::is_failure),
        findings,
        networks,
        bytes_total,
        bytes_held: room.bytes_held.min(bytes_total),
        bytes_to_send,
        rtt_ms: rtt.as_secs_f64() * 1000.0,
        eta_ms,
        limit,
        rate,
        freeze: forecast::freeze(core, conversation.session.peer(), rtt, bytes_total),
        way_back: forecast::way_back(&source, target, &format!("{}/{}", &*facts.owner, &*facts.name)),
        model: facts.name.into_string(),
        owner: facts.owner.into_string(),
        model_uuid: model.to_string(),
        peer: peer.to_owned(),
        controller: target.name.to_string(),
    })
}

/// Returns what models have together, and what of it is on the target already.
///
/// Errors: [`EngineError::Unanswered`] if the connection ends; whatever the controller here says.
pub async fn totals(core: &Core, conversation: &Conversation, models: &[ModelUuid]) -> Result<TotalsView, EngineError> {
    let mut distinct = BTreeMap::new();
    for model in models {
        let Some(export) = core.parts.reader.ahead(*model).await? else { continue };
        distinct.extend(distinct_blobs(&export.calls).into_iter().map(|blob| (blob.hash, blob)));
    }
    let blobs: Vec<BlobRef> = distinct.into_values().collect();
    let mut bytes_held = 0;
    // A question holds as many blobs as one model may have.
    for some in blobs.chunks(CALLS_MAX) {
        match conversation.ask(Question::Held(Bounded::truncated(some.to_vec()))).await? {
            Answer::Room(room) => bytes_held += room.bytes_held,
            other => return Err(unexpected(conversation, other)),
        }
    }
    let bytes_total = bytes_of(&blobs);
    let bytes_to_send = bytes_total.saturating_sub(bytes_held);
    let rate = forecast::rate(core, conversation.session.peer()).await?;
    let eta_ms = forecast::eta_ms(bytes_to_send, rate, Duration::ZERO);
    Ok(TotalsView { bytes_total, bytes_held: bytes_held.min(bytes_total), bytes_to_send, eta_ms })
}

impl Engine {
    /// Asks both controllers for everything that would stop a migration. Changes nothing.
    ///
    /// Errors: [`EngineError`] if one of them cannot be asked.
    pub async fn plan(&self, model: ModelUuid, peer: &str) -> Result<PlanView, EngineError> {
        self.refuse_if_held_for_good(model).await?;
        let mut reach = self.reach(peer).await?;
        loop {
            match reach.hear(plan(&self.0, &reach.conversation, model, peer)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                planned => return planned,
            }
        }
    }

    /// Asks what models have together, and what of it is with the peer already. Changes nothing.
    ///
    /// Errors: as [`Engine::plan`].
    pub async fn totals(&self, models: &[ModelUuid], peer: &str) -> Result<TotalsView, EngineError> {
        let mut reach = self.reach(peer).await?;
        loop {
            match reach.hear(totals(&self.0, &reach.conversation, models)).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                told => return told,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::ids::Hash;

    use super::*;

    #[test]
    fn clocks_that_differ_are_reported_with_the_way_to_mend_them() {
        let here_ms = 1_795_000_000_000;
        assert_eq!(clocks(here_ms, here_ms + 30_000, "west"), None);
        let ahead = clocks(here_ms, here_ms + 864_000_000, "west").unwrap();
        assert!(ahead.level == Level::Warn && ahead.text.contains("the host of west is 240 h ahead of this host's"));
        let behind = clocks(here_ms, here_ms - 90_000, "west").unwrap();
        assert!(behind.text.contains("is 1 min behind this host's"), "{}", &*behind.text);
        assert!(clocks(here_ms, 0, "west").unwrap().text.contains("behind"), "a clock before 1970 is told as 0");
    }

    #[test]
    fn only_what_is_still_to_be_sent_needs_room() {
        let blob = |byte, mib: u64| BlobRef { hash: Hash([byte; 32]), bytes: mib << 20 };
        let room = |held: u64, free: u64| Room { bytes_held: held << 20, bytes_free: free << 20, bytes_kept: 0 };
        let blobs = [blob(1, 700), blob(2, 300)];
        assert_eq!(space(&blobs, room(0, 1000), "west").level, Level::Pass);
        assert_eq!(space(&blobs, room(600, 400), "west").level, Level::Pass);
        let full = space(&blobs, room(600, 100), "west");
        assert_eq!(full.level, Level::Fail);
        assert_eq!(
            &*full.text,
            "the target agent's disk has 100 MiB free, 400 MiB are needed: 300 MiB more must become free"
        );
        assert!(full.fix.starts_with("modelferry store show # on the host of west: "), "{}", &*full.fix);
        // "0 MiB free … 65 MiB more must become free", of 33 MiB; and with 65 MiB more it was refused again.
        let kept = |free: u64| Room { bytes_kept: 64 << 20, ..room(0, free) };
        let blobs = [blob(1, 65)];
        assert_eq!(
            &*space(&blobs, kept(33), "west").text,
            "the target agent's disk has 33 MiB free, 64 MiB are always kept free, 65 MiB are needed: 96 MiB more must become free"
        );
        assert_eq!(space(&blobs, kept(33 + 96), "west").level, Level::Pass);
        assert_eq!(space(&blobs, kept(33 + 95), "west").level, Level::Fail);
        assert_eq!(space(&[], kept(33), "west").level, Level::Pass, "what is there already needs no room");
    }
}
