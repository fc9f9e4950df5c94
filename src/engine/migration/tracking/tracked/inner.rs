//! The state of a tracked migration that changes, and the view that is made of it.

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::record::Orders;
use modelferry_protocol::switch::Terms;
use tokio::sync::mpsc;

use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::mailbox::orders;
use crate::engine::migration::status_text;
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked_state::TrackedState;
use crate::engine::migration::tracking::undecided::Undecided;
use crate::engine::view;
use crate::engine::view::{Bytes, Direction, Failing, MigrationView};

/// The state of a migration that changes; a lock is around it.
pub(super) struct Inner {
    /// The other side's controller, as it was described last.
    pub(super) controller: ControllerCard,
    pub(super) state: TrackedState,
    pub(super) history: History,
    pub(super) orders: Orders,
    pub(super) after: status_text::After,
    pub(super) offered: bool,
    /// Whether a controller that drives its migrations has said that it begins this one.
    pub(super) begun: bool,
    /// What a source whose model is live is at, where the state alone does not tell.
    pub(super) phase: Option<String>,
    pub(super) in_doubt_after_ms: u64,
    pub(super) undecided: Option<Undecided>,
    pub(super) waiting: Option<String>,
    /// What fails, if that is why it waits.
    pub(super) failing: Option<Failing>,
    /// Why nothing may be sent to the peer, if that is so.
    pub(super) limit: Option<String>,
    pub(super) mailbox: Option<mpsc::Sender<Event>>,
}

impl Inner {
    pub(super) fn begin(terms: &Terms, state: TrackedState, history: History) -> Self {
        Self {
            controller: terms.controller.clone(),
            state,
            orders: Orders::none(terms.mid),
            after: status_text::After::default(),
            offered: false,
            begun: false,
            phase: None,
            in_doubt_after_ms: view::IN_DOUBT_AFTER_MS,
            undecided: history.undecided_since_ms.map(|since_ms| Undecided::before(since_ms, crate::clock::now_ms())),
            waiting: None,
            failing: None,
            limit: None,
            mailbox: None,
            history,
        }
    }

    /// Returns what it waits for.
    pub(super) fn waits_for(&self, bytes: &Bytes) -> Option<String> {
        let limit = self.limit.clone().filter(|_| self.state.sends(bytes, &self.after));
        self.waiting.clone().or(limit)
    }

    /// Returns the view of it.
    ///
    /// `own`, `peer`: the pins of this agent and of the other.
    pub(super) fn view(&self, terms: &Terms, [own, peer]: [Pin; 2], bytes: Bytes) -> MigrationView {
        let waiting = self.waits_for(&bytes);
        // While it waits nothing moves, and nobody knows when it will.
        let bytes = if waiting.is_some() { Bytes { rate: 0.0, ..bytes } } else { bytes };
        let (state, direction) = (&self.state, self.state.direction());
        let note = self.phase.clone().unwrap_or_else(|| state.note(terms.model, self.offered, &bytes, &self.after));
        let history = &self.history;
        MigrationView {
            id: state.id(terms.model, terms.attempt),
            kind: state.kind(),
            mid: terms.mid.to_string(),
            model_uuid: terms.model.to_string(),
            model: terms.name.to_string(),
            owner: terms.owner.to_string(),
            direction,
            peer: terms.peer.to_string(),
            controller: self.controller.name.to_string(),
            state: state.state(),
            stand: state.stand(),
            note,
            waiting: waiting.or_else(|| self.phase.clone()),
            failing: self.failing,
            orders: orders::view(&self.orders),
            cause: history.cause.clone(),
            started_ms: history.started_ms,
            ended_ms: history.ended_ms,
            undecided_since_ms: history.undecided_since_ms,
            undecided_ms: self
                .undecided
                .zip(history.undecided_since_ms)
                .map(|(undecided, since_ms)| undecided.for_ms(since_ms, crate::clock::now_ms())),
            in_doubt_after_ms: self.in_doubt_after_ms,
            reap_due_ms: self.after.reap_due_ms.filter(|_| state.is_handed()),
            frozen_ms: history.frozen_ms(),
            root: state.root().map(|root| root.to_string()),
            source_pin: if direction == Direction::Source { own } else { peer }.to_string(),
            target_pin: if direction == Direction::Source { peer } else { own }.to_string(),
            bytes,
        }
    }
}
