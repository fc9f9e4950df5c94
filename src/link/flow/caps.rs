//! The operators' caps on the rate: for each peer and for the whole agent, permanent or by weekly window.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::pace::segments_under;
use super::send_schedule::{SendSchedule, SharedBucket};
use crate::config::{LinkSettings, Rate, Window};

/// Rate during a pause, in bytes per second: enough to keep connections alive and to exchange a few control messages.
const PAUSE_BYTES_PER_SECOND: u64 = 8_000;

/// Names of the days for display, from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A cap in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapView {
    /// The peer's name; `None`: all peers together.
    pub peer: Option<String>,
    /// The rate in force; `None`: unlimited.
    pub now: Option<Rate>,
    /// The rate that an operator set, if any; `Some(None)`: unlimited.
    pub by_hand: Option<Option<Rate>>,
    /// Whether the rate in force is that of an open weekly window, which is less than what else applies.
    pub is_window: bool,
    /// When a cap of 0, or of a window, ends by itself; `None` if an operator must end it.
    pub until: Option<Until>,
}

/// A time within the next seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// Day of the week, 0 for Monday; `None` if the time is less than a day ahead.
    day: Option<usize>,
    /// Minutes after midnight, local time.
    minute: u16,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(day) = self.day {
            write!(f, "{} ", DAYS[day])?;
        }
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

/// A pause of sending: a cap of 0, by an operator or by a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The paused peer; `None`: all peers.
    peer: Option<String>,
    /// Whether a window pauses, and not a cap that was set or configured.
    is_window: bool,
    /// When the pause ends by itself; `None` if an operator must end it.
    until: Option<Until>,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit for {} is 0", self.peer.as_deref().unwrap_or("all peers"))?;
        f.write_str(if self.is_window { " by a window" } else { "" })?;
        self.until.map_or(Ok(()), |until| write!(f, " until {until}"))
    }
}

/// The caps of one peer, for all connections to it.
#[derive(Debug, Clone)]
struct PeerCap {
    bucket: SharedBucket,
    is_paused: watch::Sender<bool>,
    /// The pause for display.
    pause: Option<Pause>,
    /// The operators' cap, without the cap of the running work.
    allowed: Option<Rate>,
}

#[derive(Debug, Default)]
struct State {
    peers: HashMap<Pin, PeerCap>,
    /// Caps set by an operator. The key `None` is the agent's own cap; the value `None` means unlimited.
    by_hand: HashMap<Option<Pin>, Option<Rate>>,
    /// Caps of the running work to each peer.
    work: HashMap<Pin, Rate>,
}

