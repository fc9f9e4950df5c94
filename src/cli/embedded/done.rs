//! Requests that are answered by nothing but that they were carried out.

use crate::agent::control::{Failure, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;

/// Asks for something of which there is nothing to tell but that it was done.
pub(super) fn done(context: &Context, request: &Request, said: String) -> Result<(), Failure> {
    let Response::Done = context.ask(request)? else { return Err(client::unexpected()) };
    context.print(&serde_json::json!({ "done": said.trim_end() }), || said.clone());
    Ok(())
}
