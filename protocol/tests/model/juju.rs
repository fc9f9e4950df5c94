//! An unmodified Juju controller that decides at agent 0, and the gateway that answers it through the
//! shipped functions of `relay`.
//!
//! Its migration master goes through its phases by itself. A reply may be lost, with the call taken in or
//! not; then it aborts, as it does after any error, unless it has recorded SUCCESS: from there it only repeats.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::{Message, MigrationKey, Stage, Staged, Vote};
use modelferry_protocol::snapshot::{Arguments, BlobRef, Params, Performed, Reply};
use modelferry_protocol::switch::relay::{self, Evidence, RelayInput, RelayReply, Relaying};
use modelferry_protocol::switch::source::{SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::{Profile, Root};

use crate::controller::{Call, Effect, Held};
use crate::world::{Action, Attempt, Ferry, MODEL, World, no_cause, root};

/// The agent beside the controller.
const GATEWAY: usize = 0;

/// Where the controller's migration is, as its own database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing has begun: the model is live, and its binaries travel ahead.
    Live,
    /// The gateway has asked it to migrate the model, which may happen at any later moment.
    Asked,
    /// QUIESCE to IMPORT: the model is frozen, its parts are being sent.
    Import,
    /// VALIDATION, up to the answer to `Activate`.
    Validation,
    /// SUCCESS, and what is left up to the answer to `AdoptResources`.
    Success,
    /// The model is deleted.
    Done,
    /// ABORT.
    Abort,
    /// ABORTDONE: the model is back in service.
    Aborted,
}

impl Phase {
    pub fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::Done)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Juju {
    /// Of each migration so far; none where an agent decides.
    phases: Vec<Phase>,
    /// The migration of which the gateway holds the target's vote. A crash forgets it.
    vote: Option<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The operator asks the gateway to migrate.
    Begin,
    /// The gateway asks the controller to.
    Initiate,
    /// The controller begins: it freezes the model.
    Freeze,
    /// The controller sends the model's parts.
    Stage,
    /// It calls `Activate`.
    Activate,
    /// The gateway's answer to `Activate` arrives.
    Answered,
    /// The controller calls `AdoptResources`, again and again.
    Adopt,
    /// It calls `Abort`, once, and thaws the model.
    Abort,
    /// The same, and the call is lost.
    AbortUnheard,
    /// The connection breaks, or the gateway dies, inside a call.
    Break,
    /// The gateway asks for the migration's status.
    Poll,
}

impl Juju {
    pub fn phase(&self, attempt: Attempt) -> Option<Phase> {
        self.phases.get(attempt as usize).copied()
    }
}

impl Ferry {
    /// Lists what an operator and faults do to the controller.
    pub fn juju_actions(&self, world: &World, actions: &mut Vec<Action>) {
        if !self.bounds.gateway {
            return;
        }
        if world.agents[GATEWAY].controller.is_live() && (world.juju.phases.len() as Attempt) < self.bounds.attempts {
            actions.push(Action::Juju(Step::Begin, world.juju.phases.len() as Attempt));
        }
        if world.faults < self.bounds.faults {
            for attempt in 0..world.juju.phases.len() as Attempt {
                actions.extend([Step::Break, Step::AbortUnheard].map(|step| Action::Juju(step, attempt)));
            }
        }
    }

    /// Lists what the controller and the gateway do by themselves.
    pub fn juju_steps(&self, world: &World, actions: &mut Vec<Action>) {
        for attempt in 0..world.juju.phases.len() as Attempt {
            let begin = [Step::Initiate, Step::Freeze];
            let steps = [Step::Stage, Step::Activate, Step::Answered, Step::Adopt, Step::Abort, Step::Poll];
            actions.extend(begin.into_iter().chain(steps).map(|step| Action::Juju(step, attempt)));
        }
    }

