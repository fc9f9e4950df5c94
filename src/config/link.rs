//! The `[link]` table: how to send, how much at most, and when.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

use super::rate::Rate;
use super::table::{table, values};

/// Minutes in a day.
const DAY_MINUTES: u16 = 24 * 60;
/// Names of the days in the file, from Monday.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The congestion control algorithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Congestion {
    /// Our model of the link. Loss alone does not slow it down.
    #[default]
    Ferry,
    /// quinn's CUBIC, as in TCP: any loss halves the rate.
    Cubic,
    /// quinn's BBR, version 1, which quinn calls experimental.
    Bbr,
}

/// The checked configuration of the links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// The congestion control algorithm.
    pub congestion: Congestion,
    /// Cap of the whole agent.
    pub bwlimit: Option<Rate>,
    /// Caps of peers, by their local names.
    pub peers: BTreeMap<String, Rate>,
    /// Weekly windows with lower caps.
    pub windows: Vec<Window>,
}

/// A weekly window with its own cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Days on which it begins, from Monday.
    pub days: [bool; 7],
    /// Begin, in minutes after midnight, local time.
    pub from: u16,
    /// End, in minutes after midnight. If not later than `from`, it ends on the next day.
    pub to: u16,
    /// The cap; 0 is a pause.
    pub bwlimit: Rate,
    /// The peer; `None`: all peers together.
    pub peer: Option<String>,
}

impl Window {
    /// Returns the minutes after midnight at which the window may open or close.
    pub fn edges(&self) -> [u16; 2] {
        [self.from, self.to].map(|minute| minute % DAY_MINUTES)
    }

    /// Reports whether the window is open. `day`: 0 for Monday. `minute`: after midnight.
    pub fn is_open(&self, day: usize, minute: u16) -> bool {
        let yesterday = (day + 6) % 7;
        if self.from < self.to {
            self.days[day] && (self.from..self.to).contains(&minute)
        } else {
            self.days[day] && minute >= self.from || self.days[yesterday] && minute < self.to
        }
    }
}

table! {
    /// How fast to send, and limits: for all peers together, for one peer, and for parts of the week. `modelferry limit` sets
    /// other limits while the agent runs.
    [Default] pub(super) struct LinkTable in "link" {
        /// How the rate of sending is found: `ferry` measures the link's capacity and delay, and packet loss alone does not slow it
        /// down; `cubic` is TCP's, and each loss slows it down; `bbr` is quinn's BBR, for comparison.
        congestion: Congestion => "ferry" [serde(default)],
        /// The most that the agent sends to all its peers together.
        bwlimit: Option<Parsed<Rate>> => "",
        /// The most that it sends to one peer.
        peers: BTreeMap<String, PeerTable> => "(none)" [serde(default)],
        /// Parts of the week with a limit of their own.
        windows: Vec<WindowTable> => "[]" [serde(default)],
    }
}

table! {
    /// A peer, by its name here.
    [] pub(super) struct PeerTable in "link.peers.NAME" {
        /// The most that the agent sends to it.
        bwlimit: Parsed<Rate> => "(must be given)",
    }
}

table! {
    /// A part of the week. Where several are open, the lowest limit holds.
    [] pub(super) struct WindowTable in "link.windows[]" {
        /// The days on which it begins, such as `mon-fri` or `sat,sun`.
        days: Parsed<Days> => "mon-sun" [serde(default = "every_day")],
        /// When it begins, local time.
        from: Parsed<Minute> => "(must be given)",
        /// When it ends, local time. A time that is not later than `from` is one on the next day.
        to: Parsed<Minute> => "(must be given)",
        /// The most that is sent in that time; `0` is a pause.
        bwlimit: Parsed<Rate> => "(must be given)",
        /// The peer that the limit is for. Without it, the limit is for all peers together.
        peer: Option<String> => "",
    }
}

values! {
    Congestion: "`ferry`, `cubic` or `bbr`";
    Parsed<Rate>: "a rate";
    Parsed<Days>: "days";
    Parsed<Minute>: "a time of day";
}

