//! L1 and L2 by a pass of our own: the checker's `eventually` is unsound on cycles and joins.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::Profile;
use modelferry_protocol::switch::source::SourceState;
use stateright::Model;

use crate::world::{Action, AgentIndex, Attempt, Ferry, World};

type Print = u64;
type Prints<V> = HashMap<Print, V, BuildHasherDefault<DefaultHasher>>;

fn print_of(world: &World) -> Print {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// What the pass saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub states: usize,
    /// States in which a source has not committed, each of which it can leave alone.
    pub undecided: usize,
    /// The most steps that took.
    pub steps_max: usize,
}

/// Visits every reachable state.
///
/// Errors: the first state that breaks L1 or L2, and how.
pub fn pass(ferry: &Ferry) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut visited: HashSet<Print, BuildHasherDefault<DefaultHasher>> = HashSet::default();
    let mut settles = Prints::default();
    let mut queue = VecDeque::from(ferry.init_states());
    queue.iter().for_each(|world| _ = visited.insert(print_of(world)));
    while let Some(world) = queue.pop_front() {
        seen.states += 1;
        settled_at_last(ferry, &world, &mut settles)?;
        for (agent, attempt) in undecided(&world) {
            seen.undecided += 1;
            seen.steps_max = seen.steps_max.max(revert_alone(ferry, &world, agent, attempt)?);
        }
        for next in ferry.next_states(&world) {
            if visited.insert(print_of(&next)) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen)
}

fn after_agents(ferry: &Ferry, world: &World) -> Vec<World> {
    let mut actions = Vec::new();
    ferry.agent_actions(world, &mut actions);
    actions.into_iter().filter_map(|action| ferry.next_state(world, action)).collect()
}

/// L1: by agent steps and delivered messages alone, every run ends, and ends settled.
///
/// `settles`: whether a state is known to (`true`), or is on the path that is being walked (`false`).
fn settled_at_last(ferry: &Ferry, from: &World, settles: &mut Prints<bool>) -> Result<(), String> {
    if settles.contains_key(&print_of(from)) {
        return Ok(());
    }
    settles.insert(print_of(from), false);
    let mut path = vec![(print_of(from), successors(ferry, from)?)];
    while let Some((print, left)) = path.last_mut() {
        let Some(world) = left.pop() else {
            settles.insert(*print, true);
            path.pop();
            continue;
        };
        let next = print_of(&world);
        match settles.get(&next) {
            Some(true) => {}
            Some(false) => return Err(format!("L1: a run comes back to {world:#?}")),
            None => {
                settles.insert(next, false);
                path.push((next, successors(ferry, &world)?));
            }
        }
    }
    Ok(())
}

fn successors(ferry: &Ferry, world: &World) -> Result<Vec<World>, String> {
    let successors = after_agents(ferry, world);
    if successors.is_empty() && (world.live_count() != 1 || world.agents.iter().any(|agent| agent.has_unfinished())) {
        return Err(format!("L1: a run ends unsettled in {world:#?}"));
    }
    Ok(successors)
}

fn undecided(world: &World) -> impl Iterator<Item = (AgentIndex, Attempt)> + use<'_> {
    let sources = world.sources.iter().enumerate();
    sources.map(|(attempt, source)| (*source, attempt as Attempt)).filter(|(source, attempt)| {
        let last = world.agents[*source].last_record(*attempt);
        matches!(last, Some(LastRecord::Source(record))
            if record.head.profile == Profile::Embedded && !record.is_committed() && !record.is_at_rest())
    })
}

/// L2: the source alone, without any message, has the model live again. Returns the steps it takes.
fn revert_alone(ferry: &Ferry, from: &World, agent: AgentIndex, attempt: Attempt) -> Result<usize, String> {
    let mut world = from.clone();
    let alone = [Action::Abort(agent, attempt), Action::Record(agent), Action::Perform(agent, attempt)];
    for steps in 1.. {
        match alone.iter().find_map(|action| ferry.next_state(&world, *action)) {
            Some(next) => world = next,
            None => {
                let aborted = matches!(world.agents[agent].last_record(attempt),
                    Some(LastRecord::Source(record)) if matches!(record.state, SourceState::Aborted(_)));
                let reverted = aborted && world.agents[agent].controller.is_live();
                return if reverted { Ok(steps - 1) } else { Err(format!("L2: no way back from {from:#?}")) };
            }
        }
    }
    unreachable!("the loop ends when nothing is left to do")
}
