//! Runs the source's state machine.

mod after;
mod ahead;
mod relayed_memory;
pub mod relaying;
pub mod state;

use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::{Message, Vote};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::snapshot::{Name, Snapshot};
use modelferry_protocol::switch::source::{self, SourceCommand, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::{Cause, CommitStamp, Head, Ignored, Outcome, Profile};
use tokio::time::Instant;

pub use self::relaying::at_rest;
use self::state::{Failure, Source, SourceTask, Transfer};
use super::task::Side;
use super::task::wait::{Woken, maybe};
use crate::controller::port::{ControllerError, Export};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::{EngineError, causes};
use crate::engine::base::retry_timer::{Turn, until};
use crate::engine::migration::gateway::{self, Asked};
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::{Event, Resolving};
use crate::engine::shared::core::Core;
use crate::engine::shared::seal;
use crate::engine::transfer::rate;
use crate::engine::view::Failing;
use crate::link::Session;

impl Side for Source {
    type Record = SourceRecord;
    type State = SourceState;
    type Command = SourceCommand;

    const NAME: &str = "source";

    fn head(record: &SourceRecord) -> &Head {
        &record.head
    }

    fn state_name(record: &SourceRecord) -> &'static str {
        record.state.name()
    }

    fn is_at_rest(record: &SourceRecord) -> bool {
        record.is_at_rest()
    }

    fn next(record: &SourceRecord) -> Option<SourceCommand> {
        source::next(record)
    }

    fn follow(record: &SourceRecord, state: SourceState) -> SourceRecord {
        record.with(state)
    }

    fn last_record(record: &SourceRecord) -> LastRecord {
        LastRecord::Source(record.clone())
    }

    fn resolve(record: &SourceRecord, with: &Resolving) -> Outcome<SourceState> {
        with.at_source().map_or(Outcome::Ignore(Ignored::NotExpected), |input| source::on(record, input))
    }

    async fn says(task: &mut SourceTask) -> Option<Message> {
        let mut message = source::says(&task.record)?;
        match &mut message {
            Message::Offer(offer) => {
                let terms = &task.tracked.terms;
                (offer.attempt, offer.name, offer.owner) = (terms.attempt, terms.name.clone(), terms.owner.clone());
            }
            Message::Seal(seal) => {
                seal.nonce = uuid::Uuid::new_v4().as_u64_pair().0;
                task.side.seals.push((seal.nonce, Instant::now()));
                task.side.relay.asked();
                if !task.side.voted {
                    match seal::read(&task.core, seal.root).await {
                        Ok((bytes, _)) => seal.snapshot = bytes,
                        // The transfer of this state reads it as well, fails, and ends the attempt.
                        Err(text) => tracing::error!("{text}"),
                    }
                }
            }
            _ => {}
        }
        Some(Self::complete(task, message))
    }

    /// Adds the signature under a commit, which no record holds.
    fn complete(task: &SourceTask, mut message: Message) -> Message {
        if let Message::Commit(commit) = &mut message {
            commit.stamp = task.commit_stamp();
        }
        message
    }

    fn trouble(command: SourceCommand, error: &ControllerError) -> (Failing, String) {
        let failing =
            if matches!(error, ControllerError::LogStays { .. }) { Failing::Log } else { Failing::Controller };
        let what = if command == SourceCommand::Reap { "moved, reap failing" } else { "controller" };
        (failing, format!("{what}: {}; trying again", causes(error)))
    }

    async fn attempt(
        task: &mut SourceTask,
        command: SourceCommand,
    ) -> Result<Option<Outcome<SourceState>>, ControllerError> {
        match command {
            SourceCommand::Freeze => {
                let spent = task.deadline_ms().is_some_and(|deadline_ms| task.core.clock_ms() >= deadline_ms);
                let frozen = if spent { Err(task.frozen_too_long()) } else { task.freeze().await };
                return Ok(Some(match &frozen {
                    Ok(root) => source::on(&task.record, SourceInput::FrozenAs(*root)),
                    Err(cause) => source::on(&task.record, SourceInput::Abort(cause)),
                }));
            }
            // The target need not keep what it has while the model goes back into service here.
            SourceCommand::Thaw => task.say().await,
            SourceCommand::HandOver => {
                task.learn_destination().await;
                task.effect(command).await?;
                return task.see_out().await;
            }
            SourceCommand::Reap => {}
        }
        task.effect(command).await?;
        Ok(Some(source::on(&task.record, SourceInput::Done)))
    }

    async fn wait(task: &mut SourceTask) {
        match (&task.record.state, task.record.head.profile) {
            (SourceState::Offered, _) => task.ahead().await,
            (_, Profile::Gateway) => task.relay().await,
            (_, Profile::Embedded) => task.wait().await,
        }
    }

    fn reverts_in_ms(task: &SourceTask) -> Option<u64> {
        let is_undecided =
            matches!(task.record.state, SourceState::Offered | SourceState::Freezing(_) | SourceState::Frozen(_));
        let may = is_undecided && task.record.head.profile == Profile::Embedded && task.core.may_revert(&task.tracked);
        may.then(|| task.deadline_ms().map_or(u64::MAX, |deadline_ms| deadline_ms.saturating_sub(task.core.clock_ms())))
    }

    async fn revert(task: &mut SourceTask) {
        let cause = task.frozen_too_long();
        task.input(SourceInput::Abort(&cause)).await;
    }

    async fn event(task: &mut SourceTask, event: Event) {
        match event {
            Event::Heard { message, session } => task.heard(&message, &session).await,
            Event::Abort { cause, actor, reply } => {
                let outcome = source::on(&task.record, SourceInput::Abort(&cause));
                let answer = match (&outcome, task.refusal(Asked::Abort)) {
                    (Outcome::Record(_), _) => Ok(()),
                    (_, Some(error)) => Err(error),
                    (Outcome::Ignore(Ignored::Committed), None) => Err(task.too_late()),
                    (Outcome::Ignore(_) | Outcome::Reply(_), None) => Err(EngineError::Ended {
                        id: id_of(&task.tracked.terms),
                        state: task.record.state.name().to_owned(),
                    }),
                };
                task.outcome(outcome, &actor, None).await;
                let _ = reply.send(answer);
            }
            Event::Reap { skip_log, actor, reply } => task.reap(skip_log, &actor, reply).await,
            Event::Called(waiting) => task.called(waiting).await,
            Event::LogGrown => task.side.relay.log_to_carry = true,
            Event::LogEnded => task.side.relay.log_ended = true,
            Event::Failed(cause) => task.input(SourceInput::Abort(&cause)).await,
            Event::Order { change, actor, reply } => {
                let answer = task.order(change, &actor).await;
                let _ = reply.send(answer);
            }
            Event::Resolve { with, actor, reply } => task.resolve(&with, &actor, reply).await,
        }
    }
}

