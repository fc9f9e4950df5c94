//! Begins an operation for each of several models, and follows each to its end if the command waits.

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::Exit;
use crate::cli::migration::follow;
use crate::cli::output::Format;
use crate::engine::view::MigrationView;

/// Begins a migration or a pre-copy of each of these models, and `tell`s of what has begun. One that is refused
/// does not stop the others; an agent that cannot be reached does.
///
/// `request`: what begins it for a model.
/// `wait`: whether to follow all of them to their ends.
/// Errors: [`Failure`] if the agent answers something else.
pub(super) fn each(
    context: &Context,
    models: &[String],
    request: impl Fn(String) -> Request,
    wait: bool,
    tell: impl Fn(&MigrationView),
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut begun = Vec::new();
    for (index, model) in models.iter().enumerate() {
        match context.ask(&request(model.clone())) {
            Ok(Response::Migration(view)) => {
                tell(&view);
                // Whoever waits is told how it ends, not how it began.
                if !wait && context.format != Format::Tabular {
                    context.print(&view, String::new);
                }
                begun.push(view.id);
            }
            Ok(_) => return Err(client::unexpected()),
            Err(failure) => {
                // Of several, a line has to say which one it is about.
                exit = exit.graver(match models.len() {
                    1 => context.fail(&failure),
                    _ => context.fail(&failure.clone().of_model(model)),
                });
                if index + 1 < models.len() && context.gives_up(&failure) {
                    break;
                }
            }
        }
    }
    if wait {
        exit = exit.graver(follow::all(context, &begun));
    }
    Ok(exit)
}
