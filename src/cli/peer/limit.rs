//! `modelferry limit`: show and set the limits on what is sent.

use clap::Args;

use crate::agent::control::view::CapView;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::Table;
use crate::config::Rate;

const HELP: Help = Help {
    examples: &[
        "modelferry limit",
        "modelferry limit 20mbit",
        "modelferry limit west 500kbit",
        "modelferry limit west none",
        "modelferry limit west default",
    ],
    exits: exit::ASKING,
    juju: None,
};

/// Show what may be sent, or change it while the agent runs
///
/// RATE is such as 20mbit or 500kbit; 0 pauses what is sent, `none` takes the limit away. It counts UDP payload, with
/// repeats and handshakes, and all migrations share it. With PEER it is for that peer alone, without for all together.
/// It holds in the place of `bwlimit` in the configuration, also after a restart, until `default` gives that its place
/// back. While a window of the configuration allows less, the window holds. For one migration alone there is `migrate --bwlimit`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, override_usage = "modelferry limit [OPTIONS] [[PEER] RATE|none|default]")]
pub struct LimitArgs {
    /// The peer, if the limit is for one; then the rate
    #[arg(value_name = "PEER RATE|none|default", num_args = 0..=2)]
    arguments: Vec<String>,
}

impl LimitArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = match self.arguments.as_slice() {
            [] => Request::Limits {},
            [rate] => Request::Limit { peer: None, rate: parse(rate)? },
            [peer, rate, ..] => Request::Limit { peer: Some(peer.clone()), rate: parse(rate)? },
        };
        let Response::Limits(caps) = context.ask(&request)? else { return Err(client::unexpected()) };
        context.print(&caps, || table(&caps).render());
        Ok(Exit::Done)
    }
}

fn parse(text: &str) -> Result<Option<String>, Failure> {
    if text == "none" {
        return Ok(None);
    }
    if text == "default" {
        return Ok(Some(text.to_owned()));
    }
    let usage = |error: crate::config::BadRate| Failure::new(FailureKind::Usage, error.to_string());
    Ok(Some(text.parse::<Rate>().map_err(usage)?.to_string()))
}

fn table(caps: &[CapView]) -> Table {
    let mut table = Table::new(&["Peer", "Limit", "Set"]);
    for cap in caps {
        let limit = match (cap.rate.as_deref(), &cap.until) {
            (None, _) => "none".to_owned(),
            (Some("0"), None) => "0 (paused)".to_owned(),
            (Some("0"), Some(until)) => format!("0 (paused until {until})"),
            (Some(rate), None) => rate.to_owned(),
            (Some(rate), Some(until)) => format!("{rate} (until {until})"),
        };
        let set = match (cap.window, &cap.after_window, &cap.until) {
            (true, Some(rate), Some(_)) => format!("by a window; then {rate} by hand"),
            (true, Some(rate), None) => format!("by windows that never close; {rate} set by hand does not hold"),
            (true, None, _) => "by a window".to_owned(),
            (false, ..) if cap.by_hand => "by hand".to_owned(),
            (false, ..) => "-".to_owned(),
        };
        table.row([cap.peer.clone().unwrap_or_else(|| "(all)".to_owned()), limit, set]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_says_whether_a_window_holds_and_what_was_set_by_hand_after_it() {
        let shown = |window, by_hand, after: Option<&str>, until: Option<&str>| {
            let cap = CapView {
                peer: Some("west".into()),
                rate: Some("0".into()),
                by_hand,
                after_window: after.map(str::to_owned),
                window,
                until: until.map(str::to_owned),
            };
            let text = table(&[cap]).render();
            text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(false, true, None, None), "west 0 (paused) by hand");
        assert_eq!(shown(true, false, None, Some("06:00")), "west 0 (paused until 06:00) by a window");
        assert_eq!(
            shown(true, false, Some("5mbit"), Some("06:00")),
            "west 0 (paused until 06:00) by a window; then 5mbit by hand"
        );
        assert_eq!(
            shown(true, false, Some("5mbit"), None),
            "west 0 (paused) by windows that never close; 5mbit set by hand does not hold"
        );
    }
}