    pub fn juju(&self, world: &mut World, step: Step, attempt: Attempt) {
        let phase = world.juju.phase(attempt);
        let next = match (step, phase) {
            (Step::Begin, None) => return world.begin_to_relay(attempt),
            (Step::Initiate, Some(Phase::Live)) => match world.relay(attempt).map(|record| &record.state) {
                Some(SourceState::Relaying(_)) => Phase::Asked,
                _ => return,
            },
            (Step::Freeze, Some(Phase::Asked)) if world.agents[GATEWAY].controller.is_live() => {
                let freeze = Call { by: attempt, effect: Effect::Freeze };
                world.agents[GATEWAY].controller.perform(freeze, &self.rules);
                Phase::Import
            }
            (Step::Stage, Some(Phase::Import)) => match world.relay(attempt).map(|record| record.state.clone()) {
                None | Some(SourceState::Aborted(_)) => Phase::Abort,
                Some(_) if world.import_is_asked_for(attempt) => return,
                // The import is answered with what came of it at the target.
                Some(_) if !world.is_imported(attempt) => return,
                Some(_) => {
                    world.relayed(attempt, RelayInput::Sealed(world.root_relayed(attempt)));
                    Phase::Validation
                }
            },
            (Step::Activate, Some(Phase::Validation)) => return self.activate_called(world, attempt),
            (Step::Answered, Some(Phase::Validation)) => match self.answer(world, attempt, relay::MasterCall::Activate)
            {
                RelayReply::Done => Phase::Success,
                RelayReply::Failed(_) => Phase::Abort,
                RelayReply::Hold => return,
            },
            (Step::Adopt, Some(Phase::Success)) => {
                let params = Params::new(vec![attempt]).expect("one byte");
                world.relayed(attempt, RelayInput::Shown(Evidence::Success(Some(&params))));
                if self.answer(world, attempt, relay::MasterCall::Adopt) != RelayReply::Done {
                    return;
                }
                let reap = Call { by: attempt, effect: Effect::Reap };
                world.agents[GATEWAY].controller.perform(reap, &self.rules);
                Phase::Done
            }
            (Step::Abort | Step::AbortUnheard, Some(Phase::Abort)) => {
                if step == Step::Abort {
                    world.relayed(attempt, RelayInput::Shown(Evidence::Abort));
                } else {
                    world.faults += 1;
                }
                let thaw = Call { by: attempt, effect: Effect::Thaw };
                world.agents[GATEWAY].controller.perform(thaw, &self.rules);
                Phase::Aborted
            }
            (Step::Break, Some(Phase::Import | Phase::Validation)) => {
                world.juju.vote = None;
                world.faults += 1;
                Phase::Abort
            }
            (Step::Poll, Some(phase)) => return self.poll(world, attempt, phase),
            _ => return,
        };
        world.juju.phases[attempt as usize] = next;
    }

    fn poll(&self, world: &mut World, attempt: Attempt, phase: Phase) {
        let shown = match phase {
            Phase::Live | Phase::Asked | Phase::Import | Phase::Validation => return,
            Phase::Success => Evidence::Success(None),
            Phase::Done => Evidence::Done,
            Phase::Abort | Phase::Aborted if self.rules.abort_not_polled => return,
            Phase::Abort | Phase::Aborted => Evidence::Abort,
        };
        world.relayed(attempt, RelayInput::Shown(shown));
    }

    fn activate_called(&self, world: &mut World, attempt: Attempt) {
        if self.rules.activate_forwarded {
            let activate = Call { by: attempt, effect: Effect::Activate(Some(attempt)) };
            world.agents[1 - GATEWAY].controller.perform(activate, &self.rules);
        }
        let Some(record) = world.relay(attempt).cloned() else { return };
        let votes = world.juju.vote == Some(attempt);
        let SourceState::Relaying(Relaying { root: Some(root), .. }) = record.state else { return };
        if self.rules.no_answered_record || !(votes || self.rules.answered_without_vote) {
            return;
        }
        let vote = Vote::unsigned(MigrationKey::of(&record.head), root);
        let arguments = match self.rules.commit_without_arguments {
            true => Arguments::default(),
            false => Arguments::new(vec![attempt]).expect("one byte"),
        };
        world.relayed(attempt, RelayInput::Activate { arguments: &arguments, vote: Some(&vote) });
    }

