//! A source whose controller decides, when its agent is killed, or its link lost: what was answered holds, and what was not waits.

use std::time::Duration;

use modelferry::controller::gateway::Relay;
use modelferry::engine::MigrateOptions;
use modelferry::engine::view::{Stand, State};

use super::controller::{Effect, Held};
use super::engines::connected;
use super::from_juju::{Pair, arguments, options, soon};

/// Restarts the source's agent, and waits until it is connected.
async fn killed(pair: &mut Pair) {
    pair.src.restart().await;
    connected(&pair.src, &pair.dst).await;
}

/// A vote proves that the link lived when it came, and the source may hear of SUCCESS only over a link that lives now.
#[tokio::test(flavor = "multi_thread")]
async fn an_activate_is_not_answered_by_a_vote_from_before_the_link_was_lost() {
    let mut pair = Pair::start().await;
    let freshness = Duration::from_secs(1);
    pair.src.settings.commit_freshness = freshness;
    killed(&mut pair).await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    pair.dst.stop();
    tokio::time::sleep(freshness).await;
    let relay = pair.relay();
    let mut activating = Box::pin(relay.activate(migration_ref, arguments()));
    // One task takes in both, in this order, and answers the second from what it knows.
    tokio::select! {
        biased;
        answered = &mut activating => panic!("{answered:?}"),
        staged = soon(relay.staged(migration_ref)) => staged.unwrap(),
    }
    assert_eq!(pair.state(migration_ref), State::Relaying);
    pair.dst.restart().await;
    soon(activating).await.unwrap();
    assert_eq!(pair.state(migration_ref), State::Answered);
}

/// The bug: the budget counted from before the controller was asked, which may wait for minutes, with the model live.
#[tokio::test(flavor = "multi_thread")]
async fn the_freeze_budget_counts_from_when_the_controller_was_asked_also_after_a_restart() {
    let mut pair = Pair::start().await;
    let freeze_max = Duration::from_secs(2);
    let asked_ms = modelferry::clock::now_ms() + 3_600_000;
    pair.source.script().asked_ms = Some(asked_ms);
    let mid = pair.src.migrate_with("dst", MigrateOptions { freeze_max, ..options() }).await;
    let migration_ref = pair.begun(mid).await;
    // The budget is over as the record has it, and not as the controller was asked.
    tokio::time::sleep(freeze_max).await;
    pair.stage(migration_ref).await;
    killed(&mut pair).await;
    pair.validate(migration_ref).await;
    // Without what tells when it was asked the record's own deadline holds.
    pair.source.script().asked_ms = None;
    pair.src.restart().await;
    let view = pair.src.ends(mid, Stand::Reverted).await;
    assert!(view.cause.as_deref().is_some_and(|cause| cause.contains("--max-freeze")), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_answers_as_before_in_every_state() {
    let mut pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    killed(&mut pair).await;
    pair.stage(migration_ref).await;
    // The master begins its phase again, as it does when its own connection broke.
    killed(&mut pair).await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    killed(&mut pair).await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    killed(&mut pair).await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    assert_eq!(pair.state(migration_ref), State::Answered);
    pair.adopt(migration_ref).await;
    killed(&mut pair).await;
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
    killed(&mut pair).await;
    assert_eq!(pair.state(migration_ref), State::Moved);
}

/// The bug: what the master had sent was in memory alone. An agent that was killed between the last upload and the first agent's
/// login told those agents for minutes that nothing had been imported, with the model frozen, and the source aborted.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_between_the_last_upload_and_the_seal_goes_on() {
    let mut pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    // The link is down as well: neither the uploads nor the import's answer are asked for again.
    pair.dst.stop();
    pair.src.restart().await;
    soon(pair.relay().seal(migration_ref)).await.unwrap();
    pair.dst.restart().await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    pair.adopt(migration_ref).await;
    let asked = pair.dst.controller.inner().asked.clone();
    assert_eq!(asked.iter().filter(|effect| matches!(effect, Effect::Import(_))).count(), 1);
    pair.end(migration_ref).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_waits_for_an_import_whose_answer_was_lost_with_the_agent() {
    let mut pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    let import = pair.import();
    pair.dst.stop();
    let relay = pair.relay();
    let importing = tokio::spawn(async move { relay.import(migration_ref, &import).await });
    // Taken in once an upload is: the two are one task's.
    soon(async {
        while pair.relay().upload(migration_ref, &pair.charm(0)).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    importing.abort();
    let _ = importing.await;
    pair.src.restart().await;
    let relay = pair.relay();
    let sealing = tokio::spawn(async move { relay.seal(migration_ref).await });
    pair.dst.restart().await;
    soon(sealing).await.unwrap().unwrap();
    pair.validate(migration_ref).await;
    assert_eq!(pair.dst.held(), Held::Staged(migration_ref.mid));
}
