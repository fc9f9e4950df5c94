//! Every rule is needed: without it the checker finds the broken invariants.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::controller::Kind;
use crate::liveness;
use crate::world::{Bounds, Ferry, Rules};

/// Fails unless the checker finds each of `broken` within `bounds`.
fn breaks(rules: Rules, bounds: Bounds, broken: &[&'static str]) {
    let expected: BTreeSet<&'static str> = broken.iter().copied().collect();
    let checker = Ferry { bounds, rules }
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AllOf(expected.clone()))
        .spawn_bfs()
        .join();
    let found: BTreeSet<&'static str> = checker.discoveries().keys().copied().collect();
    let missed: Vec<_> = expected.difference(&found).collect();
    assert!(missed.is_empty(), "{missed:?} hold all the same in {} states", checker.unique_state_count());
    println!("{broken:?} broken within {} states without: {}", checker.unique_state_count(), rules.missing());
}

/// Fails unless the pass finds a run that does not end, or ends unsettled.
fn gets_stuck(rules: Rules, bounds: Bounds) {
    let broken = liveness::pass(&Ferry { bounds, rules }).expect_err("L1 holds all the same");
    assert!(broken.starts_with("L1"), "{broken}");
    println!("L1 broken without: {}", rules.missing());
}

const USUAL: Bounds = Bounds::new(1, 1, 2);

