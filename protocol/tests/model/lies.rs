//! A peer that lies about the model's owner: it claims the model at any moment, with every signature that it really has.

use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::limits::EPOCH_FORCED_STEP;
use modelferry_protocol::message::{Claim, Message, MigrationKey, SignedCommit, seized_bytes};
use modelferry_protocol::ownership::{Judgement, Signer, judge};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::switch::{CommitStamp, Signature};

use crate::controller::Held;
use crate::network::message_at;
use crate::world::{Action, AgentIndex, Attempt, MODEL, Rules, World, attempt_of};

/// What holds the model for no migration, but for a conflict.
const CONFLICT: Attempt = Attempt::MAX;
/// A paired peer of both agents that never had the model.
const THIRD: Pin = Pin([0xee; 32]);

/// Who lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liar {
    /// The other agent: it has what the hearer has signed to it.
    Other,
    /// Somebody else. It has what the two have printed.
    Third,
}

/// What is shown as a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    /// What the hearer signed when it committed a migration.
    Commit(Attempt),
    /// The liar's own word that it has taken the model back.
    Seized,
}

impl World {
    /// Lists the lies that can be told to each agent that has the model in service.
    pub fn lies(&self, actions: &mut Vec<Action>) {
        for hearer in (0..self.agents.len()).filter(|agent| self.serves(*agent)) {
            let commits = self.commits_of(hearer).map(|(attempt, _)| Shown::Commit(attempt));
            let shown: Vec<Shown> = commits.chain([Shown::Nothing, Shown::Seized]).collect();
            for liar in [Liar::Other, Liar::Third] {
                // The source may take back what it has brought: its word is no lie that the target could know.
                let may =
                    |shown: &&Shown| !(**shown == Shown::Seized && liar == Liar::Other && self.was_brought(hearer));
                actions.extend(shown.iter().filter(may).map(|shown| Action::Lie(hearer, liar, *shown)));
            }
        }
    }

    /// Reports whether an agent has the model in service: no journal says otherwise, and no migration is about to decide.
    fn serves(&self, agent: AgentIndex) -> bool {
        let ledger = self.agents[agent].ledger();
        self.agents[agent].controller.is_live() && (ledger.is_live(MODEL) || ledger.busy(MODEL).is_none())
    }

    /// Reports whether a migration from the other agent has made the model live at this one.
    fn was_brought(&self, agent: AgentIndex) -> bool {
        self.agents[agent].ledger().came_from(MODEL) == Some(Self::pin(1 - agent))
    }

    /// Returns the commits that an agent has ever said, with what they are about.
    fn commits_of(&self, agent: AgentIndex) -> impl Iterator<Item = (Attempt, SignedCommit)> {
        self.said.places().filter_map(move |place| {
            let Message::Commit(commit) = message_at(place) else { return None };
            let MigrationKey { mid, journal } = commit.key;
            let attempt = attempt_of(mid);
            let signed = SignedCommit {
                mid,
                epoch_to: commit.epoch_to,
                root: commit.root,
                journal,
                stamp: CommitStamp::default(),
            };
            (self.sources[attempt as usize] == agent).then_some((attempt, signed))
        })
    }

    /// Has an agent hear a lie.
    pub fn lie(&mut self, hearer: AgentIndex, liar: Liar, shown: Shown, rules: &Rules) {
        let (own, other) = (Self::pin(hearer), Self::pin(1 - hearer));
        let peer = if liar == Liar::Other { other } else { THIRD };
        let ledger = self.agents[hearer].ledger();
        let epoch = if rules.own_epoch_ignored { 0 } else { ledger.epoch(MODEL) };
        let claimed = ledger.epoch(MODEL) + EPOCH_FORCED_STEP;
        let commit = self.commits_of(hearer).find(|(attempt, _)| shown == Shown::Commit(*attempt));
        let commit = commit.map(|(_, signed)| {
            let statement = Statement::of_commit(&signed, MODEL, own, other);
            let stamp = CommitStamp { signature: sign(own, &statement.signed_bytes()), ..CommitStamp::default() };
            SignedCommit { stamp, ..signed }
        });
        let seized = (shown == Shown::Seized).then(|| sign(peer, &seized_bytes(MODEL, claimed, own)));
        let claim = Claim { model: MODEL, epoch: claimed, live: true, commit, seized };
        let is_signed = |signer, bytes: &[u8], signature: &[u8]| {
            let signer = if signer == Signer::Hearer { own } else { peer };
            *sign(signer, bytes) == *signature
        };
        let judgement = judge(&claim, epoch, ledger.came_from(MODEL), (own, peer), is_signed);
        let yields = matches!(judgement, Judgement::Yields(_)) || rules.claims_need_no_proof;
        let held = &mut self.agents[hearer].controller.held;
        if let (true, Held::Live { writes, .. }) = (yields, *held) {
            *held = Held::Frozen { by: CONFLICT, writes };
        }
    }
}

/// Stands for a signature: nobody but its signer makes one here.
fn sign(signer: Pin, bytes: &[u8]) -> Signature {
    let half = Hash::of(&[&signer.0[..], bytes].concat()).0;
    let both: [u8; 64] = [half, half].concat().try_into().expect("twice 32 bytes");
    both.into()
}
