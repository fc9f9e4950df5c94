//! What operators allow: to a peer, and to all of them together; always, or by the week.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modelferry_protocol::ids::Pin;
use tokio::sync::watch;

use super::lane::{Lane, SharedBucket};
use super::pace::segments_under;
use crate::config::{LinkSettings, Rate};

/// What is sent in a pause: enough for connections to live, and for a question and its answer. Bytes per second.
const PAUSE_BYTES_PER_SECOND: u64 = 8_000;

/// A cap, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapView {
    /// To whom; to all together without.
    pub peer: Option<String>,
    /// What may be sent now; any amount without.
    pub now: Option<Rate>,
    /// What was set by hand: a rate, or none at all.
    pub by_hand: Option<Option<Rate>>,
}

/// The cap of a peer, whichever connection leads there.
#[derive(Debug, Clone)]
struct PeerCap {
    bucket: SharedBucket,
    is_paused: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    peers: HashMap<Pin, PeerCap>,
    /// What was set by hand; the agent's own under no pin.
    by_hand: HashMap<Option<Pin>, Option<Rate>>,
    /// What the work under way to a peer may send.
    work: HashMap<Pin, Rate>,
}

/// What an operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So much; nothing is a pause.
    AtMost(Rate),
    /// Any amount, whatever is configured.
    Any,
    /// What is configured.
    Configured,
}

/// All caps of an agent.
#[derive(Debug)]
pub(in crate::link) struct Caps {
    settings: LinkSettings,
    agent: SharedBucket,
    segments: Arc<AtomicUsize>,
    state: Mutex<State>,
}

