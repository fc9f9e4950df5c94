//! What the checker explores: two agents, their controllers, the network, and the actions that change them.

use std::collections::BTreeSet;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{Epoch, Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::message::Message;
use modelferry_protocol::record::{Body, Restored};
use modelferry_protocol::switch::{Cause, Head, Profile, Root};

use crate::controller::{Call, Controller, Held, Kind, Reply, Writes};
use crate::juju::{Juju, Step};
use crate::lies::{Liar, Shown};
use crate::network::Said;
use crate::steps::{command, imports};

/// Counts migrations from 0; stands for their ids.
pub type Attempt = u8;
/// 0 has the model at first.
pub type AgentIndex = usize;

pub const MODEL: ModelUuid = ModelUuid([7; 16]);

/// How far the checker goes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Crashes that lose an effect's result, and calls that time out and land later.
    pub faults: u8,
    pub writes: Writes,
    pub attempts: Attempt,
    /// Whether either agent may begin a migration, or agent 0 alone.
    pub both_ways: bool,
    /// Times the source's journal may be replaced.
    pub journals_lost: u8,
    /// Whether an unmodified Juju controller decides at agent 0, or the agent itself.
    pub gateway: bool,
    /// Which controller is beside agent 1.
    pub target: Kind,
    /// Whether a host may be destroyed, with its controller; operators then force the other side.
    pub destroyed: bool,
    /// Whether the destroyed host may be set up anew, a model be removed, and one that nobody has be restored from a backup.
    pub restored: bool,
    /// Whether peers lie about the model's owner.
    pub lies: bool,
}

impl Bounds {
    pub const fn new(faults: u8, writes: Writes, attempts: Attempt) -> Self {
        let (both_ways, gateway, destroyed, restored, lies) = (false, false, false, false, false);
        let target = Kind::Ours;
        Self { faults, writes, attempts, both_ways, journals_lost: 0, gateway, target, destroyed, restored, lies }
    }
}

/// Rules taken away, one per mutant; none in the protocol itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    pub live_on_vote: bool,
    pub abort_when_committed: bool,
    pub said_before_durable: bool,
    pub reap_before_activated: bool,
    pub mid_ignored: bool,
    pub no_tombstone: bool,
    pub dropped_before_discard: bool,
    pub thaw_any: bool,
    pub activate_any: bool,
    pub vote_before_staged: bool,
    pub lost_journal_aborts: bool,
    pub ended_forgotten: bool,
    pub offer_resets: bool,
    pub activate_forwarded: bool,
    pub no_answered_record: bool,
    pub abort_when_answered: bool,
    pub abort_not_polled: bool,
    pub renounce_always: bool,
    pub answered_without_vote: bool,
    pub adopted_before_active: bool,
    pub seized_from_the_living: bool,
    pub epoch_not_learned: bool,
    pub restored_from_the_living: bool,
    pub import_taken_for_done: bool,
    pub import_repeated: bool,
    pub calls_not_serialised: bool,
    pub gone_not_awaited: bool,
    pub live_given_back: bool,
    pub live_not_looked_for: bool,
    pub commit_without_arguments: bool,
    pub claims_need_no_proof: bool,
    pub own_epoch_ignored: bool,
}

