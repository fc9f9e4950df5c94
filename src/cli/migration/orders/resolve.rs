//! `modelferry resolve`: decide a migration in doubt by hand, while the link is down.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use modelferry_protocol::limits::PROOF_MAIL_BYTES_MAX;

use crate::agent::control::{Failure, FailureKind, Request, ResolveMethod, Response};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::{client, spool};
use crate::cli::output::plain;
use crate::config::words;
use crate::engine::view::{Direction, MigrationView, Stand, State};

const HELP: Help = Help {
    examples: &[
        "modelferry resolve shop-eu --proof commit.proof",
        "modelferry resolve shop-eu --renounce > dropped.proof",
        "modelferry resolve shop-eu --discard-frozen 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862",
        "modelferry resolve shop-eu --keep-mine 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862",
        "modelferry resolve shop-eu --keep-theirs 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862",
        "modelferry resolve west --acknowledge --reason 'the clone is switched off'",
        "modelferry resolve shop-eu --reclaim --target-destroyed 5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862",
    ],
    exits: exit::DECIDING,
    juju: None,
};

/// Resolve a migration in doubt: by the other side's proof, by giving the model back, or by force
///
/// A proof is what `modelferry show-migration ID --proof` prints on the other side's host; an e-mail around it does
/// no harm. Giving it to this command is the same as the link delivering it.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, group = ArgGroup::new("how").required(true),
    override_usage = "modelferry resolve [OPTIONS] <ID> --proof <FILE>\n       \
    modelferry resolve <ID> --renounce\n       \
    modelferry resolve <ID> --reclaim --target-destroyed <UUID>\n       \
    modelferry resolve <ID> --force-activate --source-destroyed <UUID>\n       \
    modelferry resolve <ID> --discard-frozen <UUID>\n       \
    modelferry resolve <ID> --keep-mine <UUID>\n       \
    modelferry resolve <ID> --keep-theirs <UUID>\n       \
    modelferry resolve <PEER> --acknowledge")]
