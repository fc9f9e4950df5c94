//! Something is begun with each of several models, and followed to its end where somebody waits.

use super::exit::Exit;
use super::output::Format;
use super::{Context, client, follow};
use crate::agent::control::{Failure, Request, Response};
use crate::engine::view::MigrationView;

/// Asks each of these, which begin a migration or a pre-copy, and `tell`s of what has begun. One that is refused
/// does not stop the others; an agent that cannot be reached does.
///
/// `wait`: whether to follow all of them to their ends.
/// Errors: [`Failure`] if the agent answers something else.
pub(super) fn each(
    context: &Context,
    requests: impl IntoIterator<Item = Request>,
    wait: bool,
    tell: impl Fn(&MigrationView),
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut begun = Vec::new();
    let mut requests = requests.into_iter().peekable();
    while let Some(request) = requests.next() {
        match context.ask(&request) {
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
                exit = exit.graver(context.fail(&failure));
                if requests.peek().is_some() && context.gives_up(&failure) {
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
