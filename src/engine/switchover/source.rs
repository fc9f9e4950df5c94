//! Drives the source's machine.

use std::pin::Pin;
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::ledger::Standing;
use modelferry_protocol::message::{Message, Vote};
use modelferry_protocol::snapshot::{Name, Snapshot};
use modelferry_protocol::switch::source::{self, SourceCommand, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::{Cause, Ignored, Outcome};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::line::{Backoff, Line, Turn, until};
use super::seal;
use crate::controller::port::{ControllerError, Errand, Export};
use crate::engine::conversation::Conversation;
use crate::engine::core::Core;
use crate::engine::error::EngineError;
use crate::engine::failpoint;
use crate::engine::queue::Place;
use crate::engine::tracked::{Event, Tracked, id_of};
use crate::engine::transfer::{TransferError, rate};
use crate::link::Session;

/// The transfer that belongs to a state: done, to be tried again on the next connection, or hopeless.
pub(super) type Transfer = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a transfer did not succeed.
pub(super) enum Failure {
    /// The connection ended; the next one goes on.
    Closed,
    /// It will not get better: the attempt ends.
    Final(Cause),
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Closed(_) => Self::Closed,
            error => Self::Final(Cause::cut(format!("model data transfer failed, {error}"))),
        }
    }
}

impl From<ControllerError> for Failure {
    fn from(error: ControllerError) -> Self {
        Self::Final(Cause::cut(format!("model data transfer failed, model export failed: {error}")))
    }
}

/// The task of one migration at its source.
pub struct SourceTask {
    pub(super) core: Arc<Core>,
    pub(super) tracked: Arc<Tracked>,
    pub(super) record: SourceRecord,
    pub(super) mailbox: mpsc::Receiver<Event>,
    pub(super) line: Line,
    /// Its place in the queue, until it is at rest or has to wait for something else.
    pub(super) place: Option<Place>,
    /// Whether an operator has resolved it, so that it goes on although this agent has stopped acting.
    pub(super) freed: bool,
    /// Nonces of the seals said lately, and when: a vote is as fresh as the seal it answers.
    seals: Vec<(u64, Instant)>,
    /// Whether the target has voted, so that it has the snapshot and need not be sent it again.
    voted: bool,
}

impl SourceTask {
    /// Goes on with a migration from its last durable record.
    pub fn new(core: Arc<Core>, tracked: Arc<Tracked>, record: SourceRecord) -> Self {
        let line = Line::new(core.peer(record.head.peer));
        let mailbox = tracked.open_mailbox();
        Self { core, tracked, record, mailbox, line, place: None, freed: false, seals: Vec::new(), voted: false }
    }

    /// Runs until the migration is at rest.
    pub async fn run(mut self) {
        while !self.record.is_at_rest() {
            if self.stands_still().await {
                continue;
            }
            match source::next(&self.record) {
                Some(command) => self.carry_out(command).await,
                None if self.record.state == SourceState::Offered => self.ahead().await,
                None => self.wait().await,
            }
        }
        // Said once more at rest; whoever missed it asks, and is answered from the record.
        if let Some(conversation) = self.line.conversation() {
            self.say(&conversation).await;
        }
        self.tracked.close_mailbox();
        self.tracked.publish();
    }

    pub(super) fn errand(&self) -> Errand {
        Errand { mid: self.record.head.mid, model: self.record.head.model }
    }

    /// Carries out the one command that the record calls for, as often as it takes.
    async fn carry_out(&mut self, command: SourceCommand) {
        let mut backoff = Backoff::new();
        if command == SourceCommand::Thaw {
            // The target need not keep what it has while the model goes back into service here.
            if let Some(conversation) = self.line.conversation() {
                self.say(&conversation).await;
            }
        }
        loop {
            if command == SourceCommand::Freeze {
                if self.deadline_ms().is_some_and(|deadline_ms| self.core.clock_ms() >= deadline_ms) {
                    let cause = self.frozen_too_long();
                    return self.input(SourceInput::Abort(&cause), "agent").await;
                }
                return match self.freeze().await {
                    Ok(root) => self.input(SourceInput::FrozenAs(root), "agent").await,
                    Err(cause) => self.input(SourceInput::Abort(&cause), "agent").await,
                };
            }
            match self.effect(command).await {
                Ok(()) => return self.input(SourceInput::Done, "agent").await,
                Err(error) => {
                    tracing::error!(migration = %id_of(&self.tracked.terms), ?command, "controller failed: {error}");
                    self.tracked.set_waiting(Some(format!("controller: {error}; trying again")));
                }
            }
            // Requests must not pile up meanwhile: in these states they are all answered with no.
            tokio::select! {
                biased;
                () = self.core.halting(), if !self.freed => return,
                () = backoff.pause() => {}
                Some(event) = self.mailbox.recv() => self.event(event).await,
            }
        }
    }

