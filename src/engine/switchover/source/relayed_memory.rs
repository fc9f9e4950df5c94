//! What a relaying source keeps in mind beside its record: calls that wait, and the set that the master has sent.
//!
//! The set grows while the master imports and uploads, and is sealed then. Each of its calls is performed at the target as it
//! comes; the seal only fixes what was performed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use modelferry_protocol::message::Vote;
use modelferry_protocol::snapshot::{BlobRef, Call, Params, Performed, distinct_blobs};
use tokio::time::Instant;

use crate::controller::port::Shown;
use crate::engine::migration::mailbox::master_request::WaitingCall;

/// How often the vote is asked for while `Activate` waits for one that is fresh.
pub const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a relaying source keeps in mind beside its record.
#[derive(Default)]
pub struct Relaying {
    /// Calls that are not answered yet.
    pub waiting: Vec<WaitingCall>,
    /// What the master has sent, and what came of it.
    pub set: Set,
    /// The target's last vote on what is sealed, and when it was asked for.
    pub vote: Option<(Vote, Instant)>,
    /// When the vote was last asked for.
    pub asked: Option<Instant>,
    /// Whether the controller has said that it begins.
    pub initiated: bool,
    /// When the freeze budget is spent, as far as it is known when the controller was asked, Unix milliseconds.
    pub deadline_ms: Option<u64>,
    /// Whether more of the log may be here than the target has, and nothing is under way about it.
    pub log_to_carry: bool,
    /// Whether the log is on its way.
    pub log_on_its_way: bool,
    /// Whether the log's stream has ended.
    pub log_ended: bool,
    /// Whether the controller has shown its end.
    pub end_shown: Option<Shown>,
}

impl Relaying {
    /// Notes that the vote is asked for now.
    pub fn asked(&mut self) {
        self.asked = Some(Instant::now());
    }
}

/// The id of the import: the first of a set.
pub const IMPORT: u64 = 0;

/// The id of a check of the machines: no call of a set has it.
const CHECK: u64 = 1 << 32;

/// Calls that the target performs or waits with at once.
const STAGED_AT_ONCE: usize = 32;

/// What the master has sent.
#[derive(Default)]
pub struct Set {
    /// In the order in which they came: the first imports the model.
    pub calls: Vec<Call>,
    /// What the target has said, by place in `calls`.
    pub outcomes: BTreeMap<u64, Performed>,
    /// Whether it is durable what the target has said to the import.
    pub kept_import: bool,
    /// The master's check of the machines.
    pub check: Option<Params>,
    /// What is still to be sent over the present connection.
    pub to_send: Vec<BlobRef>,
    /// What the target was asked over the present connection, and not long ago.
    pub asked: BTreeSet<u64>,
}

impl Set {
    /// Takes in what the target says of a call. Once the set is sealed only the check counts: the seal performs what is left.
    pub fn came(&mut self, id: u64, outcome: Performed, sealed: bool) {
        if (id == CHECK) == sealed {
            self.outcomes.insert(id, outcome);
        }
    }

    /// Returns what the target said to the import.
    pub fn import(&self) -> Option<&Performed> {
        self.outcomes.get(&IMPORT)
    }

    /// Returns what the target said to the check of the machines.
    pub fn check(&self) -> Option<&Performed> {
        self.outcomes.get(&CHECK)
    }

    /// Returns why the target has refused a call, if it has.
    pub fn refusal(&self) -> Option<&str> {
        self.outcomes.values().find_map(|outcome| match outcome {
            Performed::Failed(cause) => Some(&**cause),
            Performed::Done(_) => None,
        })
    }

    /// Reports whether it is not known yet what came of the import.
    pub fn awaits_import(&self) -> bool {
        !self.is_empty() && self.import().is_none()
    }

    pub fn is_imported(&self) -> bool {
        matches!(self.import(), Some(Performed::Done(_)))
    }

    /// Reports whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Lets the master's check be made at the target.
    pub fn begin_check(&mut self, params: &Params) {
        self.check.get_or_insert_with(|| params.clone());
    }

    /// Lets everything be sent once more, and asked for.
    pub fn send_again(&mut self) {
        self.to_send = distinct_blobs(&self.calls);
        self.ask_again();
    }

    /// Lets the target be asked again: what was asked, or its answer, may be lost.
    pub fn ask_again(&mut self) {
        self.asked.clear();
    }

    /// Returns the calls to be performed now, of those that are not answered: a few at a time. The import goes alone, as nothing
    /// else is performed before it.
    pub fn due_calls(&mut self) -> Vec<(u64, Call)> {
        let count = if self.is_imported() { self.calls.len() } else { 1 };
        let open = (0..).zip(&self.calls).take(count).filter(|(id, _)| !self.outcomes.contains_key(id));
        let next = open.take(STAGED_AT_ONCE).filter(|(id, _)| !self.asked.contains(id));
        let next: Vec<(u64, Call)> = next.map(|(id, call)| (id, call.clone())).collect();
        self.asked.extend(next.iter().map(|(id, _)| *id));
        next
    }

    /// Returns the check to be made now, if it was not asked for.
    pub fn due_check(&mut self) -> Vec<(u64, Call)> {
        let is_open = !self.outcomes.contains_key(&CHECK) && !self.asked.contains(&CHECK);
        let Some(params) = self.check.clone().filter(|_| is_open) else { return Vec::new() };
        self.asked.insert(CHECK);
        vec![(CHECK, Call::CheckMachines(params))]
    }

    /// Returns what is to be sent now.
    pub fn take_to_send(&mut self) -> Vec<BlobRef> {
        std::mem::take(&mut self.to_send)
    }

    /// Reports whether something is to be sent.
    pub fn has_to_send(&self) -> bool {
        !self.to_send.is_empty()
    }
}