pub struct ResolveArgs {
    /// The migration's ID, or its model; with --acknowledge, a peer
    id: String,
    /// What the other side has decided, as it proves; `-` reads standard input
    #[arg(long, value_name = "FILE", group = "how")]
    proof: Option<PathBuf>,
    /// On the target: discard the copy here and print the proof that lets the source take the model back
    #[arg(long, group = "how")]
    renounce: bool,
    /// On the source, LAST RESORT: take the model back. If the target is alive after all, there are two owners
    #[arg(long, group = "how", requires = "target_destroyed")]
    reclaim: bool,
    /// The model's UUID in full: I know that the target's host is destroyed and never acts again
    #[arg(long, value_name = "MODEL-UUID", requires = "reclaim")]
    target_destroyed: Option<String>,
    /// On the target, LAST RESORT: take the model into service. If the source is alive after all, there are two owners
    #[arg(long, group = "how", requires = "source_destroyed")]
    force_activate: bool,
    /// The model's UUID in full: I know that the source's host is destroyed and never acts again
    #[arg(long, value_name = "MODEL-UUID", requires = "force_activate")]
    source_destroyed: Option<String>,
    /// Where a conflict has frozen the model, or a lost journal has left it held: delete that copy; its users are sent to the
    /// other side. The model's UUID in full: I have looked at both, and do not need this one
    #[arg(long, group = "how", value_name = "MODEL-UUID")]
    discard_frozen: Option<String>,
    /// LAST RESORT: the copy here is to win over every other; one that a conflict has frozen, or a lost journal has left held,
    /// is put into service. The model's UUID in full: I have compared the copies, and the others may be lost
    #[arg(long, group = "how", value_name = "MODEL-UUID")]
    keep_mine: Option<String>,
    /// Where a peer claims a model that is in service here, and proves nothing: the copy there is to win. The one here is frozen, and
    /// nothing is deleted. The model's UUID in full: I have compared the copies
    #[arg(long, group = "how", value_name = "MODEL-UUID")]
    keep_theirs: Option<String>,
    /// With a peer's name for ID: the causes of its alarms are gone. A link that was held back opens again
    #[arg(long, group = "how")]
    acknowledge: bool,
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

impl ResolveArgs {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let without_answer = match (self.discard_frozen, self.keep_mine, self.keep_theirs, self.acknowledge) {
            (Some(model), ..) => Some((
                ResolveMethod::DiscardFrozen { model },
                "The copy that was frozen here is deleted; its users are sent to the other side, if that has the model.",
            )),
            (None, Some(model), ..) => Some((
                ResolveMethod::KeepMine { model },
                "The copy here is live, and counts. Another one freezes once its agent is connected, if the model came there from here; \
                 else `modelferry resolve MODEL --keep-theirs MODEL-UUID` on that host freezes it.",
            )),
            (None, None, Some(model), _) => Some((
                ResolveMethod::KeepTheirs { model },
                "The copy here is frozen, and nothing is deleted: the one on the other side counts.",
            )),
            (None, None, None, true) => Some((ResolveMethod::Acknowledge {}, "The alarms about that peer are over.")),
            (None, None, None, false) => None,
        };
        if let Some((how, done)) = without_answer {
            let Response::Done = context.ask(&Request::Resolve { id: self.id, how, reason: self.reason })? else {
                return Err(client::unexpected());
            };
            context.remark(done);
            return Ok(Exit::Done);
        }
        let how = match (self.proof, self.target_destroyed, self.source_destroyed) {
            (Some(file), _, _) => ResolveMethod::Proof { text: read(&file)? },
            (None, Some(model), _) => ResolveMethod::Reclaim { model },
            (None, None, Some(model)) => ResolveMethod::ForceActivate { model },
            (None, None, None) => ResolveMethod::Renounce {},
        };
        let answer = context.ask(&Request::Resolve { id: self.id, how, reason: self.reason })?;
        let Response::Resolved { migration, proof } = answer else { return Err(client::unexpected()) };
        context.remark(&outcome(&migration));
        let tree = serde_json::json!({ "migration": migration, "proof": &proof });
        // A source that was told has nothing more to tell.
        let carried = proof.filter(|_| migration.direction == Direction::Target);
        context.print(&tree, || carried.unwrap_or_default());
        Ok(Exit::Done)
    }
}

/// Reads a proof's file, as much of it as can matter.
fn read(file: &Path) -> Result<String, Failure> {
    spool::small_text(file, PROOF_MAIL_BYTES_MAX as u64)?.map_err(|error| {
        let why = words::of_text(&error);
        Failure::new(FailureKind::Usage, format!("cannot read the proof in {}: {why}", file.display()))
            .state("nothing has changed")
            .hint("a proof is what `modelferry show-migration ID --proof` prints on the other side's host")
    })
}

/// Tells what has come of it, and what the other side needs.
fn outcome(migration: &MigrationView) -> String {
    let model = format!("\"{}/{}\"", plain(&migration.owner), plain(&migration.model));
    let (id, peer) = (plain(&migration.id), plain(&migration.peer));
    let carry = format!(
        "Should the link to \"{peer}\" stay dead, carry this proof there: modelferry resolve {id} --proof FILE"
    );
    match (migration.direction, migration.stand) {
        (Direction::Target, Stand::Moved) => format!("Model {model} is live here.\n{carry}"),
        (Direction::Target, Stand::Reverted) => format!("Nothing of model {model} is left here.\n{carry}"),
        (Direction::Source, Stand::Reverted) => format!("Model {model} is live here again."),
        (Direction::Source, Stand::Finishing) if migration.state == State::Handed => format!(
            "Model {model} is on \"{peer}\", and its users are sent there. Its log follows when the link is back; \
             `modelferry reap {id} --skip-logs` gives the log up and deletes the copy here."
        ),
        (Direction::Source, Stand::Moved) => format!("Model {model} is on \"{peer}\", and its users are sent there."),
        _ => format!(
            "Recorded: the migration is {} now, and goes on by itself. See `modelferry show-migration {id}`.",
            migration.state
        ),
    }
}