impl Rules {
    /// Names what is taken away.
    pub fn missing(&self) -> String {
        let text = format!("{self:?}");
        let names = text.split(['{', ',', '}']).filter_map(|field| field.trim().strip_suffix(": true"));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// The model that the checker checks.
#[derive(Debug, Clone, Copy)]
pub struct Ferry {
    pub bounds: Bounds,
    pub rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Agent {
    /// What its journal amounts to, per migration.
    pub last_records: Vec<Option<LastRecord>>,
    /// Journals it has lost.
    pub journals_lost: u8,
    pub controller: Controller,
    /// The outstanding command's result, not yet recorded. A crash forgets it.
    pub replied: Option<(Attempt, Reply)>,
    /// Calls that timed out and have not landed yet.
    pub late: BTreeSet<Call>,
    /// Whether the import that its record calls for was not sent yet, as only a process knows that has recorded it itself.
    pub unsent: bool,
    /// How many migrations there had been when an operator restored the model here, and at which epoch.
    pub restored: Option<(Attempt, Epoch)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub agents: [Agent; 2],
    pub said: Said,
    /// Source of each migration so far.
    pub sources: Vec<AgentIndex>,
    /// The Juju controller beside agent 0, if one decides.
    pub juju: Juju,
    /// Writes acknowledged so far, by whoever was live.
    pub acknowledged: Writes,
    pub faults: u8,
    /// The host that is no more.
    pub destroyed: Option<AgentIndex>,
    /// Whether that host was set up anew: it burns down once.
    pub rebuilt: bool,
    /// Whether an offer of a model that is the source's to give was refused for its epoch.
    pub epoch_refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A user writes to a live model.
    Write(AgentIndex),
    /// The operator begins a migration.
    Migrate(AgentIndex),
    /// Operator, budget or failure end an attempt at its source.
    Abort(AgentIndex, Attempt),
    /// Operator or failure end it at its target, before the vote.
    Drop(AgentIndex, Attempt),
    /// The target's operator gives the token back.
    Renounce(AgentIndex, Attempt),
    /// The pre-copy is done.
    Ready(AgentIndex, Attempt),
    /// A message arrives.
    Deliver(u8),
    /// A message arrives and is taken for one about another migration. Mutant only.
    Misdeliver(u8, Attempt),
    /// The outstanding command has its effect.
    Perform(AgentIndex, Attempt),
    /// Its result is recorded.
    Record(AgentIndex),
    /// The agent dies before it is.
    Crash(AgentIndex),
    /// The call is sent and nothing comes back.
    TimeOut(AgentIndex, Attempt),
    /// A call that timed out has its effect.
    Land(AgentIndex, Call),
    /// The source starts with another journal.
    LoseJournal(AgentIndex),
    /// The host burns down, and the controller with it: nothing there ever acts again.
    Destroy(AgentIndex),
    /// It is set up anew, under the same identity, with an empty journal and an empty controller.
    Rebuild,
    /// An operator removes a live model.
    Remove(AgentIndex),
    /// An operator restores the model, which nobody has any more.
    Restore(AgentIndex),
    /// The operator of the other host says so: the last resort.
    Seize(AgentIndex, Attempt),
    /// An import fails half-way.
    BreakImport(AgentIndex, Attempt),
    /// What an abort has begun comes to its end.
    Vanish(AgentIndex),
    /// The outstanding command's result is said, and its record lost. Mutant only.
    SayOnly(AgentIndex),
    /// A message's consequence is said, and its record lost. Mutant only.
    SayOnlyAfter(u8),
    /// The Juju controller, or what talks to it.
    Juju(Step, Attempt),
    /// A peer claims the model that this agent serves.
    Lie(AgentIndex, Liar, Shown),
    /// The source takes its commit for the end. Mutant only.
    ReapAtOnce(AgentIndex, Attempt),
}

pub fn mid(attempt: Attempt) -> MigrationId {
    MigrationId([attempt + 1; 16])
}

pub fn attempt_of(mid: MigrationId) -> Attempt {
    mid.0[0] - 1
}

/// What is handed over by a migration of a model with so many writes. As a real root, it tells both.
pub fn root(attempt: Attempt, writes: Writes) -> Root {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&[attempt, writes]);
    Hash(bytes)
}

pub fn writes_in(root: Root) -> Writes {
    root.0[1]
}

pub fn no_cause() -> Cause {
    Text::default()
}

impl Agent {
    fn new(kind: Kind, held: Held) -> Self {
        Self {
            last_records: Vec::new(),
            journals_lost: 0,
            controller: Controller::new(kind, held),
            replied: None,
            late: BTreeSet::new(),
            unsent: false,
            restored: None,
        }
    }

    /// Returns a host that is set up anew after it lost everything.
    pub fn rebuilt(&self) -> Self {
        Self { journals_lost: self.journals_lost + 1, ..Self::new(self.controller.kind, Held::Absent) }
    }

    pub fn last_record(&self, attempt: Attempt) -> Option<&LastRecord> {
        self.last_records.get(attempt as usize)?.as_ref()
    }

    pub fn has_unfinished(&self) -> bool {
        self.last_records.iter().flatten().any(|last| !last.is_at_rest())
    }

    /// Folds what the journal holds, with the shipped fold.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for attempt in 0..=self.last_records.len() as Attempt {
            if let Some((_, epoch)) = self.restored.filter(|(before, _)| *before == attempt) {
                ledger.apply(&Body::Restored(Restored { model: MODEL, epoch, cause: no_cause() }));
            }
            match self.last_record(attempt) {
                Some(LastRecord::Source(record)) => ledger.apply(&Body::Source(record.clone())),
                Some(LastRecord::Target(record)) => ledger.apply(&Body::Target(record.clone())),
                None => {}
            }
        }
        ledger
    }
}

