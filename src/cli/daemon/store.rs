//! `modelferry store`: what the agent's store holds, and for whom; and the removal of what nobody needs.

use std::fmt::Write;
use std::time::Duration;

use clap::Subcommand;

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::output::plain;
use crate::cli::output::{Table, ago, byte_count, date};
use crate::clock::now_ms;
use crate::config::parse_age;
use crate::engine::retention::{BlobView, PruneView, StoreView};

/// Digits of a blob's hash that are shown: enough for `ls` to find it.
const HASH_SHOWN: usize = 16;
/// Seconds of a day.
const DAY_S: u64 = 24 * 3600;

const HELP: Help =
    Help { examples: &["modelferry store show", "modelferry store prune --dry-run"], exits: exit::ASKING, juju: None };

const SHOW: Help = Help {
    examples: &["modelferry store show", "modelferry store show --blobs", "modelferry store show --format json"],
    exits: exit::ASKING,
    juju: None,
};

const PRUNE: Help = Help {
    examples: &[
        "modelferry store prune --dry-run",
        "modelferry store prune",
        "modelferry store prune --older-than 7d",
        "modelferry store prune --all-unneeded",
    ],
    exits: exit::ASKING,
    juju: None,
};

/// Show what the agent's store holds and for whom, and remove what nobody needs
///
/// The store has the blobs that models, kept backups and migrations are made of, each once. What none of them needs stays
/// for a while, since it makes the next transfer small: for `retention`, and up to `quota`, in `[store]` of the agent's
/// configuration. The agent prunes by itself when it starts, and every hour.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum StoreCommand {
    /// Show what the store holds, and for whom
    ///
    /// A blob that several need counts for each of them. What nobody needs stays until it goes by itself, or by `store
    /// prune`.
    #[command(after_long_help = SHOW)]
    Show {
        /// List the blobs, the largest first
        #[arg(long)]
        blobs: bool,
    },
    /// Remove what nobody needs, and nobody has needed for a while
    ///
    /// Never touched is what belongs to a model, to a kept backup, to a migration that has not ended, also one in doubt, or
    /// what arrives, leaves or is read. What a pre-copy has brought is unneeded until its migration begins. If it cannot be told who needs what, nothing at all is removed.
    #[command(after_long_help = PRUNE)]
    Prune {
        /// Remove nothing, and say what would go
        #[arg(long)]
        dry_run: bool,
        /// What nobody has needed for so long, such as 7d, in the place of the configured retention
        #[arg(long, value_name = "AGE", conflicts_with = "all_unneeded")]
        older_than: Option<String>,
        /// Everything that nobody needs now, however long that has been so
        #[arg(long)]
        all_unneeded: bool,
    },
}

impl StoreCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Show { blobs } => {
                let Response::Store(held) = context.ask(&Request::Store { list: blobs })? else {
                    return Err(client::unexpected());
                };
                context.print(&held, || shown(&held, now_ms()));
            }
            Self::Prune { dry_run, older_than, all_unneeded } => {
                let usage = |text: String| Failure::new(FailureKind::Usage, text);
                let older_than = older_than.map(|text| parse_age(&text).map_err(usage)).transpose()?;
                let older_than = older_than.or(all_unneeded.then_some(Duration::ZERO));
                let request = Request::Prune { older_than_s: older_than.map(|age| age.as_secs()), dry_run };
                let Response::Pruned(pruned) = context.ask(&request)? else { return Err(client::unexpected()) };
                context.print(&pruned, || told(&pruned, now_ms()));
            }
        }
        Ok(Exit::Done)
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Returns a retention for people.
fn age(seconds: u64) -> String {
    match seconds {
        seconds if seconds > 0 && seconds % DAY_S == 0 => count(seconds / DAY_S, "day"),
        seconds if seconds > 0 && seconds % 3600 == 0 => count(seconds / 3600, "hour"),
        seconds => count(seconds, "second"),
    }
}

fn shown(held: &StoreView, now_ms: u64) -> String {
    let mut text = String::new();
    let arriving = match held.partials {
        0 => String::new(),
        some => {
            format!("; and {} of {} that have not arrived whole", byte_count(held.partial_bytes), count(some, "blob"))
        }
    };
    let quota = held.quota_bytes.map_or_else(|| "none".to_owned(), byte_count);
    let _ = writeln!(text, "Held:       {} of {}{arriving}", byte_count(held.bytes), count(held.blobs, "blob"));
    let _ = writeln!(text, "Free:       {} on the disk", byte_count(held.free_bytes));
    let _ = writeln!(text, "Retention:  {} for what nobody needs", age(held.retention_s));
    let _ = writeln!(text, "Quota:      {quota} for what nobody needs");
    for trouble in &held.trouble {
        let _ = writeln!(text, "Nothing can be pruned while this cannot be told: {}", plain(trouble));
    }
    let mut table = Table::new(&[">Blobs", ">Size", "Needed by"]);
    for need in &held.needed {
        table.row([need.blobs.to_string(), byte_count(need.bytes), need.by.clone()]);
    }
    table.row([held.idle_blobs.to_string(), byte_count(held.idle_bytes), "nobody".to_owned()]);
    let _ = write!(text, "\n{}", table.render());
    if !held.list.is_empty() {
        let _ = write!(text, "\n{}", listed(&held.list, held.unlisted, now_ms));
    }
    text
}

