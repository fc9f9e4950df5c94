//! Runs the target's state machine. [`staging`](super::target::staging) carries out its commands at the controller.

mod staging;
pub mod state;

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::{Commit, Message, MigrationKey, Sealed, SignedCommit, Vote};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::snapshot::Snapshot;
use modelferry_protocol::switch::target::{self, Staging, TargetCommand, TargetInput, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Outcome};

use self::staging::Unstaged;
use self::state::{Target, TargetTask};
use super::task::Side;
use super::task::wait::Woken;
use crate::controller::port::ControllerError;
use crate::engine::base::error::{EngineError, causes};
use crate::engine::base::retry_timer::Turn;
use crate::engine::migration::id::id_of;
use crate::engine::migration::mailbox::event::{Event, Reply, Resolving};
use crate::engine::shared::core::Core;
use crate::engine::view::Failing;
use crate::link::{Session, verify_signature};

impl Side for Target {
    type Record = TargetRecord;
    type State = TargetState;
    type Command = TargetCommand;

    const NAME: &str = "target";

    fn head(record: &TargetRecord) -> &Head {
        &record.head
    }

    fn state_name(record: &TargetRecord) -> &'static str {
        record.state.name()
    }

    fn is_at_rest(record: &TargetRecord) -> bool {
        record.is_at_rest()
    }

    fn next(record: &TargetRecord) -> Option<TargetCommand> {
        target::next(record)
    }

    fn follow(record: &TargetRecord, state: TargetState) -> TargetRecord {
        record.with(state)
    }

    fn last_record(record: &TargetRecord) -> LastRecord {
        LastRecord::Target(record.clone())
    }

    fn resolve(record: &TargetRecord, with: &Resolving) -> Outcome<TargetState> {
        let input = match (&record.state, with) {
            // Nothing is promised yet, so that no token is given back: a copy is given up.
            (
                TargetState::Receiving | TargetState::Importing(_) | TargetState::Imported(_) | TargetState::Staging(_),
                Resolving::Renounce(cause),
            ) => TargetInput::Drop(cause),
            _ => with.at_target(),
        };
        target::on(record, input)
    }

    async fn says(task: &mut TargetTask) -> Option<Message> {
        target::says(&task.record).map(|message| Self::complete(task, message))
    }

    /// Adds what no record holds: the signature under a vote, and the nonce that tells how fresh it is.
    fn complete(task: &TargetTask, mut message: Message) -> Message {
        if let Message::Prepared(vote) = &mut message {
            vote.nonce = task.side.nonce;
            vote.signature = task.core.parts.link.sign(&Vote::signed_bytes(vote.key, vote.root)).into();
        }
        message
    }

    fn trouble(_: TargetCommand, error: &ControllerError) -> (Failing, String) {
        (Failing::Controller, format!("controller: {}; trying again", causes(error)))
    }

    async fn attempt(
        task: &mut TargetTask,
        command: TargetCommand,
    ) -> Result<Option<Outcome<TargetState>>, ControllerError> {
        let staged = match command {
            TargetCommand::Import => task.import().await,
            TargetCommand::Stage => task.stage().await,
            TargetCommand::Activate => {
                task.activate().await?;
                Ok(())
            }
            TargetCommand::Adopt => {
                let reply = task.adopt().await?;
                return Ok(Some(target::on(&task.record, TargetInput::Adopted(&reply))));
            }
            TargetCommand::Discard => {
                return match task.discard().await {
                    Ok(()) => Ok(Some(target::on(&task.record, TargetInput::Discarded))),
                    Err(ControllerError::NotImporting) => Ok(Some(target::on(&task.record, TargetInput::FoundLive))),
                    Err(error) => Err(error),
                };
            }
        };
        match staged {
            Ok(()) => Ok(Some(target::on(&task.record, TargetInput::Done))),
            Err(Unstaged::Waits(error)) => Err(error),
            Err(Unstaged::Refused(cause)) => {
                task.tell_failure(&cause).await;
                Ok(Some(target::on(&task.record, TargetInput::Drop(&cause))))
            }
        }
    }

    async fn wait(task: &mut TargetTask) {
        task.wait().await;
    }

    async fn event(task: &mut TargetTask, event: Event) {
        match event {
            Event::Heard { message, session } => {
                match &*message {
                    Message::Seal(seal) => task.seal(seal).await,
                    Message::Stage(stage) => return task.asked(stage).await,
                    Message::Commit(commit) if !task.is_signed(commit, &session) => {
                        tracing::warn!(peer = %session.peer_name(), "a commit without the source's signature, ignored");
                        return;
                    }
                    _ => {}
                }
                let outcome = target::on(&task.record, TargetInput::Heard(&message));
                task.outcome(outcome, "peer", Some(&session)).await;
            }
            Event::Failed(cause) => task.input(TargetInput::Drop(&cause)).await,
            Event::Abort { cause, actor, reply } => task.give_up(&cause, &actor, reply).await,
            Event::Order { reply, .. } | Event::Reap { reply, .. } => {
                let _ = reply.send(Err(EngineError::NotSource(id_of(&task.tracked.terms))));
            }
            // A gateway is a source's.
            Event::Called(_) | Event::LogGrown | Event::LogEnded => {}
            Event::Resolve { with, actor, reply } => task.resolve(&with, &actor, reply).await,
        }
    }
}