impl World {
    pub fn new(target: Kind) -> Self {
        let source = Agent::new(Kind::Ours, Held::Live { by: None, writes: 0 });
        Self {
            agents: [source, Agent::new(target, Held::Absent)],
            said: Said::default(),
            sources: Vec::new(),
            juju: Juju::default(),
            acknowledged: 0,
            faults: 0,
            destroyed: None,
            rebuilt: false,
            epoch_refused: false,
        }
    }

    pub fn journal(&self, agent: AgentIndex) -> JournalId {
        JournalId([agent as u8 + 1 + 16 * self.agents[agent].journals_lost; 16])
    }

    pub fn pin(agent: AgentIndex) -> Pin {
        Pin([agent as u8; 32])
    }

    /// Returns the epoch that `source` offers the model at, by the shipped rule, after it has asked the other side; nothing if
    /// it cannot be offered.
    pub fn epoch_offered(&self, source: AgentIndex, rules: &Rules) -> Option<Epoch> {
        let (own, there) = (self.agents[source].ledger(), self.agents[1 - source].ledger());
        if rules.epoch_not_learned {
            return Some(own.epoch(MODEL) + 1);
        }
        let came_from_there = there.handed_to(MODEL) == Some(Self::pin(source));
        own.offer_epoch(MODEL, there.epoch(MODEL), came_from_there).ok()
    }

    /// Returns the head of a migration that `source` begins now.
    pub fn head(&self, attempt: Attempt, source: AgentIndex, epoch_to: Epoch, profile: Profile) -> Head {
        Head {
            mid: mid(attempt),
            model: MODEL,
            epoch_to,
            peer: Self::pin(1 - source),
            journal: self.journal(source),
            profile,
        }
    }

    /// Makes a record durable, and says what follows from it.
    pub fn append(&mut self, agent: AgentIndex, attempt: Attempt, last: LastRecord) {
        if let Some(message) = says(&last) {
            self.said.insert(&message);
        }
        let journal = &mut self.agents[agent];
        if journal.replied.is_some_and(|(replied, _)| replied == attempt) {
            journal.replied = None;
        }
        journal.unsent |= matches!(command(Some(&last), attempt), Some(call) if imports(&last, call));
        let slot = attempt as usize;
        if journal.last_records.len() <= slot {
            journal.last_records.resize(slot + 1, None);
        }
        journal.last_records[slot] = Some(last);
    }

    pub fn live_count(&self) -> usize {
        self.agents.iter().filter(|agent| agent.controller.is_live()).count()
    }
}

pub fn says(last: &LastRecord) -> Option<Message> {
    match last {
        LastRecord::Source(record) => modelferry_protocol::switch::source::says(record),
        LastRecord::Target(record) => modelferry_protocol::switch::target::says(record),
    }
}
