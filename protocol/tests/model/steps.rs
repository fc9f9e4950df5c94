//! Which actions are possible, and what each does.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::{Message, MigrationKey};
use modelferry_protocol::snapshot::KeptReply;
use modelferry_protocol::switch::Profile;
use modelferry_protocol::switch::source::{self, SourceCommand, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::target::{self, TargetCommand, TargetInput, TargetState};
use stateright::{Model, Property};

use crate::controller::{Call, Effect, Held, Reply};
use crate::network::{Said, message_at};
use crate::properties;
use crate::world::{
    Action, Agent, AgentIndex, Attempt, Ferry, MODEL, Rules, World, mid, no_cause, root, says, writes_in,
};

impl Model for Ferry {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds.target)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.agent_actions(world, actions);
        self.juju_actions(world, actions);
        if self.bounds.lies {
            world.lies(actions);
        }
        for agent in (0..world.agents.len()).filter(|agent| world.destroyed != Some(*agent)) {
            if self.bounds.destroyed && world.destroyed.is_none() && !world.rebuilt {
                actions.push(Action::Destroy(agent));
            }
            if self.bounds.restored {
                actions.extend([Action::Remove(agent), Action::Restore(agent)]);
            }
            let attempts = world.agents[agent].last_records.len() as Attempt;
            if world.agents[agent].controller.is_live() {
                if world.acknowledged < self.bounds.writes {
                    actions.push(Action::Write(agent));
                }
                if !self.bounds.gateway && (agent == 0 || self.bounds.both_ways) {
                    actions.push(Action::Migrate(agent));
                }
            }
            for attempt in 0..attempts {
                actions.extend([Action::Abort(agent, attempt), Action::Drop(agent, attempt)]);
                actions.push(Action::Renounce(agent, attempt));
                if world.destroyed.is_some() || self.rules.seized_from_the_living {
                    actions.push(Action::Seize(agent, attempt));
                }
                if self.rules.reap_before_activated {
                    actions.push(Action::ReapAtOnce(agent, attempt));
                }
                if world.faults < self.bounds.faults {
                    actions.push(Action::TimeOut(agent, attempt));
                    if world.agents[agent].controller.is_juju() {
                        actions.push(Action::BreakImport(agent, attempt));
                    }
                }
            }
            if world.faults < self.bounds.faults && world.agents[agent].replied.is_some() {
                actions.push(Action::Crash(agent));
                if self.rules.said_before_durable {
                    actions.push(Action::SayOnly(agent));
                }
            }
            if world.agents[agent].journals_lost < self.bounds.journals_lost {
                actions.push(Action::LoseJournal(agent));
            }
        }
        if self.bounds.restored && world.destroyed.is_some() {
            actions.push(Action::Rebuild);
        }
        for place in world.said.places() {
            if self.rules.mid_ignored {
                actions.extend((0..world.sources.len() as Attempt).map(|to| Action::Misdeliver(place, to)));
            }
            if self.rules.said_before_durable && world.faults < self.bounds.faults {
                actions.push(Action::SayOnlyAfter(place));
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        self.take(&mut world, action);
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Ferry {
    /// Lists what agents do by themselves and with the messages that arrive: no operator, timeout or fault.
    pub fn agent_actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (index, agent) in world.agents.iter().enumerate().filter(|(index, _)| world.destroyed != Some(*index)) {
            for attempt in 0..agent.last_records.len() as Attempt {
                actions.extend([Action::Ready(index, attempt), Action::Perform(index, attempt)]);
            }
            if agent.replied.is_some() {
                actions.push(Action::Record(index));
            }
            actions.extend(agent.late.iter().map(|call| Action::Land(index, *call)));
            if agent.controller.is_juju() {
                actions.push(Action::Vanish(index));
            }
        }
        actions.extend(world.said.places().map(Action::Deliver));
        self.juju_steps(world, actions);
    }

    fn take(&self, world: &mut World, action: Action) {
        let rules = &self.rules;
        match action {
            Action::Write(agent) => {
                world.agents[agent].controller.write();
                world.acknowledged += 1;
            }
            Action::Migrate(agent) => self.migrate(world, agent),
            Action::Abort(agent, attempt) => self.abort(world, agent, attempt),
            Action::Drop(agent, attempt) => world.feed_target(agent, attempt, TargetInput::Drop(&no_cause()), rules),
            Action::Renounce(agent, attempt) => {
                world.renounce(agent, attempt, rules);
            }
            Action::Destroy(agent) => {
                world.destroyed = Some(agent);
                world.agents[agent].controller.held = Held::Absent;
                world.agents[agent].late.clear();
            }
            Action::Rebuild => {
                if let Some(agent) = world.destroyed.take() {
                    world.agents[agent] = world.agents[agent].rebuilt();
                    world.rebuilt = true;
                    // What was on its way to the old host ended with its connections; what still stands is said again.
                    world.said = Said::default();
                    let last: Vec<LastRecord> =
                        world.agents[1 - agent].last_records.iter().flatten().cloned().collect();
                    let unfinished = last.iter().filter(|last| !last.is_at_rest());
                    unfinished.filter_map(says).for_each(|message| world.said.insert(&message));
                }
            }
            Action::Remove(agent) => {
                if world.agents[agent].controller.is_live() && world.agents[agent].ledger().busy(MODEL).is_none() {
                    world.agents[agent].controller.held = Held::Absent;
                }
            }
            Action::Restore(agent) => self.restore(world, agent),
            Action::Seize(agent, attempt) => {
                world.feed_source(agent, attempt, SourceInput::Seize(&no_cause()));
                world.feed_target(agent, attempt, TargetInput::Seize(&no_cause()), rules);
            }
            Action::Ready(agent, attempt) => {
                let progress = Message::Progress(MigrationKey { mid: mid(attempt), journal: world.journal(agent) });
                if world.said.contains(&progress) {
                    world.feed_source(agent, attempt, SourceInput::Ready { deadline_ms: 0 });
                }
            }
            Action::Deliver(place) => world.deliver(&message_at(place), rules),
            Action::Misdeliver(place, attempt) => world.misdeliver(&message_at(place), attempt, rules),
            Action::Perform(agent, attempt) => perform(world, agent, attempt, rules),
            Action::Record(agent) => self.record(world, agent),
            Action::Crash(agent) => {
                world.agents[agent].replied = None;
                world.agents[agent].unsent = false;
                world.faults += 1;
            }
            Action::BreakImport(agent, attempt) => break_import(world, agent, attempt),
            Action::Vanish(agent) => world.agents[agent].controller.vanish(),
            Action::TimeOut(agent, attempt) => {
                if let Some(call) = next_call(&world.agents[agent], attempt, rules)
                    && world.agents[agent].late.insert(call)
                {
                    world.agents[agent].unsent &=
                        !imports(world.agents[agent].last_record(attempt).expect("it has a command"), call);
                    world.faults += 1;
                }
            }
            Action::Land(agent, call) => {
                world.agents[agent].late.remove(&call);
                world.agents[agent].controller.perform(call, rules);
            }
            Action::LoseJournal(agent) => {
                let only_source = |last: &LastRecord| matches!(last, LastRecord::Source(_));
                if world.agents[agent].has_unfinished()
                    && world.agents[agent].last_records.iter().flatten().all(only_source)
                {
                    world.agents[agent].last_records.clear();
                    world.agents[agent].replied = None;
                    world.agents[agent].journals_lost += 1;
                }
            }
            Action::SayOnly(agent) => {
                let mut ahead = world.clone();
                self.record(&mut ahead, agent);
                world.agents[agent].replied = None;
                (world.said, world.faults) = (ahead.said, world.faults + 1);
            }
            Action::SayOnlyAfter(place) => {
                let mut ahead = world.clone();
                ahead.deliver(&message_at(place), rules);
                if ahead.said != world.said {
                    (world.said, world.faults) = (ahead.said, world.faults + 1);
                }
            }
            Action::Juju(step, attempt) => self.juju(world, step, attempt),
            Action::Lie(hearer, liar, shown) => world.lie(hearer, liar, shown, rules),
            Action::ReapAtOnce(agent, attempt) => {
                if let Some(LastRecord::Source(record)) = world.agents[agent].last_record(attempt)
                    && let SourceState::Committed(committed) = &record.state
                {
                    let record = record.with(SourceState::Reaping(committed.root));
                    world.append(agent, attempt, LastRecord::Source(record));
                }
            }
        }
    }

    fn migrate(&self, world: &mut World, agent: AgentIndex) {
        let attempt = world.sources.len() as Attempt;
        if attempt < self.bounds.attempts && world.agents[agent].ledger().busy(MODEL).is_none() {
            let Some(epoch_to) = world.epoch_offered(agent, &self.rules) else { return };
            let head = world.head(attempt, agent, epoch_to, Profile::Embedded);
            world.sources.push(agent);
            world.append(agent, attempt, LastRecord::Source(SourceRecord { head, state: SourceState::Offered }));
        }
    }

    /// Puts a backup into service where the operator is right that no copy is anywhere, and says so once.
    fn restore(&self, world: &mut World, agent: AgentIndex) {
        let is_gone = |held| held == Held::Absent;
        let nowhere = world.agents.iter().all(|agent| is_gone(agent.controller.held));
        let restored = &mut world.agents[agent];
        let may = is_gone(restored.controller.held) && restored.restored.is_none() && !restored.has_unfinished();
        if may && (nowhere || self.rules.restored_from_the_living) {
            // Without the step of a last resort: whatever is promised holds with it the more.
            restored.restored = Some((restored.last_records.len() as Attempt, restored.ledger().epoch(MODEL)));
            restored.controller.held = Held::Live { by: None, writes: world.acknowledged };
        }
    }

    fn abort(&self, world: &mut World, agent: AgentIndex, attempt: Attempt) {
        let Some(LastRecord::Source(record)) = world.agents[agent].last_record(attempt) else { return };
        if record.head.profile == Profile::Gateway {
            return self.abort_relayed(world, attempt);
        }
        if self.rules.abort_when_committed && matches!(record.state, SourceState::Committed(_)) {
            let record = record.with(SourceState::Aborting(no_cause()));
            world.append(agent, attempt, LastRecord::Source(record));
        } else {
            world.feed_source(agent, attempt, SourceInput::Abort(&no_cause()));
        }
    }

    /// Feeds the outstanding command's result to its machine.
    pub fn record(&self, world: &mut World, agent: AgentIndex) {
        let Some((attempt, reply)) = world.agents[agent].replied.take() else { return };
        let (cause, none) = (no_cause(), KeptReply::default());
        match world.agents[agent].last_record(attempt) {
            Some(LastRecord::Source(_)) => {
                let input = match reply {
                    // A root that does not tell the migration would leave it to the id alone.
                    Reply::FrozenWith(writes) if self.rules.mid_ignored => SourceInput::FrozenAs(root(0, writes)),
                    Reply::FrozenWith(writes) => SourceInput::FrozenAs(root(attempt, writes)),
                    Reply::Refused => SourceInput::Abort(&cause),
                    Reply::Done | Reply::FoundLive => SourceInput::Done,
                };
                world.feed_source(agent, attempt, input);
            }
            Some(LastRecord::Target(record)) => {
                let discards = matches!(record.state, TargetState::Dropping(_));
                let input = match reply {
                    Reply::FoundLive => TargetInput::FoundLive,
                    Reply::Refused => TargetInput::Drop(&cause),
                    Reply::Done | Reply::FrozenWith(_) if discards => TargetInput::Discarded,
                    _ if matches!(record.state, TargetState::Live(_)) => TargetInput::Adopted(&none),
                    Reply::Done | Reply::FrozenWith(_) => TargetInput::Done,
                };
                world.feed_target(agent, attempt, input, &self.rules);
            }
            None => {}
        }
    }
}

/// Returns the call that carries out the command of `last`, if it has one.
pub fn command(last: Option<&LastRecord>, by: Attempt) -> Option<Call> {
    let effect = match last? {
        LastRecord::Source(record) => match source::next(record)? {
            SourceCommand::Freeze => Effect::Freeze,
            SourceCommand::Thaw => Effect::Thaw,
            SourceCommand::HandOver => Effect::Redirect,
            SourceCommand::Reap => Effect::Reap,
        },
        LastRecord::Target(record) => match (target::next(record)?, &record.state) {
            (TargetCommand::Import, TargetState::Importing(description)) => Effect::Import(writes_in(*description)),
            (TargetCommand::Stage, TargetState::Staging(staging)) => Effect::Stage(writes_in(staging.root)),
            (TargetCommand::Activate, TargetState::Activating(activating)) => {
                Effect::Activate(activating.handover.activate.first().copied())
            }
            (TargetCommand::Activate, _) => Effect::Activate(None),
            (TargetCommand::Adopt, _) => Effect::Adopt,
            (TargetCommand::Discard, _) => Effect::Discard,
            (command, state) => unreachable!("{command:?} in {}", state.name()),
        },
    };
    Some(Call { by, effect })
}

/// Reports whether `call` sends the import that the record calls for.
pub fn imports(last: &LastRecord, call: Call) -> bool {
    match (last, call.effect) {
        (_, Effect::Import(_)) => true,
        (LastRecord::Target(record), Effect::Stage(_)) => {
            matches!(&record.state, TargetState::Staging(staging) if !staging.imported)
        }
        _ => false,
    }
}

/// Returns the call that an agent makes next, if it makes one: a staging that has not imported begins with the import.
fn next_call(agent: &Agent, attempt: Attempt, rules: &Rules) -> Option<Call> {
    if agent.controller.is_juju() && !agent.late.is_empty() && !rules.calls_not_serialised {
        return None;
    }
    let last = agent.last_record(attempt);
    let call = command(last, attempt)?;
    match (imports(last?, call), call.effect) {
        (true, Effect::Stage(writes)) if agent.controller.is_juju() => {
            Some(Call { effect: Effect::Import(writes), ..call })
        }
        _ => Some(call),
    }
}

fn perform(world: &mut World, index: AgentIndex, attempt: Attempt, rules: &Rules) {
    let agent = &mut world.agents[index];
    if agent.replied.is_some() {
        return;
    }
    let Some(call) = next_call(agent, attempt, rules) else { return };
    let juju = agent.controller.is_juju();
    let imports = agent.last_record(attempt).is_some_and(|last| imports(last, call));
    let reply = if juju && imports && !agent.unsent && !rules.import_repeated {
        // It was sent, and what came of it was lost.
        let complete = agent.controller.shows_complete() || rules.import_taken_for_done;
        if complete { Reply::Done } else { Reply::Refused }
    } else if juju
        && matches!(call.effect, Effect::Activate(_))
        && agent.controller.is_live()
        && !rules.live_not_looked_for
    {
        Reply::Done
    } else {
        agent.controller.perform(call, rules)
    };
    if imports {
        agent.unsent = false;
    }
    let gone = !juju || agent.controller.held == Held::Absent || rules.gone_not_awaited;
    let again = match call.effect {
        // Tried until it succeeds.
        Effect::Activate(_) | Effect::Adopt => reply == Reply::Refused,
        Effect::Discard => reply == Reply::Done && !gone,
        _ => false,
    };
    if !again {
        agent.replied = Some((attempt, reply));
    }
}

/// An import fails half-way, and the agent is told so.
fn break_import(world: &mut World, index: AgentIndex, attempt: Attempt) {
    let agent = &mut world.agents[index];
    let sends = agent
        .last_record(attempt)
        .is_some_and(|last| command(Some(last), attempt).is_some_and(|call| imports(last, call)));
    if !sends || !agent.unsent || agent.replied.is_some() || !agent.late.is_empty() {
        return;
    }
    agent.controller.break_import(attempt);
    agent.unsent = false;
    agent.replied = Some((attempt, Reply::Refused));
    world.faults += 1;
}
