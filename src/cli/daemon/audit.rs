//! `modelferry audit`: verify the journal, which is the audit trail.

use clap::{Args, Subcommand};

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;

const HELP: Help = Help { examples: &["modelferry audit verify"], exits: exit::ASKING, juju: None };

const VERIFY: Help = Help {
    examples: &["modelferry audit verify", "modelferry audit verify --format json"],
    exits: exit::ASKING,
    juju: None,
};

/// Verify the audit log's hash chain
///
/// Whatever this agent has promised, and who asked for it, is in its journal; there is no second record of it.
#[derive(Debug, Subcommand)]
#[command(after_long_help = HELP)]
pub enum AuditCommand {
    Verify(VerifyArgs),
}

/// Read the journal again and prove that no record was changed, removed or added
///
/// The journal is the audit trail: one file, no second text. Each record is chained to the one before it by its hash. The
/// last checksum stands for all of them: noted elsewhere, it proves later that none was replaced since.
#[derive(Debug, Args)]
#[command(after_long_help = VERIFY)]
pub struct VerifyArgs {}

impl AuditCommand {
    pub(in crate::cli) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self::Verify(VerifyArgs {}) = self;
        let Response::Audit(audit) = context.ask(&Request::Audit {})? else { return Err(client::unexpected()) };
        context.print(&audit, || {
            format!(
                "Journal {} is whole: {} records, each chained to the one before it.\n\
                 Last checksum: {}\nMigrations: {}, of which {} have not ended.\n",
                audit.journal, audit.records, audit.last, audit.migrations, audit.unfinished
            )
        });
        Ok(Exit::Done)
    }
}