impl LinkTable {
    pub(super) fn into_settings(self) -> LinkSettings {
        let window = |window: WindowTable| Window {
            days: window.days.0.0,
            from: window.from.0.0,
            to: window.to.0.0,
            bwlimit: window.bwlimit.0,
            peer: window.peer,
        };
        LinkSettings {
            congestion: self.congestion,
            bwlimit: self.bwlimit.map(|rate| rate.0),
            peers: self.peers.into_iter().map(|(name, peer)| (name, peer.bwlimit.0)).collect(),
            windows: self.windows.into_iter().map(window).collect(),
        }
    }
}

fn every_day() -> Parsed<Days> {
    Parsed(Days([true; 7]))
}

/// A value parsed from text, so that an error has a line number.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr, T::Err: std::fmt::Display")]
struct Parsed<T>(T);

impl<T: FromStr> TryFrom<String> for Parsed<T> {
    type Error = T::Err;

    fn try_from(text: String) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

#[derive(Debug)]
struct Minute(u16);

impl FromStr for Minute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            let minutes =
                hour.parse::<u16>().ok()?.checked_mul(60)? + minute.parse::<u16>().ok().filter(|m| *m < 60)?;
            (minutes <= DAY_MINUTES).then_some(minutes)
        };
        read().map(Self).ok_or_else(|| format!("`{text}` is no time of day; write one from \"00:00\" to \"24:00\""))
    }
}

#[derive(Debug)]
struct Days([bool; 7]);

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names no days; write such as \"mon-fri\" or \"sat,sun\"");
        let day = |name: &str| DAYS.iter().position(|known| *known == name.trim()).ok_or_else(wrong);
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (day(first)?, day(last)?);
            while at != last {
                days[at] = true;
                at = (at + 1) % 7;
            }
            days[last] = true;
        }
        Ok(Self(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<LinkSettings, toml::de::Error> {
        toml::from_str::<LinkTable>(text).map(LinkTable::into_settings)
    }

    #[test]
    fn a_whole_table_is_read() {
        let read = settings(
            "congestion = \"cubic\"\nbwlimit = \"100mbit\"\n[peers.south]\nbwlimit = \"20mbit\"\n\
             [[windows]]\ndays = \"mon-fri\"\nfrom = \"08:00\"\nto = \"18:30\"\nbwlimit = \"5mbit\"\n\
             [[windows]]\nfrom = \"22:00\"\nto = \"06:00\"\nbwlimit = \"0\"\npeer = \"south\"\n",
        )
        .unwrap();
        assert_eq!(read.congestion, Congestion::Cubic);
        assert_eq!(read.peers["south"], "20mbit".parse().unwrap());
        assert_eq!(read.windows[0].to, 18 * 60 + 30);
        assert!(read.windows[1].bwlimit.is_pause());
    }

    #[test]
    fn a_window_is_open_when_it_says_so() {
        let read = settings(
            "[[windows]]\ndays = \"fri,sun\"\nfrom = \"22:00\"\nto = \"06:00\"\nbwlimit = \"0\"\n\
             [[windows]]\ndays = \"sat-mon\"\nfrom = \"08:00\"\nto = \"09:00\"\nbwlimit = \"1mbit\"\n",
        )
        .unwrap();
        let night = &read.windows[0];
        let open: Vec<bool> = [(4, 21), (4, 22), (5, 5), (5, 6), (5, 23), (6, 23), (0, 1)]
            .map(|(day, hour)| night.is_open(day, hour * 60))
            .into();
        assert_eq!(open, [false, true, true, false, false, true, true]);
        let morning = &read.windows[1];
        assert_eq!(morning.days, [true, false, false, false, false, true, true]);
        assert!(morning.is_open(0, 8 * 60) && !morning.is_open(0, 9 * 60));
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (text, hint) in [
            ("bwlimit = \"fast\"", "such as 20mbit"),
            ("[[windows]]\nfrom = \"8\"\nto = \"09:00\"\nbwlimit = \"0\"", "time of day"),
            ("[[windows]]\nfrom = \"25:00\"\nto = \"09:00\"\nbwlimit = \"0\"", "time of day"),
            ("[[windows]]\ndays = \"week\"\nfrom = \"8:00\"\nto = \"09:00\"\nbwlimit = \"0\"", "mon-fri"),
            ("congestion = \"reno\"", "cubic"),
        ] {
            let error = settings(text).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