#[test]
fn a_target_that_goes_live_on_its_vote_is_caught() {
    breaks(Rules { live_on_vote: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

#[test]
fn an_abort_after_the_commit_is_caught() {
    breaks(Rules { abort_when_committed: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

#[test]
fn a_message_said_before_its_record_is_durable_is_caught() {
    breaks(Rules { said_before_durable: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

#[test]
fn a_reap_before_the_activation_is_caught() {
    breaks(Rules { reap_before_activated: true, ..Rules::default() }, USUAL, &["I2", "I6"]);
}

#[test]
fn a_migration_id_that_is_not_compared_is_caught() {
    breaks(Rules { mid_ignored: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4", "I7"]);
}

#[test]
fn a_missing_tombstone_is_caught() {
    breaks(Rules { no_tombstone: true, ..Rules::default() }, USUAL, &["I7"]);
    // A controller that remembers what it discarded would stand in for the tombstone; Juju's does not.
    let rules = Rules { no_tombstone: true, ended_forgotten: true, ..Rules::default() };
    breaks(rules, Bounds::new(0, 1, 2), &["I1", "I3", "I4", "I7"]);
}

#[test]
fn a_drop_told_before_it_is_done_is_caught() {
    breaks(Rules { dropped_before_discard: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

#[test]
fn a_thaw_of_any_migration_is_caught() {
    breaks(Rules { thaw_any: true, ..Rules::default() }, USUAL, &["I1", "I3"]);
}

#[test]
fn an_activation_of_any_migration_is_caught() {
    breaks(Rules { activate_any: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

#[test]
fn a_vote_before_the_copy_is_staged_is_caught() {
    breaks(Rules { vote_before_staged: true, ..Rules::default() }, USUAL, &["I7"]);
}

#[test]
fn a_lost_journal_that_means_abort_is_caught() {
    let bounds = Bounds { journals_lost: 1, ..USUAL };
    breaks(Rules { lost_journal_aborts: true, ..Rules::default() }, bounds, &["I1", "I3", "I4"]);
}

#[test]
fn a_controller_that_forgets_which_migrations_ended_is_caught() {
    let rules = Rules { ended_forgotten: true, ..Rules::default() };
    // A late freeze after the thaw; then a late stage and a late activation after the discard.
    breaks(rules, Bounds::new(1, 0, 1), &["I5"]);
    breaks(rules, Bounds::new(2, 1, 1), &["I1", "I3", "I4"]);
    // A late freeze of the first trip after the model came back.
    breaks(rules, Bounds { both_ways: true, ..USUAL }, &["I3"]);
}

#[test]
fn an_offer_that_takes_a_record_back_is_caught() {
    breaks(Rules { offer_resets: true, ..Rules::default() }, USUAL, &["I7"]);
}

/// A Juju controller decides.
const GATEWAY: Bounds = Bounds { gateway: true, ..Bounds::new(2, 1, 2) };

#[test]
fn an_activation_that_is_forwarded_when_it_is_called_is_caught() {
    let rules = Rules { activate_forwarded: true, ..Rules::default() };
    breaks(rules, GATEWAY, &["I1", "I3", "I4"]);
    gets_stuck(rules, GATEWAY);
}

#[test]
fn an_answer_without_a_record_is_caught() {
    let rules = Rules { no_answered_record: true, ..Rules::default() };
    breaks(rules, GATEWAY, &["I7"]);
    gets_stuck(rules, GATEWAY);
}

#[test]
fn an_abort_of_our_own_after_the_answer_is_caught() {
    let rules = Rules { abort_when_answered: true, ..Rules::default() };
    breaks(rules, GATEWAY, &["I7"]);
    gets_stuck(rules, GATEWAY);
}

#[test]
fn an_abort_that_is_not_polled_for_is_caught() {
    gets_stuck(Rules { abort_not_polled: true, ..Rules::default() }, GATEWAY);
}

#[test]
fn a_vote_for_a_juju_controller_that_is_renounced_is_caught() {
    let rules = Rules { renounce_always: true, ..Rules::default() };
    breaks(rules, GATEWAY, &["I7"]);
    gets_stuck(rules, GATEWAY);
}

#[test]
fn an_answer_without_a_vote_is_caught() {
    let rules = Rules { answered_without_vote: true, ..Rules::default() };
    breaks(rules, GATEWAY, &["I7"]);
    gets_stuck(rules, GATEWAY);
}

#[test]
fn an_adoption_that_is_answered_before_the_target_is_live_is_caught() {
    breaks(Rules { adopted_before_active: true, ..Rules::default() }, GATEWAY, &["I6"]);
}

#[test]
fn a_last_resort_against_a_host_that_lives_is_caught() {
    breaks(Rules { seized_from_the_living: true, ..Rules::default() }, USUAL, &["I1", "I3", "I4"]);
}

/// Peers lie about the model's owner.
const LIES: Bounds = Bounds { lies: true, ..USUAL };

#[test]
fn a_claim_that_counts_without_a_proof_is_caught() {
    breaks(Rules { claims_need_no_proof: true, ..Rules::default() }, LIES, &["I5", "I6"]);
}

#[test]
fn a_signature_from_before_the_model_was_taken_back_is_caught() {
    breaks(Rules { own_epoch_ignored: true, ..Rules::default() }, LIES, &["I5"]);
}

/// Hosts burn down and are set up anew, models are removed and restored.
const RESTORED: Bounds = Bounds { destroyed: true, restored: true, both_ways: true, ..Bounds::new(0, 0, 2) };

#[test]
fn an_offer_that_does_not_learn_the_epoch_of_its_target_is_caught() {
    breaks(Rules { epoch_not_learned: true, ..Rules::default() }, RESTORED, &["I8"]);
}

#[test]
fn a_model_that_is_restored_although_another_copy_lives_is_caught() {
    breaks(Rules { restored_from_the_living: true, ..Rules::default() }, RESTORED, &["I1"]);
}

/// The target's controller is a Juju one: it keeps none of the port's promises, so the agent has to.
const TO_JUJU: Bounds = Bounds { target: Kind::Juju8, ..GATEWAY };
const FROM_OURS: Bounds = Bounds { target: Kind::Juju8, ..USUAL };

#[test]
fn an_import_that_may_have_failed_and_is_taken_for_done_is_caught() {
    let rules = Rules { import_taken_for_done: true, ..Rules::default() };
    breaks(rules, TO_JUJU, &["I2", "I3"]);
    // It fails, and then the agent dies before it has recorded that.
    breaks(rules, Bounds { faults: 2, attempts: 1, ..FROM_OURS }, &["I2", "I3"]);
}

#[test]
fn an_import_that_is_sent_again_beside_the_one_before_is_caught() {
    let rules = Rules { import_repeated: true, calls_not_serialised: true, ..Rules::default() };
    breaks(rules, TO_JUJU, &["I6"]);
}

#[test]
fn a_call_that_does_not_wait_for_the_one_before_is_caught() {
    let rules = Rules { calls_not_serialised: true, ..Rules::default() };
    breaks(rules, TO_JUJU, &["I9"]);
    breaks(rules, FROM_OURS, &["I1", "I9"]);
}

#[test]
fn an_abort_that_is_taken_for_done_when_it_is_answered_is_caught() {
    let rules = Rules { gone_not_awaited: true, ..Rules::default() };
    breaks(rules, TO_JUJU, &["I9"]);
    breaks(rules, FROM_OURS, &["I9"]);
}

#[test]
fn a_live_model_that_is_given_back_is_caught() {
    let rules = Rules { live_given_back: true, ..Rules::default() };
    breaks(rules, USUAL, &["I1", "I3", "I4", "I9"]);
    breaks(rules, FROM_OURS, &["I1", "I3", "I4", "I9"]);
    gets_stuck(rules, TO_JUJU);
}

#[test]
fn an_activation_that_does_not_look_whether_the_model_is_live_is_caught() {
    gets_stuck(Rules { live_not_looked_for: true, ..Rules::default() }, TO_JUJU);
}

#[test]
fn a_commit_without_the_arguments_of_the_activation_is_caught() {
    breaks(Rules { commit_without_arguments: true, ..Rules::default() }, GATEWAY, &["I10"]);
}