    fn answer(&self, world: &World, attempt: Attempt, call: relay::MasterCall) -> RelayReply {
        let Some(record) = world.relay(attempt) else { return RelayReply::Failed("no such migration") };
        let voted = world.juju.vote == Some(attempt);
        match (call, &record.state) {
            (relay::MasterCall::Activate, SourceState::Relaying(_)) if self.rules.no_answered_record && voted => {
                RelayReply::Done
            }
            (relay::MasterCall::Adopt, SourceState::Committed(_)) if self.rules.adopted_before_active => {
                RelayReply::Done
            }
            _ => relay::reply(record, call),
        }
    }

    /// The gateway's operator, or its budget, ends an attempt.
    pub fn abort_relayed(&self, world: &mut World, attempt: Attempt) {
        let Some(record) = world.relay(attempt) else { return };
        if self.rules.abort_when_answered && matches!(record.state, SourceState::Answered(_)) {
            let record = record.with(SourceState::Aborted(no_cause()));
            world.append(GATEWAY, attempt, LastRecord::Source(record));
        } else {
            world.feed_source(GATEWAY, attempt, SourceInput::Abort(&no_cause()));
        }
    }
}

impl World {
    fn relay(&self, attempt: Attempt) -> Option<&SourceRecord> {
        match self.agents[GATEWAY].last_record(attempt) {
            Some(LastRecord::Source(record)) => Some(record),
            _ => None,
        }
    }

    /// Offers the model, unless another migration of it is unfinished here.
    fn begin_to_relay(&mut self, attempt: Attempt) {
        if self.agents[GATEWAY].ledger().busy(MODEL).is_some() {
            return;
        }
        let epoch_to = self.agents[GATEWAY].ledger().epoch(MODEL) + 1;
        let head = self.head(attempt, GATEWAY, epoch_to, Profile::Gateway);
        self.sources.push(GATEWAY);
        self.juju.phases.push(Phase::Live);
        self.append(GATEWAY, attempt, LastRecord::Source(SourceRecord { head, state: SourceState::Offered }));
    }

    /// Passes the controller's `Import` on, once; reports whether it did so now.
    fn import_is_asked_for(&mut self, attempt: Attempt) -> bool {
        let Some(record) = self.relay(attempt) else { return false };
        let description = BlobRef { hash: self.root_relayed(attempt), bytes: 0 };
        let call = modelferry_protocol::snapshot::Call::Import(description);
        let stage = Message::Stage(Stage { key: MigrationKey::of(&record.head), id: 0, call });
        let is_new = !self.said.contains(&stage);
        if is_new {
            self.said.insert(&stage);
        }
        is_new
    }

    /// Returns what is handed over: here the description's hash is the root as well.
    fn root_relayed(&self, attempt: Attempt) -> Root {
        match self.agents[GATEWAY].controller.held {
            Held::Frozen { writes, .. } => root(attempt, writes),
            _ => root(attempt, self.acknowledged),
        }
    }

    /// Reports whether the target has said that it has imported the model.
    fn is_imported(&self, attempt: Attempt) -> bool {
        let Some(record) = self.relay(attempt) else { return false };
        let outcome = Performed::Done(Reply::default());
        self.said.contains(&Message::Staged(Staged { key: MigrationKey::of(&record.head), id: 0, outcome }))
    }

    pub fn relay_hears(&mut self, attempt: Attempt, message: &Message) {
        if let (Message::Prepared(vote), Some(record)) = (message, self.relay(attempt))
            && let SourceState::Relaying(Relaying { root: Some(root), .. }) = &record.state
            && vote.root == *root
        {
            self.juju.vote = Some(attempt);
        }
        self.feed_source(GATEWAY, attempt, SourceInput::Heard { message, fresh: true });
    }

    fn relayed(&mut self, attempt: Attempt, input: RelayInput<'_>) {
        self.feed_source(GATEWAY, attempt, SourceInput::Relayed(input));
    }
}
