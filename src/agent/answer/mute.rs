//! What an agent answers that does not trust its journal: how it stands, and what to do. Nothing else.

use async_trait::async_trait;

use crate::agent::admission::Caller;
use crate::agent::control::server::{Answer, Client};
use crate::agent::control::view::StatusView;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::controller::embedded::Embedded;
use crate::engine::view::AlarmView;

/// An agent that performs nothing: it has no link, no engine, and no migration that goes on.
pub(in crate::agent) struct Mute {
    /// Looked at, never told anything.
    pub embedded: Embedded,
    /// Where it would hear its peers.
    pub listen: String,
    /// What is wrong.
    pub reason: String,
}

/// What is true meanwhile, and what ends it.
const REMEDY: &str = "Nothing is sent, thawed, frozen, activated or deleted until this is mended, and every model stays \
     as it is. Mend the disk, or put both journal files back from its own redundancy, never from an older backup; then \
     restart the agent. If they are lost, see docs/in-doubt.md, \"The journal cannot be trusted\"";

impl Mute {
    async fn status(&self) -> Result<Response, Failure> {
        let embedded = self.embedded.clone();
        let controller = match tokio::task::spawn_blocking(move || embedded.view()).await {
            Ok(Ok(controller)) => controller,
            Ok(Err(error)) => return Err(Failure::new(FailureKind::Internal, error.to_string())),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let alarm = AlarmView { kind: "journal".into(), text: format!("{}. {REMEDY}", self.reason) };
        Ok(Response::Status(Box::new(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            controller: controller.into(),
            listen: self.listen.clone(),
            peers: Vec::new(),
            alarms: vec![alarm],
            migrations: Vec::new(),
            failed: Vec::new(),
            store: None,
        })))
    }
}

#[async_trait]
impl Answer for Mute {
    async fn answer(&self, request: Request, _: Caller, _: &mut Client) -> Response {
        if let Request::Status {} = request {
            return self.status().await.unwrap_or_else(Response::from);
        }
        Failure::new(FailureKind::InDoubt, format!("this agent has stopped acting: {}", self.reason))
            .state("nothing has changed, and nothing will until this is mended")
            .hint("`modelferry status` says what to do")
            .into()
    }
}