    async fn effect(&self, command: SourceCommand) -> Result<(), ControllerError> {
        let (departure, errand) = (&self.core.parts.departure, self.errand());
        self.pass(command, "before")?;
        match command {
            SourceCommand::Freeze => departure.freeze(errand).await,
            SourceCommand::Thaw => departure.thaw(errand).await,
            SourceCommand::HandOver => departure.redirect(errand, &self.tracked.terms.controller).await,
            SourceCommand::Reap => departure.reap(errand).await,
        }?;
        self.pass(command, "after")
    }

    fn pass(&self, command: SourceCommand, when: &str) -> Result<(), ControllerError> {
        let name = match command {
            SourceCommand::Freeze => "freeze",
            SourceCommand::Thaw => "thaw",
            SourceCommand::HandOver => "redirect",
            SourceCommand::Reap => "reap",
        };
        let conversation = self.line.conversation();
        failpoint::pass("source", name, when, conversation.as_ref().map(|conversation| &conversation.session))
    }

    /// Freezes the model, takes and seals its snapshot, and keeps the sealed bytes.
    ///
    /// Errors: the cause of the abort that follows.
    async fn freeze(&self) -> Result<Hash, Cause> {
        let fail = |text: String| Cause::cut(format!("model data transfer failed, model export failed: {text}"));
        self.effect(SourceCommand::Freeze).await.map_err(|error| fail(error.to_string()))?;
        let exported = self.core.parts.departure.export(self.errand()).await;
        let Export { name, owner, complete, calls } = exported.map_err(|error| fail(error.to_string()))?;
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
        let store = self.core.parts.store.clone();
        // Durable before the record that names it: after a crash the very same bytes are sealed again.
        Core::blocking(move || store.put_bytes(&bytes)).await.map_err(|error| fail(error.to_string()))?;
        Ok(root)
    }

