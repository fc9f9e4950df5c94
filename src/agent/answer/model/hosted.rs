//! Refuses requests that need models of the embedded controller where the agent stands beside a real one.

use crate::agent::answer::RequestHandler;
use crate::agent::control::{Failure, Request, Response};
use crate::engine::view::FindingView;

/// Reports whether a request takes models out of the agent's own keeping, or changes them there.
fn needs_own_models(request: &Request) -> bool {
    let backs_up =
        matches!(request, Request::BackupCreate { .. } | Request::BackupKeep { .. } | Request::ModelStatus { .. });
    let changes = matches!(
        request,
        Request::EmbeddedImport { .. }
            | Request::EmbeddedExport { .. }
            | Request::EmbeddedRemove { .. }
            | Request::EmbeddedSet { .. }
            | Request::EmbeddedGet { .. }
    );
    let users = matches!(
        request,
        Request::UserList {} | Request::UserAdd { .. } | Request::UserRemove { .. } | Request::UserSetPassword { .. }
    );
    backs_up || changes || users
}

impl RequestHandler {
    /// Checks what a migration needs of the controller beside this agent.
    pub(in crate::agent::answer) async fn doctor(&self) -> Response {
        let mut findings = self.local.doctor().await;
        findings.extend(self.gateway_findings());
        Response::Findings(findings.iter().map(FindingView::from).collect())
    }

    /// Refuses it where the controller keeps its models itself.
    pub(in crate::agent::answer) fn refuse_unless_hosted(&self, request: &Request) -> Result<(), Failure> {
        if !needs_own_models(request) {
            return Ok(());
        }
        self.local.must_keep_models().map_err(|error| self.refusal_of_controller(&error))
    }
}
