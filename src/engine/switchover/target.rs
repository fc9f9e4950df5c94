//! Drives the target's machine.

use std::sync::Arc;

use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::ledger::Standing;
use modelferry_protocol::message::{Message, Sealed, Switch, Vote};
use modelferry_protocol::snapshot::{Call, Snapshot};
use modelferry_protocol::switch::target::{self, TargetCommand, TargetInput, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Outcome};
use tokio::sync::mpsc;

use super::line::{Backoff, Line, Turn};
use super::seal;
use crate::controller::port::{ControllerError, Errand, Presence};
use crate::engine::conversation::Conversation;
use crate::engine::core::Core;
use crate::engine::error::EngineError;
use crate::engine::failpoint;
use crate::engine::tracked::{Event, Tracked, id_of};
use crate::link::Session;

/// The task of one migration at its target.
pub struct TargetTask {
    pub(super) core: Arc<Core>,
    pub(super) tracked: Arc<Tracked>,
    pub(super) record: TargetRecord,
    pub(super) mailbox: mpsc::Receiver<Event>,
    line: Line,
    /// Whether an operator has resolved it, so that it goes on although this agent has stopped acting.
    pub(super) freed: bool,
    /// The snapshot that was sealed, while its blobs arrive.
    sealed: Option<(Hash, Snapshot)>,
    /// Of the last seal heard: the vote repeats it. None is known after a restart.
    nonce: u64,
}

impl TargetTask {
    /// Goes on with a migration from its last durable record.
    pub fn new(core: Arc<Core>, tracked: Arc<Tracked>, record: TargetRecord) -> Self {
        let line = Line::new(core.peer(record.head.peer));
        let mailbox = tracked.open_mailbox();
        Self { core, tracked, record, mailbox, line, freed: false, sealed: None, nonce: 0 }
    }

    /// Runs until the migration is at rest.
    pub async fn run(mut self) {
        while !self.record.is_at_rest() {
            if self.stands_still().await {
                continue;
            }
            match target::next(&self.record) {
                Some(command) => self.carry_out(command).await,
                None => self.wait().await,
            }
        }
        // Said once at rest; whoever missed it asks, and is answered from the record.
        if let Some(conversation) = self.line.conversation() {
            self.say(&conversation).await;
        }
        self.tracked.close_mailbox();
        self.tracked.publish();
    }

    fn errand(&self) -> Errand {
        Errand { mid: self.record.head.mid, model: self.record.head.model }
    }

    /// Carries out the one command that the record calls for, as often as it takes.
    async fn carry_out(&mut self, command: TargetCommand) {
        let mut backoff = Backoff::new();
        loop {
            let error = match command {
                TargetCommand::Stage => match self.stage().await {
                    Ok(()) => return self.input(TargetInput::Done, "agent").await,
                    Err(cause) => return self.input(TargetInput::Drop(&cause), "agent").await,
                },
                TargetCommand::Activate => match self.activate().await {
                    Ok(()) => return self.input(TargetInput::Done, "agent").await,
                    Err(error) => error,
                },
                TargetCommand::Discard => match self.discard().await {
                    Ok(()) => return self.input(TargetInput::Discarded, "agent").await,
                    Err(ControllerError::NotImporting) => {
                        return self.input(TargetInput::FoundLive, "agent").await;
                    }
                    Err(error) => error,
                },
            };
            tracing::error!(migration = %id_of(&self.tracked.terms), ?command, "controller failed: {error}");
            self.tracked.set_waiting(Some(format!("controller: {error}; trying again")));
            // Requests must not pile up meanwhile.
            tokio::select! {
                biased;
                () = self.core.halting(), if !self.freed => return,
                () = backoff.pause() => {}
                Some(event) = self.mailbox.recv() => self.event(event).await,
            }
            if target::next(&self.record) != Some(command) {
                return;
            }
        }
    }

    async fn discard(&self) -> Result<(), ControllerError> {
        self.pass("discard", "before")?;
        self.core.parts.arrival.perform(self.errand(), &Call::Abort).await?;
        self.pass("discard", "after")
    }

    fn pass(&self, effect: &str, when: &str) -> Result<(), ControllerError> {
        let conversation = self.line.conversation();
        failpoint::pass("target", effect, when, conversation.as_ref().map(|conversation| &conversation.session))
    }

    /// Imports the model without taking it into service. Everything that can fail is tried here: after the
    /// vote nothing may.
    async fn stage(&self) -> Result<(), Cause> {
        let TargetState::Staging(root) = self.record.state else { return Err(Cause::cut("nothing is to be staged")) };
        let fail = |text: String| Cause::cut(format!("failed to import model into target controller: {text}"));
        let (_, snapshot) = seal::read(&self.core, root).await.map_err(&fail)?;
        let (arrival, errand) = (&self.core.parts.arrival, self.errand());
        let refused = |error: ControllerError| fail(error.to_string());
        self.pass("stage", "before").map_err(refused)?;
        match arrival.probe(errand).await.map_err(refused)? {
            Presence::Staged => return Ok(()),
            // Half of it may be here from before a crash: every call can be repeated. An abort is no way to begin
            // anew, since it ends the migration on this controller for ever.
            Presence::Absent | Presence::Importing => {}
            Presence::Live | Presence::Other => {
                return Err(fail(format!("model with same UUID already exists ({})", errand.model)));
            }
        }
        for call in snapshot.calls.iter() {
            arrival.perform(errand, call).await.map_err(refused)?;
            // The half staged copy is a case of its own.
            self.pass("stage", "within").map_err(refused)?;
        }
        self.pass("stage", "after").map_err(refused)
    }

