//! The task of one migration: the loop that both sides share.
//!
//! It does one thing at a time: it makes a record durable, or carries out the one command that the record calls
//! for, or waits. What the commands do, and what is waited for, is the [`Side`]'s.

mod run;
pub mod wait;

use std::fmt::Debug;
use std::sync::Arc;

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::Message;
use modelferry_protocol::switch::{Head, Outcome};
use tokio::sync::mpsc;

use super::record;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::EngineError;
use crate::engine::base::failpoint;
use crate::engine::base::retry_timer::RetryTimer;
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::{Event, Reply, Resolving};
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::shared::core::Core;
use crate::engine::view::Failing;
use crate::link::Session;

/// A side of the switchover: its machine in the protocol crate, and what carries that out.
pub trait Side: Default + Send + 'static {
    /// What is durable.
    type Record: Clone + Send + Sync;
    /// What changes in it.
    type State: Send;
    /// What the machine has done.
    type Command: Copy + Debug + PartialEq + Send + Sync;

    /// What failpoints call it.
    const NAME: &str;

    /// Returns what does not change.
    fn head(record: &Self::Record) -> &Head;
    /// Returns the state's name.
    fn state_name(record: &Self::Record) -> &'static str;
    /// Reports whether nothing more will happen.
    fn is_at_rest(record: &Self::Record) -> bool;
    /// Returns the command that the record calls for.
    fn next(record: &Self::Record) -> Option<Self::Command>;
    /// Returns the record that follows.
    fn follow(record: &Self::Record, state: Self::State) -> Self::Record;
    /// Returns the record as the journal holds it.
    fn last_record(record: &Self::Record) -> LastRecord;
    /// Gives an operator's resolution to the machine.
    fn resolve(record: &Self::Record, with: &Resolving) -> Outcome<Self::State>;

    /// Returns what the record says, completed with what no record repeats.
    fn says(task: &mut Task<Self>) -> impl Future<Output = Option<Message>> + Send;
    /// Completes a reply of the machine in the same way.
    fn complete(task: &Task<Self>, reply: Message) -> Message;
    /// Tells people that `command` has failed, and is repeated.
    fn trouble(command: Self::Command, error: &ControllerError) -> (Failing, String);
    /// Carries out `command` once, and returns what the machine makes of it; nothing if something else has moved the
    /// record meanwhile.
    ///
    /// Errors: of the controller. The command is repeated.
    fn attempt(
        task: &mut Task<Self>,
        command: Self::Command,
    ) -> impl Future<Output = Result<Option<Outcome<Self::State>>, ControllerError>> + Send;
    /// Waits in a state without a command, until it is another.
    fn wait(task: &mut Task<Self>) -> impl Future<Output = ()> + Send;
    /// Returns how many milliseconds are left until a migration is given up that may be although this agent has stopped acting;
    /// nothing if it may not be. [`u64::MAX`] for one that has no end of its own.
    fn reverts_in_ms(_: &Task<Self>) -> Option<u64> {
        None
    }
    /// Gives it up: the time is spent.
    fn revert(_: &mut Task<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Reacts to an event.
    fn event(task: &mut Task<Self>, event: Event) -> impl Future<Output = ()> + Send;
}

/// The task of one migration at one side.
pub struct Task<S: Side> {
    pub(super) core: Arc<Core>,
    pub(super) tracked: Arc<Tracked>,
    pub(super) record: S::Record,
    pub(super) mailbox: mpsc::Receiver<Event>,
    pub(super) line: RetryTimer,
    /// Whether an operator has resolved it, so that it goes on although this agent has stopped acting.
    pub(super) freed: bool,
    /// What only this side keeps in mind.
    pub(super) side: S,
}

impl<S: Side> Task<S> {
    /// Goes on with a migration from its last durable record.
    pub fn new(core: Arc<Core>, tracked: Arc<Tracked>, record: S::Record) -> Self {
        let line = RetryTimer::new(core.peer(S::head(&record).peer));
        let mailbox = tracked.open_mailbox();
        Self { core, tracked, record, mailbox, line, freed: false, side: S::default() }
    }

    /// Returns what controllers are told with every call.
    pub(super) fn migration(&self) -> MigrationRef {
        let head = S::head(&self.record);
        MigrationRef { mid: head.mid, model: head.model }
    }

    /// Passes the failpoint beside an effect.
    pub(super) fn pass(&self, effect: &str, when: &str) -> Result<(), ControllerError> {
        let conversation = self.line.conversation();
        failpoint::pass(S::NAME, effect, when, conversation.as_ref().map(|conversation| &conversation.session))
    }

    /// Gives a resolution to the machine. `reply` is told once it is durable, or why it is refused.
    pub(super) async fn resolve(&mut self, with: &Resolving, actor: &str, reply: Reply) {
        let outcome = S::resolve(&self.record, with);
        let answer = verdict(&outcome, id_of(&self.tracked.terms), S::state_name(&self.record));
        self.outcome(outcome, actor, None).await;
        self.freed |= answer.is_ok();
        let _ = reply.send(answer);
    }

    /// Does what the machine wants: a record is durable when this returns.
    ///
    /// `session`: what an answer goes back by.
    pub(super) async fn outcome(&mut self, outcome: Outcome<S::State>, actor: &str, session: Option<&Session>) {
        match outcome {
            Outcome::Record(state) => {
                let record = S::follow(&self.record, state);
                // THE COMMIT POINT, when a source's record is `Committed`: the instant this returns, the model is the
                // target's. Nothing derived from it has been said or done before.
                record::record(&self.core, &self.tracked, actor, S::last_record(&record)).await;
                self.record = record;
            }
            Outcome::Reply(message) => {
                if let Some(session) = session {
                    Core::say(session, S::complete(self, message)).await;
                }
            }
            Outcome::Ignore(why) => tracing::debug!(state = S::state_name(&self.record), "ignored: {why}"),
        }
    }

    /// Says what the record says, if the peer is there.
    pub(super) async fn say(&mut self) {
        if let Some(conversation) = self.line.conversation() {
            self.say_to(&conversation).await;
        }
    }

    /// Says what the record says.
    pub(super) async fn say_to(&mut self, conversation: &Conversation) {
        if let Some(message) = S::says(self).await {
            Core::say(&conversation.session, message).await;
        }
    }
}

/// Tells the operator what an outcome means: only a record resolves anything.
fn verdict<State>(outcome: &Outcome<State>, id: String, state: &str) -> Result<(), EngineError> {
    let why = match outcome {
        Outcome::Record(_) => return Ok(()),
        Outcome::Reply(_) => "that is what it has recorded already".to_owned(),
        Outcome::Ignore(why) => why.to_string(),
    };
    Err(EngineError::Unresolvable { id, state: state.to_owned(), why })
}
