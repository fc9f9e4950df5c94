//! `modelferry events`: every record of the journal, and those to come.

use clap::Args;

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::client::Client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::input::number::whole;
use crate::cli::migration::follow::{GONE, again};
use crate::cli::output::plain;
use crate::cli::output::{Format, utc};
use crate::engine::view::EventView;

const HELP: Help = Help {
    examples: &["modelferry events", "modelferry events --follow --format json", "modelferry events --after 120"],
    exits: exit::ASKING,
    juju: Some("juju show-status-log --type model, of one model"),
};

/// List every record of the journal, oldest first: when, which migration, who, what
///
/// The journal is what this agent has promised, on disk before it is said. A record is a line in every format, JSON as
/// well, so that a program can read them as they come.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct EventsArgs {
    /// Go on with every record that follows, until interrupted; also after a restart of the agent
    #[arg(long)]
    follow: bool,
    /// Begin after the record of this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = whole)]
    after: u64,
}

impl EventsArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self { follow, mut after } = self;
        let mut client = ask(context, after, follow)?;
        loop {
            match client.next(None) {
                // A line each in every format, so that a reader can take them as they come.
                Ok(Some(Response::Events(events))) => {
                    if !events.iter().all(|event| context.put(&render(event, context.format))) {
                        return Ok(Exit::Done);
                    }
                    after = events.last().map_or(after, |event| event.sequence);
                }
                Ok(Some(Response::Done)) => return Ok(Exit::Done),
                Ok(_) => return Err(client::unexpected()),
                // The journal survives its agent's restart, so whoever follows it does as well.
                Err(failure) if follow && failure.kind == FailureKind::Unreachable && !client.is_stuck() => {
                    context.remark(GONE);
                    client = again(|| ask(context, after, follow), None)?;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

fn ask(context: &Context, after: u64, follow: bool) -> Result<Client, Failure> {
    let mut client = context.connect()?;
    client.send(&Request::Events { after, follow })?;
    Ok(client)
}

fn render(event: &EventView, format: Format) -> String {
    match format {
        Format::Tabular => line(event),
        // One document each.
        Format::Yaml => format!("---\n{}", format.render(event, String::new)),
        Format::Json => format.render(event, String::new),
    }
}

fn line(event: &EventView) -> String {
    let EventView { sequence, time_ms, migration, actor, text } = event;
    format!("{}  {sequence}  {}  {}  {}\n", utc(*time_ms), plain(migration), plain(actor), plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line_in_every_format_for_scripts() {
        let event = EventView {
            sequence: 7,
            time_ms: 1_760_000_000_123,
            migration: "3850c8cc:0".into(),
            actor: "uid 0".into(),
            text: "Aborting: the disk\nis full".into(),
        };
        assert_eq!(line(&event), "2025-10-09T08:53:20.123Z  7  3850c8cc:0  uid 0  Aborting: the disk\\nis full\n");
        assert_eq!(render(&event, Format::Json).lines().count(), 1);
    }
}
