//! What a message leads to, through the shipped machines.

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::message::{End, Message, MigrationKey, Staged};
use modelferry_protocol::snapshot::{Performed, Reply};
use modelferry_protocol::switch::offer::{self, OfferRefused};
use modelferry_protocol::switch::source::{self, SourceInput, SourceRecord, SourceState};
use modelferry_protocol::switch::table;
use modelferry_protocol::switch::target::{self, TargetInput, TargetRecord, TargetState};
use modelferry_protocol::switch::{Head, Outcome, Profile};

use crate::controller::{Call, Effect};
use crate::network::{is_from_source, readdressed};
use crate::world::{AgentIndex, Attempt, MODEL, Rules, World, attempt_of, mid, no_cause};

impl World {
    /// Returns the agent that hears `message`.
    pub fn hearer(&self, message: &Message) -> AgentIndex {
        let key = message.key().expect("only switchover messages are said");
        let source = self.sources[attempt_of(key.mid) as usize];
        if is_from_source(message) { 1 - source } else { source }
    }

    pub fn deliver(&mut self, message: &Message, rules: &Rules) {
        let agent = self.hearer(message);
        if self.destroyed == Some(agent) {
            return;
        }
        let attempt = attempt_of(message.key().expect("as above").mid);
        match self.agents[agent].last_record(attempt).cloned() {
            Some(LastRecord::Source(record)) if record.head.profile == Profile::Gateway => {
                self.relay_hears(attempt, message);
            }
            Some(LastRecord::Source(_)) => {
                self.feed_source(agent, attempt, SourceInput::Heard { message, fresh: true })
            }
            Some(LastRecord::Target(record)) => match message {
                Message::Offer(_) if rules.offer_resets => self.offered(agent, message, None, rules),
                Message::Offer(_) if rules.no_tombstone && matches!(record.state, TargetState::Dropped(_)) => {
                    self.offered(agent, message, None, rules);
                }
                Message::Stage(stage) => {
                    let blob = stage.call.blob().expect("only imports are sent ahead here");
                    self.feed_target(agent, attempt, TargetInput::Import(blob.hash), rules);
                }
                Message::Offer(_) => {
                    self.offered(agent, message, Some(&record), rules);
                    self.feed_target(agent, attempt, TargetInput::Heard(message), rules);
                }
                _ => self.feed_target(agent, attempt, TargetInput::Heard(message), rules),
            },
            None if matches!(message, Message::Offer(_)) => self.offered(agent, message, None, rules),
            None if !is_from_source(message) => self.asked_in_vain(agent, message, rules),
            None => {}
        }
    }

    /// Delivers `message` as if it were about `attempt`.
    pub fn misdeliver(&mut self, message: &Message, attempt: Attempt, rules: &Rules) {
        let agent = self.hearer(message);
        let journal = match self.agents[agent].last_record(attempt) {
            Some(LastRecord::Source(record)) if !is_from_source(message) => record.head.journal,
            Some(LastRecord::Target(record)) if is_from_source(message) => record.head.journal,
            _ => return,
        };
        if !matches!(message, Message::Offer(_)) {
            self.deliver(&readdressed(message, MigrationKey { mid: mid(attempt), journal }), rules);
        }
    }

    fn offered(&mut self, agent: AgentIndex, message: &Message, known: Option<&TargetRecord>, rules: &Rules) {
        let Message::Offer(offer) = message else { return };
        let attempt = attempt_of(offer.key.mid);
        let head = Head {
            mid: offer.key.mid,
            model: offer.model,
            epoch_to: offer.epoch_to,
            peer: World::pin(1 - agent),
            journal: offer.key.journal,
            profile: offer.profile,
        };
        let ledger = self.agents[agent].ledger();
        let epoch = if rules.offer_resets || rules.no_tombstone { 0 } else { ledger.epoch(MODEL) };
        match offer::accept(head, known, epoch, ledger.busy(MODEL)) {
            Ok(record) if known == Some(&record) => {}
            Ok(record) => {
                assert!(known.is_none(), "an offer took a record back");
                self.append(agent, attempt, LastRecord::Target(record));
            }
            Err(OfferRefused::Tombstone(cause)) => self.said.insert(&Message::Dropped(End { key: offer.key, cause })),
            Err(refused) => {
                let offering = matches!(
                    self.agents[1 - agent].last_record(attempt),
                    Some(LastRecord::Source(SourceRecord {
                        state: SourceState::Offered | SourceState::Freezing(_),
                        ..
                    }))
                );
                let lives = self.destroyed != Some(1 - agent);
                self.epoch_refused |= offering && lives && matches!(refused, OfferRefused::Epoch { .. });
                self.said.insert(&Message::Refused(End { key: offer.key, cause: no_cause() }));
            }
        }
    }