impl TargetTask {
    /// Reports whether the source has signed what it says to have committed.
    fn is_signed(&self, commit: &Commit, session: &Session) -> bool {
        let (head, own) = (&self.record.head, self.core.parts.link.pin());
        let signed = SignedCommit::of(head, commit.root, &commit.stamp);
        let statement = Statement::of_commit(&signed, head.model, head.peer, own);
        verify_signature(session.peer_spki(), &statement.signed_bytes(), &commit.stamp.signature)
    }

    /// Waits in a state without a command: for bytes, and for the source's word.
    async fn wait(&mut self) {
        let state = self.record.state.clone();
        self.line.reset();
        match self.line.conversation() {
            Some(conversation) => self.say_to(&conversation).await,
            None => self.tracked.wait_for_peer(),
        }
        // What was asked for while a command ran.
        self.stage_ahead().await;
        let tracked = self.tracked.clone();
        while self.record.state == state {
            match self.woken(tracked.blob_arrived.notified()).await {
                Woken::Halted => return,
                Woken::Event(event) => Target::event(self, event).await,
                Woken::Done(()) => {
                    self.stage_ahead().await;
                    self.complete_if_all_is_here().await;
                }
                Woken::Turn(Turn::Up | Turn::Repeat, Some(conversation)) => {
                    self.tracked.set_waiting(None);
                    self.say_to(&conversation).await;
                }
                Woken::Turn(..) => self.tracked.wait_for_peer(),
            }
        }
    }

    /// Drops the copy at an operator's wish, unless this side has voted. `reply` is told once that is durable, or why it is refused.
    async fn give_up(&mut self, cause: &Cause, actor: &str, reply: Reply) {
        let outcome = target::on(&self.record, TargetInput::Drop(cause));
        let (id, state) = (id_of(&self.tracked.terms), self.record.state.name().to_owned());
        let answer = match (&outcome, &self.record.state) {
            (Outcome::Record(_), _) => {
                self.tell_failure(cause).await;
                self.outcome(outcome, actor, None).await;
                Ok(())
            }
            (_, TargetState::Dropping(_)) => {
                Err(EngineError::Unresolvable { id, state, why: "the copy is being deleted already".to_owned() })
            }
            _ => Err(EngineError::Voted { id, state }),
        };
        let _ = reply.send(answer);
    }

    /// Takes in what is handed over, and keeps it: staging needs it after a crash as well.
    async fn seal(&mut self, seal: &Sealed) {
        self.side.nonce = seal.nonce;
        let waits = matches!(self.record.state, TargetState::Receiving | TargetState::Imported(_));
        if !waits || seal.snapshot.is_empty() {
            return;
        }
        let head = &self.record.head;
        if MigrationKey::of(head) != seal.key {
            return;
        }
        if self.side.sealed.as_ref().is_some_and(|(root, _)| *root != seal.root) {
            let cause = Cause::cut("another snapshot was sealed before");
            return self.input(TargetInput::Drop(&cause)).await;
        }
        let snapshot = match Snapshot::open(&seal.snapshot, seal.root) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let cause = Cause::cut(format!("the snapshot cannot be accepted: {error}"));
                return self.input(TargetInput::Drop(&cause)).await;
            }
        };
        if (snapshot.mid, snapshot.model, snapshot.epoch_to) != (head.mid, head.model, head.epoch_to) {
            let cause = Cause::cut("the snapshot is of another migration");
            return self.input(TargetInput::Drop(&cause)).await;
        }
        let (store, bytes, mid, root) = (self.core.parts.store.clone(), seal.snapshot.to_vec(), head.mid, seal.root);
        let blobs = snapshot.blobs();
        let stored = Core::blocking(move || {
            // Held until the journal names the snapshot, or the migration is over.
            store.want(mid, blobs.iter().map(|blob| blob.hash).chain([root]))?;
            if store.size(root)?.is_none() {
                store.ensure_room(bytes.len() as u64)?;
            }
            store.put_bytes(&bytes)
        });
        let stored = stored.await;
        if let Err(error) = &stored
            && error.is_full()
        {
            // The source says it again.
            return self.tracked.set_waiting(Some(format!("target disk is full: {error}")));
        }
        if let Err(error) = stored {
            let cause = Cause::cut(format!("the snapshot cannot be stored: {error}"));
            return self.input(TargetInput::Drop(&cause)).await;
        }
        self.side.sealed = Some((seal.root, snapshot));
        self.complete_if_all_is_here().await;
    }

    async fn complete_if_all_is_here(&mut self) {
        let Some((root, snapshot)) = &self.side.sealed else { return };
        let description = snapshot.description();
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
                self.side.sealed = None;
                self.input(TargetInput::Complete { root, description }).await;
            }
            Some((_, Ok(None))) => {}
            Some((blob, Ok(Some(bytes)))) => {
                let cause = Cause::cut(format!("blob {} has {bytes} bytes, not {}", blob.hash, blob.bytes));
                self.input(TargetInput::Drop(&cause)).await;
            }
            Some((blob, Err(error))) => {
                let cause = Cause::cut(format!("blob {} cannot be read: {error}", blob.hash));
                self.input(TargetInput::Drop(&cause)).await;
            }
        }
    }

    pub(super) async fn input(&mut self, input: TargetInput<'_>) {
        let outcome = target::on(&self.record, input);
        // From here on the import may have been sent, as far as another process can know.
        let imports = matches!(
            &outcome,
            Outcome::Record(TargetState::Importing(_) | TargetState::Staging(Staging { imported: false, .. }))
        );
        self.side.unsent = imports;
        self.outcome(outcome, "agent", None).await;
    }
}
