//! The protocol itself: every invariant holds in every state within the bounds.

use std::time::Instant;

use stateright::{Checker, Model};

use crate::controller::Kind;
use crate::liveness;
use crate::world::{Bounds, Ferry, Rules};

fn check(bounds: Bounds) {
    let began = Instant::now();
    let checker = Ferry { bounds, rules: Rules::default() }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let profile = if bounds.gateway { "G" } else { "E" };
    println!(
        "profile {profile}, {bounds:?}: I1 to I10 hold in {} states, {:.1?}",
        checker.unique_state_count(),
        began.elapsed()
    );
}

fn check_liveness(bounds: Bounds) {
    let began = Instant::now();
    let seen = liveness::pass(&Ferry { bounds, rules: Rules::default() }).unwrap_or_else(|broken| panic!("{broken}"));
    let profile = if bounds.gateway { "G" } else { "E" };
    println!(
        "profile {profile}, {bounds:?}: L1 holds in {} states, L2 in {} undecided ones within {} steps, {:.1?}",
        seen.states,
        seen.undecided,
        seen.steps_max,
        began.elapsed()
    );
    assert!(bounds.gateway || seen.undecided > 0, "no state in which L2 says anything");
}

#[test]
fn invariants_hold_with_one_crash_one_write_and_two_attempts() {
    check(Bounds::new(1, 1, 2));
}

#[test]
fn invariants_hold_when_the_model_travels_back() {
    check(Bounds { both_ways: true, ..Bounds::new(1, 1, 2) });
}

#[test]
fn invariants_hold_whatever_peers_claim_of_the_model() {
    check(Bounds { lies: true, both_ways: true, ..Bounds::new(0, 1, 2) });
    check(Bounds { lies: true, ..Bounds::new(1, 1, 2) });
}

#[test]
fn every_run_ends_settled_and_an_undecided_source_reverts_alone() {
    check_liveness(Bounds { both_ways: true, ..Bounds::new(1, 0, 2) });
}

#[test]
fn a_lost_source_journal_neither_makes_two_owners_nor_loses_a_write() {
    // I5 and I7 are about what the journal says, which is gone: an operator looks at the controller.
    let bounds = Bounds { journals_lost: 1, ..Bounds::new(1, 1, 2) };
    let checker = Ferry { bounds, rules: Rules::default() }.checker().threads(2).spawn_bfs().join();
    ["I1", "I2", "I3", "I4"].into_iter().for_each(|kept| checker.assert_no_discovery(kept));
    println!("profile E, {bounds:?}: I1 to I4 hold in {} states", checker.unique_state_count());
}

const GATEWAY: Bounds = Bounds { gateway: true, ..Bounds::new(2, 1, 2) };

/// The target's controller does as Juju's does.
const TO_JUJU: [Kind; 2] = [Kind::Juju7, Kind::Juju8];

#[test]
fn invariants_hold_where_the_target_is_a_juju_controller() {
    for target in TO_JUJU {
        check(Bounds { target, ..Bounds::new(1, 1, 2) });
        check(Bounds { target, ..GATEWAY });
    }
}

#[test]
fn every_run_ends_settled_where_the_target_is_a_juju_controller() {
    for target in TO_JUJU {
        check_liveness(Bounds { target, ..Bounds::new(1, 0, 2) });
        check_liveness(Bounds { target, ..GATEWAY });
    }
}

#[test]
#[ignore = "long bounds"]
fn invariants_hold_between_juju_controllers_with_three_faults() {
    for target in TO_JUJU {
        check(Bounds { gateway: true, target, ..Bounds::new(3, 1, 2) });
    }
}

#[test]
fn invariants_hold_where_a_juju_controller_decides() {
    check(GATEWAY);
}

#[test]
fn every_run_ends_settled_where_a_juju_controller_decides() {
    check_liveness(GATEWAY);
}

#[test]
#[ignore = "long bounds"]
fn invariants_hold_where_a_juju_controller_decides_with_four_faults() {
    check(Bounds { gateway: true, ..Bounds::new(4, 2, 3) });
}

#[test]
fn a_last_resort_makes_no_second_owner_where_the_other_host_is_destroyed() {
    // What the destroyed host alone held is lost with it, so I1 is what can be kept.
    let bounds = Bounds { destroyed: true, ..Bounds::new(1, 0, 2) };
    let checker = Ferry { bounds, rules: Rules::default() }.checker().threads(2).spawn_bfs().join();
    checker.assert_no_discovery("I1");
    println!("profile E, {bounds:?}: I1 holds in {} states", checker.unique_state_count());
}

#[test]
fn a_restored_model_goes_home_and_has_one_owner() {
    // What burnt down or was removed is lost, so the invariants about writes and roots say nothing here.
    let bounds = Bounds { destroyed: true, restored: true, both_ways: true, ..Bounds::new(0, 0, 2) };
    let checker = Ferry { bounds, rules: Rules::default() }.checker().threads(2).spawn_bfs().join();
    ["I1", "I8"].into_iter().for_each(|kept| checker.assert_no_discovery(kept));
    println!("profile E, {bounds:?}: I1 and I8 hold in {} states", checker.unique_state_count());
}

#[test]
#[ignore = "long bounds"]
fn invariants_hold_with_two_crashes() {
    check(Bounds::new(2, 1, 2));
    check(Bounds { both_ways: true, ..Bounds::new(2, 1, 2) });
}

#[test]
#[ignore = "long bounds"]
fn invariants_hold_with_three_crashes_and_two_writes() {
    check(Bounds::new(3, 2, 2));
}

#[test]
#[ignore = "long bounds: minutes"]
fn invariants_hold_with_three_attempts() {
    check(Bounds::new(2, 2, 3));
}

#[test]
#[ignore = "long bounds: minutes"]
fn invariants_hold_when_the_model_travels_back_and_forth() {
    check(Bounds { both_ways: true, ..Bounds::new(1, 0, 3) });
}

#[test]
#[ignore = "long bounds"]
fn liveness_holds_with_two_crashes() {
    check_liveness(Bounds { both_ways: true, ..Bounds::new(2, 1, 2) });
}