    /// Takes the model into service: the source has given it away.
    async fn activate(&self) -> Result<(), ControllerError> {
        let (arrival, errand) = (&self.core.parts.arrival, self.errand());
        self.pass("activate", "before")?;
        if arrival.probe(errand).await? != Presence::Live {
            arrival.perform(errand, &Call::Activate).await?;
        }
        arrival.perform(errand, &Call::AdoptResources).await?;
        self.pass("activate", "after")
    }

    /// Waits in a state without a command: for bytes, and for the source's word.
    async fn wait(&mut self) {
        let state = self.record.state.clone();
        self.line.reset();
        match self.line.conversation() {
            Some(conversation) => self.say(&conversation).await,
            None => self.tracked.wait_for_peer(),
        }
        let tracked = self.tracked.clone();
        while self.record.state == state {
            tokio::select! {
                biased;
                () = self.core.halting(), if !self.freed => return,
                Some(event) = self.mailbox.recv() => self.event(event).await,
                () = tracked.blob_arrived.notified() => self.complete_if_all_is_here().await,
                turn = self.line.turn() => match (turn, self.line.conversation()) {
                    (Turn::Up | Turn::Repeat, Some(conversation)) => {
                        self.tracked.set_waiting(None);
                        self.say(&conversation).await;
                    }
                    _ => self.tracked.wait_for_peer(),
                },
            }
        }
    }

    pub(super) async fn event(&mut self, event: Event) {
        match event {
            Event::Heard { message, session } => {
                if let Message::Seal(seal) = &*message {
                    self.seal(seal).await;
                }
                let outcome = target::on(&self.record, TargetInput::Heard(&message));
                self.outcome(outcome, "peer", Some(&session)).await;
            }
            Event::Resolve { with, actor, reply } => self.resolve(&with, &actor, reply).await,
            Event::Failed(cause) => self.input(TargetInput::Drop(&cause), "agent").await,
            Event::Abort { reply, .. } | Event::Order { reply, .. } => {
                let _ = reply.send(Err(EngineError::NotSource(id_of(&self.tracked.terms))));
            }
        }
    }

    /// Takes in what is handed over, and keeps it: staging needs it after a crash as well.
    async fn seal(&mut self, seal: &Sealed) {
        self.nonce = seal.nonce;
        if !matches!(self.record.state, TargetState::Receiving) || seal.snapshot.is_empty() {
            return;
        }
        let head = &self.record.head;
        if Switch::of(head) != seal.switch {
            return;
        }
        let snapshot = match Snapshot::open(&seal.snapshot, seal.root) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let cause = Cause::cut(format!("the snapshot cannot be accepted: {error}"));
                return self.input(TargetInput::Drop(&cause), "agent").await;
            }
        };
        if (snapshot.mid, snapshot.model, snapshot.epoch_to) != (head.mid, head.model, head.epoch_to) {
            let cause = Cause::cut("the snapshot is of another migration");
            return self.input(TargetInput::Drop(&cause), "agent").await;
        }
        let (store, bytes) = (self.core.parts.store.clone(), seal.snapshot.to_vec());
        if let Err(error) = Core::blocking(move || store.put_bytes(&bytes)).await {
            let cause = Cause::cut(format!("the snapshot cannot be stored: {error}"));
            return self.input(TargetInput::Drop(&cause), "agent").await;
        }
        self.sealed = Some((seal.root, snapshot));
        self.complete_if_all_is_here().await;
    }

    async fn complete_if_all_is_here(&mut self) {
        let Some((root, snapshot)) = &self.sealed else { return };
        let (root, blobs, store) = (*root, snapshot.blobs(), self.core.parts.store.clone());
        let missing = Core::blocking(move || {
            blobs.iter().find_map(|blob| match store.size(blob.hash) {
                Ok(Some(bytes)) if bytes == blob.bytes => None,
                other => Some((*blob, other)),
            })
        })
        .await;
        match missing {
            None => {
                self.sealed = None;
                self.input(TargetInput::Complete(root), "agent").await;
            }
            Some((_, Ok(None))) => {}
            Some((blob, Ok(Some(bytes)))) => {
                let cause = Cause::cut(format!("blob {} has {bytes} bytes, not {}", blob.hash, blob.bytes));
                self.input(TargetInput::Drop(&cause), "agent").await;
            }
            Some((blob, Err(error))) => {
                let cause = Cause::cut(format!("blob {} cannot be read: {error}", blob.hash));
                self.input(TargetInput::Drop(&cause), "agent").await;
            }
        }
    }

    async fn input(&mut self, input: TargetInput<'_>, actor: &str) {
        let outcome = target::on(&self.record, input);
        self.outcome(outcome, actor, None).await;
    }

    pub(super) async fn outcome(&mut self, outcome: Outcome<TargetState>, actor: &str, session: Option<&Session>) {
        match outcome {
            Outcome::Record(state) => {
                let record = self.record.with(state);
                self.core.record(&self.tracked, actor, Standing::Target(record.clone())).await;
                self.record = record;
            }
            Outcome::Reply(message) => {
                if let Some(session) = session {
                    Core::say(session, self.complete(message)).await;
                }
            }
            Outcome::Ignore(why) => tracing::debug!(state = self.record.state.name(), "ignored: {why}"),
        }
    }

    async fn say(&self, conversation: &Conversation) {
        if let Some(message) = target::says(&self.record) {
            Core::say(&conversation.session, self.complete(message)).await;
        }
    }

    /// Adds what no record holds: the signature under a vote, and the nonce that tells how fresh it is.
    fn complete(&self, mut message: Message) -> Message {
        if let Message::Prepared(vote) = &mut message {
            vote.nonce = self.nonce;
            let signature = self.core.parts.link.sign(&Vote::signed_bytes(vote.switch, vote.root));
            vote.signature = Bytes::new(signature.to_vec()).expect("an Ed25519 signature has 64 bytes");
        }
        message
    }
}