/// An operator's setting of a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this rate; 0 is a pause.
    AtMost(Rate),
    /// Unlimited, whatever the configuration says.
    Any,
    /// As configured.
    Configured,
}

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

    /// Returns the maximum number of datagrams in one send call. The value changes with the caps.
    pub(in crate::link) fn segments(&self) -> Arc<AtomicUsize> {
        self.segments.clone()
    }

    /// Returns the schedule of a new connection, under the agent's cap.
    pub(in crate::link) fn schedule(&self) -> Arc<SendSchedule> {
        SendSchedule::new(self.agent.clone())
    }

    /// Returns the bucket of a peer, for a connection that turned out to lead to it.
    pub(in crate::link) fn bucket(&self, peer: Pin) -> SharedBucket {
        self.state.lock().peer(peer).bucket.clone()
    }

    /// Subscribes to whether sending to a peer is paused.
    pub(in crate::link) fn paused(&self, peer: Pin) -> watch::Receiver<bool> {
        self.state.lock().peer(peer).is_paused.subscribe()
    }

    /// Returns the pause of sending to a peer, if any.
    pub(in crate::link) fn pause(&self, peer: Pin) -> Option<Pause> {
        self.state.lock().peer(peer).pause.clone()
    }

    /// Returns the operators' cap for a peer; `None`: unlimited.
    pub(in crate::link) fn allowed(&self, peer: Pin) -> Option<Rate> {
        self.state.lock().peer(peer).allowed
    }

    /// Sets a cap that overrides the configured one.
    pub(in crate::link) fn set(&self, peer: Option<Pin>, limit: Limit) {
        let mut state = self.state.lock();
        match limit {
            Limit::AtMost(rate) => state.by_hand.insert(peer, Some(rate)),
            Limit::Any => state.by_hand.insert(peer, None),
            Limit::Configured => state.by_hand.remove(&peer),
        };
    }

    /// Returns the caps set by an operator. The key `None` is the agent's own cap.
    pub(in crate::link) fn by_hand(&self) -> HashMap<Option<Pin>, Option<Rate>> {
        self.state.lock().by_hand.clone()
    }

    /// Sets a cap for the running work to a peer, in addition to the operators' cap.
    pub(in crate::link) fn set_work(&self, peer: Pin, rate: Option<Rate>) {
        let mut state = self.state.lock();
        match rate {
            Some(rate) => state.work.insert(peer, rate),
            None => state.work.remove(&peer),
        };
    }

    pub(in crate::link) fn forget(&self, peer: Pin) {
        let mut state = self.state.lock();
        state.peers.remove(&peer);
        state.by_hand.remove(&Some(peer));
        state.work.remove(&peer);
    }

    /// Returns the cap apart from windows: the operator's, or else the configured one.
    fn base(&self, state: &State, peer: Option<(Pin, &str)>) -> Option<Rate> {
        let configured = match peer {
            Some((_, name)) => self.settings.peers.get(name).copied(),
            None => self.settings.bwlimit,
        };
        state.by_hand.get(&peer.map(|(pin, _)| pin)).copied().unwrap_or(configured)
    }

    /// Returns the cap at a time of the week: the base, lowered by an open window.
    fn at(&self, state: &State, peer: Option<(Pin, &str)>, day: usize, minute: u16) -> Option<Rate> {
        let base = self.base(state, peer);
        let windows = self.settings.windows.iter();
        let open = windows.filter(|window| window.peer.as_deref() == peer.map(|(_, name)| name));
        let open = open.filter(|window| window.is_open(day, minute)).map(|window| window.bwlimit);
        open.chain(base).min()
    }

    /// Returns when what holds at this time of the week ends by itself, if it does.
    fn until(&self, day: usize, minute: u16, holds: impl Fn(usize, u16) -> bool) -> Option<Until> {
        let mut edges: Vec<u16> = self.settings.windows.iter().flat_map(Window::edges).collect();
        edges.sort_unstable();
        let all = (0..=7).flat_map(|ahead| edges.iter().map(move |edge| (ahead, *edge)));
        let mut later = all.filter(|(ahead, edge)| (*ahead, *edge) > (0, minute));
        let (ahead, edge) = later.find(|(ahead, edge)| !holds((day + ahead) % 7, *edge))?;
        Some(Until { day: (ahead > 1 || ahead > 0 && edge >= minute).then_some((day + ahead) % 7), minute: edge })
    }

    /// Returns a cap as it is at a time of the week.
    fn view(&self, state: &State, whose: Option<(Pin, &str)>, day: usize, minute: u16) -> CapView {
        let now = self.at(state, whose, day, minute);
        let is_window = now != self.base(state, whose);
        let is_same = |day, minute| self.at(state, whose, day, minute) == now;
        let ends = is_window || now.is_some_and(Rate::is_pause);
        CapView {
            peer: whose.map(|(_, name)| name.to_owned()),
            now,
            by_hand: state.by_hand.get(&whose.map(|(pin, _)| pin)).copied(),
            is_window,
            until: if ends { self.until(day, minute, is_same) } else { None },
        }
    }

    /// Applies the caps for a time of the week. Returns them, the agent's own first.
    pub(in crate::link) fn apply(&self, peers: &[(Pin, String)], day: usize, minute: u16) -> Vec<CapView> {
        let mut state = self.state.lock();
        let is_pause = |rate: Option<Rate>| rate.is_some_and(Rate::is_pause);
        let whole = self.at(&state, None, day, minute);
        self.agent.set_rate(whole.map(bytes));
        let mut views = vec![self.view(&state, None, day, minute)];
        let mut leasts: Vec<Rate> = whole.into_iter().collect();
        for (pin, name) in peers {
            let whose = Some((*pin, name.as_str()));
            let now = self.at(&state, whose, day, minute);
            let least = state.work.get(pin).copied().into_iter().chain(now).min();
            leasts.extend(least);
            let either = |day, minute| [None, whose].into_iter().any(|of| is_pause(self.at(&state, of, day, minute)));
            let pause = either(day, minute).then(|| Pause {
                peer: is_pause(now).then(|| name.clone()),
                is_window: !is_pause(self.base(&state, whose.filter(|_| is_pause(now)))),
                until: self.until(day, minute, either),
            });
            views.push(self.view(&state, whose, day, minute));
            let cap = state.peer(*pin);
            cap.bucket.set_rate(least.map(bytes));
            let is_paused = pause.is_some();
            cap.is_paused.send_if_modified(|shown| std::mem::replace(shown, is_paused) != is_paused);
            cap.pause = pause;
            cap.allowed = whole.into_iter().chain(now).min();
        }
        let least = leasts.into_iter().map(bytes).min();
        self.segments.store(segments_under(least), Ordering::Relaxed);
        views
    }
}

