//! The set of a migration: what the master has sent, sealed once it is all, and performed at the target as it comes.

use modelferry_protocol::codec::{Bounded, decode, encode};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::CALLS_MAX;
use modelferry_protocol::message::{Message, MigrationKey, Stage};
use modelferry_protocol::snapshot::{Call, Name, Params, Performed, Snapshot};
use modelferry_protocol::switch::relay::RelayInput;
use modelferry_protocol::switch::source::SourceState;

use crate::controller::gateway::RelayError;
use crate::engine::migration::mailbox::master_request::{hash_of, named};
use crate::engine::shared::core::Core;
use crate::engine::shared::seal;
use crate::engine::switchover::source::relayed_memory::IMPORT;
use crate::engine::switchover::source::state::SourceTask;
use crate::store::StoreError;

/// What the master has sent before the seal, as it is kept, and what came of its import.
type Draft = (Bounded<Call, CALLS_MAX>, Option<Performed>);

impl SourceTask {
    /// Returns the root of what is sealed.
    pub(super) fn sealed_root(&self) -> Option<Hash> {
        match &self.record.state {
            SourceState::Relaying(relaying) => relaying.root,
            SourceState::Answered(answered) => Some(answered.root),
            SourceState::Committed(committed) => Some(committed.root),
            _ => None,
        }
    }

    /// Reads the set back out of what was sealed before a restart.
    pub(super) async fn recall(&mut self) {
        if !matches!(&self.record.state, SourceState::Relaying(relaying) if relaying.root.is_none()) {
            // The controller was asked, or it would have sent nothing.
            self.side.relay.initiated = true;
            self.tracked.set_begun();
        }
        // Some of it may have been kept before a restart.
        self.side.relay.log_to_carry = self.record.is_committed();
        let Some(root) = self.sealed_root() else { return self.recall_draft().await };
        match seal::read(&self.core, root).await {
            Ok((_, snapshot)) => {
                let sent = snapshot.calls.iter().filter(|call| !matches!(call, Call::CheckMachines(_)));
                self.side.relay.set.calls = sent.cloned().collect();
            }
            Err(text) => tracing::error!("{text}"),
        }
    }

    /// Reads what the master has sent before a restart, which is not sealed yet. A master whose call has broken off aborts; one
    /// whose calls were all answered goes on.
    async fn recall_draft(&mut self) {
        let (store, mid) = (self.core.parts.store.clone(), self.record.head.mid);
        let drafted = Core::blocking(move || {
            let Some(bytes) = store.drafted(mid)? else { return Ok(None) };
            let draft: Option<Draft> = decode(&bytes).ok();
            // What a kill has taken back: the blobs are there, and held again.
            let blobs = draft.iter().flat_map(|(calls, _)| calls.iter()).filter_map(Call::blob);
            store.want(mid, blobs.map(|blob| blob.hash))?;
            Ok::<_, StoreError>(draft)
        });
        match drafted.await {
            Ok(Some((calls, import))) => {
                let set = &mut self.side.relay.set;
                set.calls = calls.to_vec();
                set.outcomes.extend(import.map(|outcome| (IMPORT, outcome)));
                set.kept_import = set.import().is_some();
                set.send_again();
            }
            Ok(None) => {}
            Err(error) => tracing::error!("what the master has sent cannot be read: {error}"),
        }
    }

    /// Makes what the master has sent durable, with what came of the import.
    ///
    /// Errors: [`RelayError::Storage`].
    async fn keep_draft(&self, calls: Vec<Call>) -> Result<(), RelayError> {
        let storage = |error: String| RelayError::Storage(error);
        let calls = Bounded::new(calls).map_err(|error| storage(error.to_string()))?;
        let draft: Draft = (calls, self.side.relay.set.import().cloned());
        let (store, mid) = (self.core.parts.store.clone(), self.record.head.mid);
        let kept = Core::blocking(move || store.draft(mid, &encode(&draft)));
        kept.await.map_err(|error| storage(error.to_string()))
    }