impl Caps {
    pub(in crate::link) fn new(settings: LinkSettings) -> Self {
        let segments = Arc::new(AtomicUsize::new(segments_under(None)));
        Self { settings, agent: SharedBucket::new(), segments, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many datagrams the socket may hand over at once, as it changes.
    pub(in crate::link) fn segments(&self) -> Arc<AtomicUsize> {
        self.segments.clone()
    }

    /// Makes the lane of a new connection, under the agent's cap.
    pub(in crate::link) fn lane(&self) -> Arc<Lane> {
        Lane::new(self.agent.clone())
    }

    /// Returns the peer's bucket, for a connection that has turned out to lead to it.
    pub(in crate::link) fn bucket(&self, peer: Pin) -> SharedBucket {
        self.state().peer(peer).bucket.clone()
    }

    /// Returns a view of whether sending to a peer is paused.
    pub(in crate::link) fn paused(&self, peer: Pin) -> watch::Receiver<bool> {
        self.state().peer(peer).is_paused.subscribe()
    }

    /// Sets a cap by hand, in the place of the configured one.
    pub(in crate::link) fn set(&self, peer: Option<Pin>, limit: Limit) {
        let mut state = self.state();
        match limit {
            Limit::AtMost(rate) => state.by_hand.insert(peer, Some(rate)),
            Limit::Any => state.by_hand.insert(peer, None),
            Limit::Configured => state.by_hand.remove(&peer),
        };
    }

    /// Returns what was set by hand; the agent's own under no pin.
    pub(in crate::link) fn by_hand(&self) -> HashMap<Option<Pin>, Option<Rate>> {
        self.state().by_hand.clone()
    }

    /// Sets what the work that is under way to a peer may send, beneath what operators allow the peer.
    pub(in crate::link) fn set_work(&self, peer: Pin, rate: Option<Rate>) {
        let mut state = self.state();
        match rate {
            Some(rate) => state.work.insert(peer, rate),
            None => state.work.remove(&peer),
        };
    }

    /// Forgets a peer.
    pub(in crate::link) fn forget(&self, peer: Pin) {
        let mut state = self.state();
        state.peers.remove(&peer);
        state.by_hand.remove(&Some(peer));
        state.work.remove(&peer);
    }

    /// Returns the cap that holds at a time of the week: by hand or else configured, and less while a window says so.
    fn at(&self, state: &State, peer: Option<(Pin, &str)>, day: usize, minute: u16) -> Option<Rate> {
        let configured = match peer {
            Some((_, name)) => self.settings.peers.get(name).copied(),
            None => self.settings.bwlimit,
        };
        let base = state.by_hand.get(&peer.map(|(pin, _)| pin)).copied().unwrap_or(configured);
        let windows = self.settings.windows.iter();
        let open = windows.filter(|window| window.peer.as_deref() == peer.map(|(_, name)| name));
        let open = open.filter(|window| window.is_open(day, minute)).map(|window| window.bwlimit);
        open.chain(base).min()
    }

    /// Makes the caps hold that belong to a time of the week, and returns them, the agent's first.
    pub(in crate::link) fn apply(&self, peers: &[(Pin, String)], day: usize, minute: u16) -> Vec<CapView> {
        let mut state = self.state();
        let whole = self.at(&state, None, day, minute);
        self.agent.set_rate(whole.map(bytes));
        let mut views = vec![CapView { peer: None, now: whole, by_hand: state.by_hand.get(&None).copied() }];
        let mut leasts: Vec<Rate> = whole.into_iter().collect();
        for (pin, name) in peers {
            let now = self.at(&state, Some((*pin, name)), day, minute);
            let least = state.work.get(pin).copied().into_iter().chain(now).min();
            leasts.extend(least);
            let cap = state.peer(*pin);
            cap.bucket.set_rate(least.map(bytes));
            let is_paused = [whole, now].into_iter().flatten().any(Rate::is_pause);
            cap.is_paused.send_if_modified(|shown| std::mem::replace(shown, is_paused) != is_paused);
            let by_hand = state.by_hand.get(&Some(*pin)).copied();
            views.push(CapView { peer: Some(name.clone()), now, by_hand });
        }
        let least = leasts.into_iter().map(bytes).min();
        self.segments.store(segments_under(least), Ordering::Relaxed);
        views
    }
}

impl State {
    fn peer(&mut self, peer: Pin) -> &PeerCap {
        self.peers
            .entry(peer)
            .or_insert_with(|| PeerCap { bucket: SharedBucket::new(), is_paused: watch::Sender::new(false) })
    }
}

fn bytes(rate: Rate) -> u64 {
    rate.bytes().max(PAUSE_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Window;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn now(caps: &Caps, peers: &[(Pin, String)], day: usize, hour: u16) -> Vec<Option<Rate>> {
        caps.apply(peers, day, hour * 60).into_iter().map(|view| view.now).collect()
    }

    #[test]
    fn the_least_cap_that_applies_holds() {
        let window = |bwlimit, peer: Option<&str>| Window {
            days: [true, true, true, true, true, false, false],
            from: 8 * 60,
            to: 18 * 60,
            bwlimit: rate(bwlimit),
            peer: peer.map(str::to_owned),
        };
        let settings = LinkSettings {
            bwlimit: Some(rate("100mbit")),
            peers: [("south".to_owned(), rate("20mbit"))].into(),
            windows: vec![window("50mbit", None), window("0", Some("south"))],
            ..LinkSettings::default()
        };
        let caps = Caps::new(settings);
        let (south, east) = (Pin([1; 32]), Pin([2; 32]));
        let peers = [(south, "south".to_owned()), (east, "east".to_owned())];
        assert_eq!(now(&caps, &peers, 5, 9), [Some(rate("100mbit")), Some(rate("20mbit")), None]);
        assert!(!*caps.paused(south).borrow());
        assert_eq!(now(&caps, &peers, 4, 9), [Some(rate("50mbit")), Some(rate("0")), None]);
        assert!(*caps.paused(south).borrow() && !*caps.paused(east).borrow());

        caps.set(None, Limit::AtMost(rate("10mbit")));
        caps.set(Some(south), Limit::Any);
        assert_eq!(now(&caps, &peers, 4, 9), [Some(rate("10mbit")), Some(rate("0")), None], "a window still holds");
        assert_eq!(now(&caps, &peers, 5, 9), [Some(rate("10mbit")), None, None]);
        caps.set_work(east, Some(rate("1mbit")));
        assert_eq!(now(&caps, &peers, 5, 9)[2], None, "what one piece of work may send is no cap of the peer's");
        caps.set(None, Limit::AtMost(rate("0")));
        now(&caps, &peers, 5, 9);
        assert!(*caps.paused(east).borrow(), "a pause of the agent is one of every peer");

        caps.set(None, Limit::Configured);
        caps.set(Some(south), Limit::Configured);
        assert_eq!(now(&caps, &peers, 5, 9), [Some(rate("100mbit")), Some(rate("20mbit")), None]);
    }
}
