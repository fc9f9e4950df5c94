//! The invariants I1 to I7, of both profiles. I8: no model is kept from a target by an epoch that its source could have
//! asked for. I9: of what a target has said to have dropped nothing is left. I10: the target's controller was told what the
//! source's had told. Each is to hold in every reachable state.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;
use stateright::Property;

use crate::controller::{Controller, Held};
use crate::world::{Attempt, Ferry, World, attempt_of};

pub fn all() -> Vec<Property<Ferry>> {
    vec![
        Property::always("I1", |_, world: &World| world.live_count() <= 1),
        Property::always("I2", |_, world: &World| {
            world.agents.iter().any(|agent| holds_all(world, agent.controller.held))
        }),
        Property::always("I3", |_, world: &World| {
            let stale = |held| matches!(held, Held::Live { .. }) && !holds_all(world, held);
            !world.agents.iter().any(|agent| stale(agent.controller.held))
        }),
        Property::always("I4", |_, world: &World| {
            world.agents.iter().all(|agent| live_was_committed(world, agent.controller.held))
        }),
        Property::always("I5", |_, world: &World| (0..world.agents.len()).all(|agent| given_up_is_live(world, agent))),
        Property::always("I6", |_, world: &World| reaped_is_live_elsewhere(world)),
        Property::always("I7", |_, world: &World| {
            (0..world.sources.len() as Attempt).all(|attempt| committed_is_held(world, attempt))
        }),
        Property::always("I8", |_, world: &World| !world.epoch_refused),
        Property::always("I9", |_, world: &World| (0..world.agents.len()).all(|agent| dropped_is_gone(world, agent))),
        Property::always("I10", |_, world: &World| {
            world.agents.iter().all(|agent| activation_was_told(world, &agent.controller))
        }),
    ]
}

/// Returns the state of a migration at its source, unless its journal was lost.
pub fn source_state(world: &World, attempt: Attempt) -> Option<&SourceState> {
    match world.agents[world.sources[attempt as usize]].last_record(attempt) {
        Some(LastRecord::Source(record)) => Some(&record.state),
        _ => None,
    }
}

fn holds_all(world: &World, held: Held) -> bool {
    match held {
        Held::Absent | Held::Broken { .. } | Held::Going { .. } => false,
        Held::Live { writes, .. } | Held::Frozen { writes, .. } | Held::Staged { writes, .. } => {
            writes == world.acknowledged
        }
    }
}

/// I4: what a migration made live, its source has committed and not taken back; a Juju one is at SUCCESS.
fn live_was_committed(world: &World, held: Held) -> bool {
    let Held::Live { by: Some(attempt), .. } = held else { return true };
    if let Some(phase) = world.juju.phase(attempt) {
        return phase.is_success();
    }
    match world.agents[world.sources[attempt as usize]].last_record(attempt) {
        Some(LastRecord::Source(record)) => {
            let taken_back = matches!(record.state, SourceState::Reclaiming(_) | SourceState::Reclaimed(_));
            record.is_committed() && !taken_back
        }
        _ => true,
    }
}

/// I5: whoever gave up a migration last has the model live; a Juju one has not, and will not have, decided otherwise.
fn given_up_is_live(world: &World, agent: usize) -> bool {
    match world.agents[agent].last_records.iter().flatten().last() {
        Some(LastRecord::Source(record)) => {
            if let Some(phase) = world.juju.phase(attempt_of(record.head.mid)) {
                return !matches!(record.state, SourceState::Aborted(_)) || !phase.is_success();
            }
            let given_up = matches!(record.state, SourceState::Aborted(_) | SourceState::Reclaimed(_));
            !given_up || world.agents[agent].controller.is_live()
        }
        _ => true,
    }
}

/// I6: a source without the model has a target that is live.
fn reaped_is_live_elsewhere(world: &World) -> bool {
    world.sources.last().is_none_or(|source| {
        let reaped = world.agents[*source].controller.held == Held::Absent;
        !reaped || world.agents[1 - source].controller.is_live()
    })
}

/// I7: a source that has committed has a target with the copy, or one that has durably dropped it. A Juju one
/// cannot take the model back, so its target must hold the copy.
fn committed_is_held(world: &World, attempt: Attempt) -> bool {
    let committed = match world.juju.phase(attempt) {
        Some(phase) => phase.is_success(),
        None => matches!(source_state(world, attempt), Some(SourceState::Committed(_))),
    };
    if !committed {
        return true;
    }
    let target = &world.agents[1 - world.sources[attempt as usize]];
    let dropped = match target.last_record(attempt) {
        Some(LastRecord::Target(record)) => matches!(record.state, TargetState::Dropping(_) | TargetState::Dropped(_)),
        _ => false,
    };
    (dropped && world.juju.phase(attempt).is_none())
        || match target.controller.held {
            Held::Staged { by, .. } => by == attempt,
            Held::Live { by, .. } => by == Some(attempt),
            Held::Absent | Held::Frozen { .. } | Held::Broken { .. } | Held::Going { .. } => false,
        }
}

/// I9: a tombstone stands for nothing but itself.
fn dropped_is_gone(world: &World, agent: usize) -> bool {
    let by = match world.agents[agent].controller.held {
        Held::Staged { by, .. } | Held::Broken { by } | Held::Going { by, .. } => by,
        Held::Live { by: Some(by), .. } => by,
        Held::Absent | Held::Live { by: None, .. } | Held::Frozen { .. } => return true,
    };
    !matches!(world.agents[agent].last_record(by),
        Some(LastRecord::Target(record)) if matches!(record.state, TargetState::Dropped(_)))
}

/// I10: where a Juju controller decided, the target's was told what it had told the gateway.
fn activation_was_told(world: &World, controller: &Controller) -> bool {
    match controller.held {
        Held::Live { by: Some(by), .. } if world.juju.phase(by).is_some() => controller.told == Some(by),
        _ => true,
    }
}