impl State {
    fn peer(&mut self, peer: Pin) -> &mut PeerCap {
        self.peers.entry(peer).or_insert_with(|| PeerCap {
            bucket: SharedBucket::new(),
            is_paused: watch::Sender::new(false),
            pause: None,
            allowed: None,
        })
    }
}

fn bytes(rate: Rate) -> u64 {
    rate.bytes().max(PAUSE_BYTES_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn now(caps: &Caps, peers: &[(Pin, String)], day: usize, hour: u16) -> Vec<Option<Rate>> {
        caps.apply(peers, day, hour * 60).into_iter().map(|view| view.now).collect()
    }

    fn pause(caps: &Caps, peers: &[(Pin, String)], day: usize, minute: u16) -> String {
        caps.apply(peers, day, minute);
        caps.pause(peers[0].0).map_or_else(String::new, |pause| pause.to_string())
    }

    #[test]
    fn a_limit_of_0_says_whose_it_is_and_when_it_ends_by_itself() {
        let window = |days, from: u16, to: u16, peer: Option<&str>| Window {
            days,
            from: from * 60,
            to: to * 60,
            bwlimit: rate("0"),
            peer: peer.map(str::to_owned),
        };
        let night = window([true; 7], 22, 6, Some("south"));
        let weekend = window([false, false, false, false, false, true, true], 0, 24, None);
        let caps = Caps::new(LinkSettings { windows: vec![night, weekend], ..LinkSettings::default() });
        let peers = [(Pin([1; 32]), "south".to_owned())];
        assert_eq!(pause(&caps, &peers, 0, 12 * 60), "");
        assert_eq!(pause(&caps, &peers, 0, 23 * 60), "limit for south is 0 by a window until 06:00");
        assert_eq!(pause(&caps, &peers, 1, 5 * 60 + 59), "limit for south is 0 by a window until 06:00");
        assert_eq!(pause(&caps, &peers, 1, 6 * 60), "");
        // The night window ends into a weekend window, which ends into another night window.
        assert_eq!(pause(&caps, &peers, 4, 23 * 60), "limit for south is 0 by a window until Mon 06:00");
        assert_eq!(pause(&caps, &peers, 5, 12 * 60), "limit for all peers is 0 by a window until Mon 06:00");
        caps.set(Some(peers[0].0), Limit::AtMost(rate("0")));
        assert_eq!(pause(&caps, &peers, 0, 12 * 60), "limit for south is 0", "somebody has to end it");
        let until = |view: &CapView| view.until.map(|until| until.to_string());
        let views = caps.apply(&peers, 5, 12 * 60);
        assert_eq!((until(&views[0]), until(&views[1])), (Some("Mon 00:00".to_owned()), None));
        assert_eq!(caps.allowed(peers[0].0), Some(rate("0")));
    }

    /// The bug: a window's limit was shown as one that was set by hand.
    #[test]
    fn a_window_that_holds_is_told_from_what_was_set_by_hand_and_holds_after_it() {
        let window =
            Window { days: [true; 7], from: 0, to: 24 * 60, bwlimit: rate("0"), peer: Some("south".to_owned()) };
        let evening = Window {
            days: [true; 7],
            from: 18 * 60,
            to: 22 * 60,
            bwlimit: rate("1mbit"),
            peer: Some("east".to_owned()),
        };
        let caps = Caps::new(LinkSettings { windows: vec![window, evening], ..LinkSettings::default() });
        let (south, east) = (Pin([1; 32]), Pin([2; 32]));
        let peers = [(south, "south".to_owned()), (east, "east".to_owned())];
        caps.set(Some(south), Limit::AtMost(rate("5mbit")));
        caps.set(Some(east), Limit::AtMost(rate("5mbit")));
        let shown = |view: &CapView| {
            (view.now, view.by_hand.flatten(), view.is_window, view.until.map(|until| until.to_string()))
        };
        let views = caps.apply(&peers, 0, 19 * 60);
        assert_eq!(shown(&views[1]), (Some(rate("0")), Some(rate("5mbit")), true, None), "it never closes");
        assert_eq!(shown(&views[2]), (Some(rate("1mbit")), Some(rate("5mbit")), true, Some("22:00".to_owned())));
        assert_eq!(caps.pause(south).unwrap().to_string(), "limit for south is 0 by a window");
        let views = caps.apply(&peers, 0, 23 * 60);
        assert_eq!(shown(&views[2]), (Some(rate("5mbit")), Some(rate("5mbit")), false, None));
        caps.set(Some(south), Limit::AtMost(rate("0")));
        assert!(!caps.apply(&peers, 0, 19 * 60)[1].is_window, "the pause would hold without the window as well");
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