    /// Waits in a state without a command: for the transfer, the peer, the operator, the clock.
    async fn wait(&mut self) {
        let state = self.record.state.clone();
        self.line.reset();
        let mut transfer: Option<Transfer> = None;
        match self.line.conversation() {
            Some(conversation) => {
                self.say(&conversation).await;
                transfer = self.transfer(&conversation);
            }
            None => self.tracked.wait_for_peer(),
        }
        let deadline = self.deadline_ms();
        while self.record.state == state {
            let remaining = deadline.map(|deadline_ms| deadline_ms.saturating_sub(self.core.clock_ms()));
            tokio::select! {
                biased;
                () = self.core.halting(), if !self.freed => return,
                Some(event) = self.mailbox.recv() => self.event(event).await,
                done = async { match &mut transfer { Some(transfer) => transfer.await, None => std::future::pending().await } } => {
                    transfer = None;
                    self.transferred(done).await;
                }
                turn = self.line.turn() => match (turn, self.line.conversation()) {
                    (Turn::Up, Some(conversation)) => {
                        self.tracked.set_waiting(None);
                        self.say(&conversation).await;
                        transfer = self.transfer(&conversation);
                    }
                    (Turn::Repeat, Some(conversation)) if transfer.is_none() => self.say(&conversation).await,
                    (Turn::Repeat, _) => {}
                    (Turn::Up | Turn::Down, _) => {
                        transfer = None;
                        self.tracked.wait_for_peer();
                    }
                },
                () = until(remaining) => {
                    let cause = self.frozen_too_long();
                    self.input(SourceInput::Abort(&cause), "agent").await;
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

    fn frozen_too_long(&self) -> Cause {
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
            Err(Failure::Final(cause)) => self.input(SourceInput::Abort(&cause), "agent").await,
        }
    }

    pub(super) async fn event(&mut self, event: Event) {
        match event {
            Event::Heard { message, session } => self.heard(&message, &session).await,
            Event::Abort { cause, actor, reply } => {
                let outcome = source::on(&self.record, SourceInput::Abort(&cause));
                let answer = match &outcome {
                    Outcome::Record(_) => Ok(()),
                    Outcome::Ignore(Ignored::Committed) => Err(self.too_late()),
                    Outcome::Ignore(_) | Outcome::Reply(_) => Err(EngineError::Ended {
                        id: id_of(&self.tracked.terms),
                        state: self.record.state.name().to_owned(),
                    }),
                };
                self.outcome(outcome, &actor, None).await;
                let _ = reply.send(answer);
            }
            Event::Order { change, actor, reply } => {
                let answer = self.order(change, &actor).await;
                let _ = reply.send(answer);
            }
            Event::Resolve { with, actor, reply } => self.resolve(&with, &actor, reply).await,
            Event::Failed(cause) => self.input(SourceInput::Abort(&cause), "agent").await,
        }
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

    async fn heard(&mut self, message: &Message, session: &Session) {
        let fresh = match message {
            Message::Prepared(vote) if !vote_is_signed(vote, session) => {
                tracing::warn!(peer = %session.peer_name(), "a vote without the peer's signature, ignored");
                return;
            }
            Message::Prepared(vote) => {
                self.voted = true;
                let freshness = self.core.parts.settings.commit_freshness;
                self.seals.retain(|(_, said)| said.elapsed() <= freshness);
                self.seals.iter().any(|(nonce, _)| *nonce == vote.nonce)
            }
            _ => false,
        };
        let outcome = source::on(&self.record, SourceInput::Heard { message, fresh });
        let stale = matches!(outcome, Outcome::Ignore(Ignored::Stale));
        self.outcome(outcome, "peer", Some(session)).await;
        if stale && let Some(conversation) = self.line.conversation() {
            self.say(&conversation).await;
        }
    }

    pub(super) async fn input(&mut self, input: SourceInput<'_>, actor: &str) {
        let outcome = source::on(&self.record, input);
        self.outcome(outcome, actor, None).await;
    }

    pub(super) async fn outcome(&mut self, outcome: Outcome<SourceState>, actor: &str, session: Option<&Session>) {
        match outcome {
            Outcome::Record(state) => {
                let record = self.record.with(state);
                // THE COMMIT POINT, when `record` is `Committed`: the instant this returns, the model is the
                // target's. Nothing derived from it has been said or done before.
                self.core.record(&self.tracked, actor, Standing::Source(record.clone())).await;
                self.record = record;
            }
            Outcome::Reply(message) => {
                if let Some(session) = session {
                    Core::say(session, message).await;
                }
            }
            Outcome::Ignore(why) => tracing::debug!(state = self.record.state.name(), "ignored: {why}"),
        }
    }

    /// Says what the record says, completed with what no record repeats.
    pub(super) async fn say(&mut self, conversation: &Conversation) {
        let Some(mut message) = source::says(&self.record) else { return };
        match &mut message {
            Message::Offer(offer) => {
                let terms = &self.tracked.terms;
                (offer.attempt, offer.name, offer.owner) = (terms.attempt, terms.name.clone(), terms.owner.clone());
            }
            Message::Seal(seal) => {
                seal.nonce = uuid::Uuid::new_v4().as_u64_pair().0;
                self.seals.push((seal.nonce, Instant::now()));
                if !self.voted {
                    match seal::read(&self.core, seal.root).await {
                        Ok((bytes, _)) => seal.snapshot = bytes,
                        // The transfer of this state reads it as well, fails, and ends the attempt.
                        Err(text) => tracing::error!("{text}"),
                    }
                }
            }
            _ => {}
        }
        Core::say(&conversation.session, message).await;
    }
}

fn vote_is_signed(vote: &Vote, session: &Session) -> bool {
    let signed = Vote::signed_bytes(vote.switch, vote.root);
    crate::link::verify_signature(session.peer_spki(), &signed, &vote.signature)
}