    /// Makes what came of the import durable before the master is told.
    ///
    /// Errors: [`RelayError::Storage`].
    pub(super) async fn keep_import(&mut self) -> Result<(), RelayError> {
        let set = &self.side.relay.set;
        if self.sealed_root().is_some() || set.kept_import || set.import().is_none() {
            return Ok(());
        }
        self.keep_draft(set.calls.clone()).await?;
        self.side.relay.set.kept_import = true;
        Ok(())
    }

    /// Adds what the master has sent, unless it has sent the same before. Durable when this returns.
    pub(super) async fn add(&mut self, call: &Call) -> Result<(), RelayError> {
        let what = named(call);
        let mut before = self.side.relay.set.calls.iter();
        if let Some(before) = before.find(|before| before.imports() == call.imports() && named(before) == what) {
            let (held, sent) = (hash_of(before), hash_of(call));
            return if held == sent { Ok(()) } else { Err(RelayError::OtherBytes { what, held, sent }) };
        }
        if self.side.relay.set.calls.len() + 1 >= CALLS_MAX {
            return Err(RelayError::Ended(format!("a model has at most {CALLS_MAX} binaries")));
        }
        let blob = call.blob().unwrap_or_default();
        let (store, mid) = (self.core.parts.store.clone(), self.record.head.mid);
        // Held until the migration is over.
        let wanted = Core::blocking(move || store.want(mid, [blob.hash])).await;
        wanted.map_err(|error| RelayError::Storage(error.to_string()))?;
        self.keep_draft([&self.side.relay.set.calls[..], std::slice::from_ref(call)].concat()).await?;
        self.side.relay.set.calls.push(call.clone());
        self.side.relay.set.to_send.push(blob);
        // It is asked for again soon, should the question be lost.
        self.line.reset();
        Ok(())
    }

    /// Seals the set. Durable when this returns.
    pub(super) async fn seal_set(&mut self) -> Result<(), RelayError> {
        if self.sealed_root().is_some() {
            return Ok(());
        }
        if !self.side.relay.set.is_imported() {
            return Err(RelayError::Ended("nothing has been imported".to_owned()));
        }
        let storage = |error: String| RelayError::Storage(error);
        let (head, terms) = (&self.record.head, &self.tracked.terms);
        let check = Call::CheckMachines(Params::default());
        let calls: Vec<Call> = self.side.relay.set.calls.iter().cloned().chain([check]).collect();
        let snapshot = Snapshot {
            mid: head.mid,
            model: head.model,
            epoch_to: head.epoch_to,
            name: Name::cut(&*terms.name),
            owner: Name::cut(&*terms.owner),
            complete: true,
            calls: Bounded::new(calls).map_err(|error| storage(error.to_string()))?,
        };
        let (bytes, root) = snapshot.seal().map_err(|error| storage(error.to_string()))?;
        let (store, mid) = (self.core.parts.store.clone(), head.mid);
        // Durable before the record that names it.
        let stored = Core::blocking(move || {
            store.want(mid, [root])?;
            store.put_bytes(&bytes)
        });
        stored.await.map_err(|error| storage(error.to_string()))?;
        self.relayed(RelayInput::Sealed(root)).await;
        self.side.relay.set.outcomes.clear();
        Ok(())
    }

    /// Asks the target to perform what it has not answered yet.
    pub(super) async fn stage_more(&mut self) {
        let Some(conversation) = self.line.conversation() else { return };
        let key = MigrationKey::of(&self.record.head);
        let next = match &self.record.state {
            SourceState::Relaying(relaying) if relaying.root.is_none() => self.side.relay.set.due_calls(),
            // Before its vote the target is at the very check.
            SourceState::Relaying(_) | SourceState::Answered(_) if self.side.voted => self.side.relay.set.due_check(),
            _ => Vec::new(),
        };
        for (id, call) in next {
            Core::say(&conversation.session, Message::Stage(Stage { key, id, call })).await;
        }
    }
}