impl SourceTask {
    async fn effect(&self, command: SourceCommand) -> Result<(), ControllerError> {
        let (departure, migration) = (&self.core.parts.departure, self.migration());
        let name = match command {
            SourceCommand::Freeze => "freeze",
            SourceCommand::Thaw => "thaw",
            SourceCommand::HandOver => "redirect",
            SourceCommand::Reap => "reap",
        };
        self.pass(name, "before")?;
        match command {
            SourceCommand::Freeze => departure.freeze(migration).await,
            SourceCommand::Thaw => departure.thaw(migration).await,
            SourceCommand::HandOver => departure.redirect(migration, &self.tracked.controller()).await,
            SourceCommand::Reap => departure.reap(migration).await,
        }?;
        self.pass(name, "after")
    }

    /// Freezes the model, takes and seals its snapshot, and keeps the sealed bytes.
    ///
    /// Errors: the cause of the abort that follows.
    async fn freeze(&mut self) -> Result<Hash, Cause> {
        let fail = |text: String| Cause::cut(format!("model data transfer failed, model export failed: {text}"));
        self.effect(SourceCommand::Freeze).await.map_err(|error| fail(causes(&error)))?;
        let lease = self.core.parts.store.lease_with_puts();
        let exported = self.core.parts.departure.export(self.migration()).await;
        let Export { name, owner, complete, calls } = exported.map_err(|error| fail(causes(&error)))?;
        let head = &self.record.head;
        let snapshot = Snapshot {
            mid: head.mid,
            model: head.model,
            epoch_to: head.epoch_to,
            name: Name::new(name).map_err(|error| fail(error.to_string()))?,
            owner: Name::new(owner).map_err(|error| fail(error.to_string()))?,
            complete,
            calls: Bounded::new(calls).map_err(|error| fail(error.to_string()))?,
        };
        let (bytes, root) = snapshot.seal().map_err(|error| fail(error.to_string()))?;
        lease.narrow(snapshot.blobs().iter().map(|blob| blob.hash).chain([root]));
        let store = self.core.parts.store.clone();
        // Durable before the record that names it: after a crash the very same bytes are sealed again.
        Core::blocking(move || store.put_bytes(&bytes)).await.map_err(|error| fail(error.to_string()))?;
        self.side.exported = Some(lease);
        Ok(root)
    }

    /// Waits in a state without a command: for the transfer, the peer, the operator, the clock.
    async fn wait(&mut self) {
        let state = self.record.state.clone();
        if !matches!(state, SourceState::Frozen(_)) {
            // Nothing is sent any more, and whoever is waited for may take long.
            self.side.place = None;
        }
        self.line.reset();
        let mut transfer: Option<Transfer> = None;
        match self.line.conversation() {
            Some(conversation) => {
                self.say_to(&conversation).await;
                transfer = self.transfer(&conversation);
            }
            None => self.tracked.wait_for_peer(),
        }
        let deadline = self.deadline_ms();
        while self.record.state == state {
            let remaining = deadline.map(|deadline_ms| deadline_ms.saturating_sub(self.core.clock_ms()));
            // Both stay where they are if something else comes first.
            let work = async {
                tokio::select! {
                    biased;
                    done = maybe(transfer.as_mut()) => Some(done),
                    () = until(remaining) => None,
                }
            };
            match self.woken(work).await {
                Woken::Halted => return,
                Woken::Event(event) => Source::event(self, event).await,
                Woken::Done(Some(done)) => {
                    transfer = None;
                    self.transferred(done).await;
                }
                Woken::Done(None) => {
                    let cause = self.frozen_too_long();
                    self.input(SourceInput::Abort(&cause)).await;
                }
                Woken::Turn(Turn::Up, Some(conversation)) => {
                    self.tracked.set_waiting(None);
                    self.say_to(&conversation).await;
                    transfer = self.transfer(&conversation);
                }
                Woken::Turn(Turn::Repeat, Some(conversation)) if transfer.is_none() => {
                    self.say_to(&conversation).await;
                }
                Woken::Turn(Turn::Repeat, _) => {}
                Woken::Turn(Turn::Up | Turn::Down, _) => {
                    transfer = None;
                    self.tracked.wait_for_peer();
                }
            }
        }
    }