    /// The source's journal has no record of what a target asks about.
    fn asked_in_vain(&mut self, agent: AgentIndex, message: &Message, rules: &Rules) {
        let key = message.key().expect("only switchover messages are said");
        if !rules.lost_journal_aborts {
            self.said.insert(&source::answer_unknown(key, self.journal(agent)));
            return;
        }
        // The mutant takes the missing record for an abort, and so takes the model back.
        let head = Head {
            mid: key.mid,
            model: MODEL,
            epoch_to: 1,
            peer: World::pin(1 - agent),
            journal: key.journal,
            profile: Profile::Embedded,
        };
        let record = SourceRecord { head, state: SourceState::Aborting(no_cause()) };
        self.append(agent, attempt_of(key.mid), LastRecord::Source(record));
    }

    pub fn feed_source(&mut self, agent: AgentIndex, attempt: Attempt, input: SourceInput<'_>) {
        let Some(LastRecord::Source(record)) = self.agents[agent].last_record(attempt) else { return };
        match source::on(record, input) {
            Outcome::Record(state) => {
                let last = LastRecord::Source(record.with(state));
                assert_eq!(table::check(self.agents[agent].last_record(attempt), &last), Ok(()));
                self.append(agent, attempt, last);
            }
            Outcome::Reply(message) => self.said.insert(&message),
            Outcome::Ignore(_) => {}
        }
    }

    pub fn feed_target(&mut self, agent: AgentIndex, attempt: Attempt, input: TargetInput<'_>, rules: &Rules) {
        let Some(LastRecord::Target(record)) = self.agents[agent].last_record(attempt).cloned() else { return };
        match target::on(&record, input) {
            Outcome::Record(state) => {
                let entered = record.with(state);
                let (last, next) = (LastRecord::Target(record), LastRecord::Target(entered.clone()));
                assert_eq!(table::check(Some(&last), &next), Ok(()));
                self.target_enters(agent, attempt, entered, rules);
            }
            Outcome::Reply(message) => {
                self.said.insert(&message);
                // A seal of this migration: every chunk of it arrives at once.
                let waits = matches!(record.state, TargetState::Receiving | TargetState::Imported(_));
                if let (true, TargetInput::Heard(Message::Seal(seal))) = (waits, input) {
                    let (root, description) = (seal.root, seal.root);
                    self.feed_target(agent, attempt, TargetInput::Complete { root, description }, rules);
                }
            }
            Outcome::Ignore(_) => {}
        }
    }

    pub fn renounce(&mut self, agent: AgentIndex, attempt: Attempt, rules: &Rules) {
        let Some(LastRecord::Target(record)) = self.agents[agent].last_record(attempt) else { return };
        let head = record.head;
        if rules.live_given_back && matches!(record.state, TargetState::Live(_)) {
            // The mutant takes the failure of an adoption for one of the activation.
            let record = TargetRecord { head, state: TargetState::Dropped(no_cause()) };
            return self.append(agent, attempt, LastRecord::Target(record));
        }
        let mut asked = record.clone();
        if rules.renounce_always {
            asked.head.profile = Profile::Embedded;
        }
        if let Outcome::Record(state) = target::on(&asked, TargetInput::Renounce(&no_cause())) {
            self.target_enters(agent, attempt, TargetRecord { head, state }, rules);
        }
    }

    fn target_enters(&mut self, agent: AgentIndex, attempt: Attempt, record: TargetRecord, rules: &Rules) {
        let ahead = match &record.state {
            TargetState::Staging(staging) if rules.vote_before_staged => {
                target::says(&record.with(TargetState::Prepared(staging.root)))
            }
            // Not said on entering by the machine: the answer to the question for it.
            TargetState::Imported(_) => {
                let outcome = Performed::Done(Reply::default());
                Some(Message::Staged(Staged { key: MigrationKey::of(&record.head), id: 0, outcome }))
            }
            TargetState::Dropping(dropping) if rules.dropped_before_discard => {
                target::says(&record.with(TargetState::Dropped(dropping.cause.clone())))
            }
            TargetState::Prepared(_) if rules.live_on_vote => {
                self.agents[agent].controller.perform(Call { by: attempt, effect: Effect::Activate(None) }, rules);
                None
            }
            _ => None,
        };
        ahead.iter().for_each(|message| self.said.insert(message));
        self.append(agent, attempt, LastRecord::Target(record));
    }
}
