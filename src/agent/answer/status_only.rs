//! Answers for an agent that has lost what it needs to act: it reports its status and what to do, and refuses the rest.

use async_trait::async_trait;

use crate::agent::control::view::{ControllerView, StatusView};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::agent::socket::admission::Caller;
use crate::agent::socket::server::{Client, Handler};
use crate::engine::view::AlarmView;

/// An agent that performs nothing: it has no link, no engine, and no migration that goes on.
pub(in crate::agent) struct StatusOnlyHandler {
    /// The controller as far as it is known.
    pub controller: ControllerView,
    /// Where it would hear its peers.
    pub listen: String,
    /// What is wrong, and what to do.
    pub alarm: AlarmView,
    /// What is wrong.
    pub reason: String,
}

impl StatusOnlyHandler {
    fn status(&self) -> Response {
        Response::Status(Box::new(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller: self.controller.clone(),
            listen: self.listen.clone(),
            peers: Vec::new(),
            alarms: vec![self.alarm.clone()],
            migrations: Vec::new(),
            arrivals: Vec::new(),
            failed: Vec::new(),
            store: None,
            strangers: Vec::new(),
        }))
    }
}

#[async_trait]
impl Handler for StatusOnlyHandler {
    async fn handle(&self, request: Request, _: Caller, _: &mut Client) -> Response {
        if let Request::Status {} = request {
            return self.status();
        }
        Failure::new(FailureKind::InDoubt, format!("this agent has stopped acting: {}", self.reason))
            .state("nothing has changed, and nothing will until this is mended")
            .hint("`modelferry status` says what to do")
            .into()
    }
}