    /// Returns when the model must be live again, here or there, while that is still this side's to decide.
    fn deadline_ms(&self) -> Option<u64> {
        match &self.record.state {
            SourceState::Freezing(freezing) => Some(freezing.deadline_ms),
            SourceState::Frozen(frozen) => Some(frozen.deadline_ms),
            _ => None,
        }
    }

    pub(super) fn frozen_too_long(&self) -> Cause {
        let seconds = self.tracked.terms.freeze_ms_max as f64 / 1000.0;
        Cause::cut(format!("the model was frozen for longer than {seconds} s (--max-freeze)"))
    }

    /// Begins the transfer that belongs to the present state.
    fn transfer(&self, conversation: &Arc<Conversation>) -> Option<Transfer> {
        let (core, tracked, conversation) = (self.core.clone(), self.tracked.clone(), conversation.clone());
        match &self.record.state {
            SourceState::Frozen(frozen) => {
                let root = frozen.root;
                Some(Box::pin(async move {
                    let (_, snapshot) =
                        seal::read(&core, root).await.map_err(|text| Failure::Final(Cause::cut(text)))?;
                    rate::send(&core, &conversation, &tracked, &snapshot.blobs()).await?;
                    Ok(())
                }))
            }
            _ => None,
        }
    }

    async fn transferred(&mut self, done: Result<(), Failure>) {
        match done {
            // The line tells when the next connection is there.
            Ok(()) | Err(Failure::Closed) => {}
            Err(Failure::Final(cause) | Failure::Gone(cause)) => self.input(SourceInput::Abort(&cause)).await,
        }
    }

    /// Returns why a Juju controller's migration is not what an operator asks.
    pub(super) fn refusal(&self, asked: Asked) -> Option<EngineError> {
        gateway::refusal(&self.record, asked, &id_of(&self.tracked.terms))
    }

    pub(super) fn too_late(&self) -> EngineError {
        let id = id_of(&self.tracked.terms);
        EngineError::TooLate(match self.record.state {
            SourceState::Committed(_) => {
                "the model has been handed over and the target has not answered yet; it is frozen here until it does; \
                 `modelferry status` says who must act, and what to type, should the link stay dead"
                    .to_owned()
            }
            _ => format!("the target owns the model. See `modelferry show-migration {id}`"),
        })
    }

    /// Signs what the record has committed: the same as its proof, as often as it is said.
    fn commit_stamp(&self) -> CommitStamp {
        let (last, link) = (Source::last_record(&self.record), &self.core.parts.link);
        let time_ms = self.tracked.committed_ms().unwrap_or_default();
        let statement = Statement::of(&last, link.pin(), time_ms);
        let signature = statement.map(|statement| link.sign(&statement.signed_bytes()).into());
        CommitStamp { time_ms, signature: signature.unwrap_or_default() }
    }

    async fn heard(&mut self, message: &Message, session: &Session) {
        let fresh = match message {
            Message::Prepared(vote) if !vote_is_signed(vote, session) => {
                tracing::warn!(peer = %session.peer_name(), "a vote without the peer's signature, ignored");
                return;
            }
            Message::Prepared(vote) => {
                self.side.voted = true;
                let freshness = self.core.parts.settings.commit_freshness;
                self.side.seals.retain(|(_, said)| said.elapsed() <= freshness);
                self.side.seals.iter().any(|(nonce, _)| *nonce == vote.nonce)
            }
            _ => false,
        };
        self.relay_heard(message, fresh);
        let outcome = source::on(&self.record, SourceInput::Heard { message, fresh });
        let stale = matches!(outcome, Outcome::Ignore(Ignored::Stale));
        self.outcome(outcome, "peer", Some(session)).await;
        if stale {
            self.say().await;
        }
    }

    pub(super) async fn input(&mut self, input: SourceInput<'_>) {
        let outcome = source::on(&self.record, input);
        self.outcome(outcome, "agent", None).await;
    }
}

fn vote_is_signed(vote: &Vote, session: &Session) -> bool {
    let signed = Vote::signed_bytes(vote.key, vote.root);
    crate::link::verify_signature(session.peer_spki(), &signed, &vote.signature)
}