fn listed(blobs: &[BlobView], unlisted: u64, now_ms: u64) -> String {
    let mut table = Table::new(&["Blob", ">Size", ">Held", "Needed by"]);
    for blob in blobs {
        let needed_by = match (blob.needed_by.as_slice(), blob.idle_since_ms) {
            ([], None) => "nobody".to_owned(),
            ([], Some(since_ms)) => {
                let goes = blob.goes_ms.map(|goes_ms| format!(", goes after {}", date(goes_ms))).unwrap_or_default();
                format!("nobody, known {}{goes}", ago(since_ms, now_ms))
            }
            (several, _) => several.join(", "),
        };
        let hash: String = blob.hash.chars().take(HASH_SHOWN).collect();
        table.row([hash, byte_count(blob.bytes), byte_count(blob.held), needed_by]);
    }
    table.render() + &and_more(unlisted)
}

fn and_more(unlisted: u64) -> String {
    if unlisted > 0 { format!("and {unlisted} more\n") } else { String::new() }
}

fn told(pruned: &PruneView, now_ms: u64) -> String {
    let mut text = String::new();
    if !pruned.list.is_empty() {
        let mut table = Table::new(&["Blob", ">Size", "Unneeded"]);
        for blob in &pruned.list {
            let hash: String = blob.hash.chars().take(HASH_SHOWN).collect();
            let since = blob.idle_since_ms.map_or_else(String::new, |since_ms| ago(since_ms, now_ms));
            table.row([hash, byte_count(blob.held), since]);
        }
        let _ = writeln!(text, "{}{}", table.render(), and_more(pruned.unlisted));
    }
    let went = if pruned.dry_run { "would be removed" } else { "removed" };
    let left = match pruned.idle_blobs {
        0 => "nothing else is unneeded".to_owned(),
        some => format!("{} of {} that nobody needs stay for now", byte_count(pruned.idle_bytes), count(some, "blob")),
    };
    let _ = writeln!(text, "{} of {} {went}; {left}.", byte_count(pruned.bytes), count(pruned.blobs, "blob"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(hash: &str) -> BlobView {
        BlobView {
            hash: hash.repeat(16),
            bytes: 2048,
            held: 1024,
            needed_by: Vec::new(),
            idle_since_ms: Some(1_760_000_000_000),
            goes_ms: Some(1_761_209_600_000),
        }
    }

    #[test]
    fn what_went_and_what_stays_is_told() {
        let mut pruned = PruneView {
            dry_run: false,
            blobs: 1,
            bytes: 1024,
            idle_blobs: 0,
            idle_bytes: 0,
            list: vec![idle("ab01")],
            unlisted: 0,
        };
        assert_eq!(
            told(&pruned, 1_760_000_060_000),
            "Blob               Size  Unneeded\nab01ab01ab01ab01  1 KiB  1 minute ago\n\n\
             1 KiB of 1 blob removed; nothing else is unneeded.\n"
        );
        (pruned.dry_run, pruned.idle_blobs, pruned.idle_bytes) = (true, 2, 10 << 20);
        let dry = told(&pruned, 1_760_000_060_000);
        assert!(dry.ends_with("1 KiB of 1 blob would be removed; 10 MiB of 2 blobs that nobody needs stay for now.\n"));
    }

    #[test]
    fn whom_a_blob_is_for_and_when_it_goes_is_told() {
        let needed = BlobView { needed_by: vec!["model admin/prod".into(), "backup 9f".into()], ..idle("cd02") };
        assert_eq!(
            listed(&[idle("ab01"), needed], 3, 1_760_000_060_000),
            "Blob               Size   Held  Needed by\n\
             ab01ab01ab01ab01  2 KiB  1 KiB  nobody, known 1 minute ago, goes after 23 Oct 2025 08:53:20Z\n\
             cd02cd02cd02cd02  2 KiB  1 KiB  model admin/prod, backup 9f\nand 3 more\n"
        );
    }

    #[test]
    fn a_retention_is_told_in_its_largest_unit() {
        let ages = [(14 * DAY_S, "14 days"), (DAY_S, "1 day"), (7200, "2 hours"), (90, "90 seconds"), (0, "0 seconds")];
        for (seconds, text) in ages {
            assert_eq!(age(seconds), text);
        }
    }
}
