//! Describes a migration in doubt: what is true, who must act, and which command to type.

use std::time::Duration;

use crate::cli::output::plain;
use crate::cli::output::span;
use crate::engine::view::{Direction, MigrationView};

/// Tells how things stand.
pub(in crate::cli) fn truth(migration: &MigrationView) -> String {
    let peer = plain(&migration.peer);
    match migration.direction {
        Direction::Source => format!(
            "The model is frozen here and has been given to \"{peer}\", which may or may not have heard of it. \
             At most one side serves it."
        ),
        Direction::Target => format!(
            "The copy here is complete and inactive. \"{peer}\" decides, or has decided. At most one side serves the model."
        ),
    }
}

/// Tells who must act and what to type, should the link stay dead: a line each.
pub(in crate::cli) fn commands(migration: &MigrationView) -> Vec<String> {
    let (id, peer) = (plain(&migration.id), plain(&migration.peer));
    match migration.direction {
        Direction::Source => vec![
            format!("here:             modelferry show-migration {id} --proof > commit.proof"),
            format!("on \"{peer}\"'s host:  modelferry resolve {id} --proof commit.proof"),
        ],
        Direction::Target => vec![
            format!("on \"{peer}\"'s host:  modelferry show-migration {id} --proof > source.proof"),
            format!("here:             modelferry resolve {id} --proof source.proof"),
            format!("or give it back:  modelferry resolve {id} --renounce > dropped.proof"),
            format!("then there:       modelferry resolve {id} --proof dropped.proof"),
        ],
    }
}

/// Tells of a migration in doubt, in full.
pub(in crate::cli) fn tell(migration: &MigrationView, now_ms: u64) -> String {
    let age = span(Duration::from_millis(migration.undecided_for_ms(now_ms).unwrap_or(0)));
    let waiting = migration.waiting.as_deref().unwrap_or("the other agent has not answered");
    let peer = plain(&migration.peer);
    let who = match migration.direction {
        Direction::Source => format!("the operator of \"{peer}\" must act"),
        Direction::Target => "the operator here must act".to_owned(),
    };
    format!(
        "IN DOUBT  model \"{}/{}\", migration {}, {}, for {age}: {}\n{}\n\
         With the link to \"{peer}\" back, the agents settle it by themselves. Without it, {who}:\n  {}",
        plain(&migration.owner),
        plain(&migration.model),
        plain(&migration.id),
        migration.state,
        plain(waiting),
        truth(migration),
        commands(migration).join("\n  "),
    )
}
