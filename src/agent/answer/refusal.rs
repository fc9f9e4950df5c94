//! Turns errors of the floors below into failures: what happened, what state things are in, what to type next.

use super::RequestHandler;
use crate::agent::control::view::RedirectView;
use crate::agent::control::{Failure, FailureKind, Missing};
use crate::controller::embedded::view as embedded;
use crate::controller::port::ControllerError;
use crate::disk::usage_command;
use crate::engine::causes;
use crate::engine::orders::local;
use crate::engine::view::fixes;
use crate::engine::{EngineError, ErrorKind, Unfinished};
use crate::link::PairError;

const UNCHANGED: &str = "nothing has changed";

impl RequestHandler {
    /// Says why the controller did not do it.
    pub(super) fn refusal_of_controller(&self, error: &ControllerError) -> Failure {
        match error {
            ControllerError::ModelNotFound(model) => {
                let path = if model.contains('/') || is_uuid(model) { model.clone() } else { format!("admin/{model}") };
                let own = self.local.card().name;
                Failure::new(FailureKind::NotFound, format!("model {own}:{path} not found"))
                    .missing(Missing::Model(model.clone()))
                    .hint("see `modelferry models`")
            }
            ControllerError::BackupNotFound(id) => {
                Failure::new(FailureKind::NotFound, error.to_string()).missing(Missing::Backup(id.clone()))
            }
            ControllerError::Moved { model, to } => {
                let gone = embedded::RedirectView::new(model.clone(), String::new(), to);
                self.redirection(&gone)
            }
            ControllerError::MigrationInProgress => Failure::new(FailureKind::Refused, error.to_string())
                .state("the model can be read, not written, until its migration has ended")
                .hint("see `modelferry status`"),
            // Which of the two counts only a person can tell, so nothing is to be typed that ends one of them.
            ControllerError::Exists(model) => Failure::new(FailureKind::Refused, error.to_string()).state(UNCHANGED).hint(format!(
                "see it with `modelferry show-model {model}`; if the other copy is the one that counts, read \"Two copies of one \
                 model\" in docs/in-doubt.md first"
            )),
            full if full.is_full() => Failure::new(FailureKind::Refused, causes(full)).state(UNCHANGED).hint(format!(
                "see what takes the space with `{}`, free some, and try again",
                usage_command(&self.state_dir)
            )),
            ControllerError::Unknown(_) | ControllerError::Later { .. } => Failure::new(FailureKind::Unreachable, causes(error))
                .state(UNCHANGED)
                .hint("see what is wrong with `modelferry doctor`"),
            ControllerError::Storage(_) => {
                let failure = Failure::new(FailureKind::Internal, causes(error));
                match error.missing_blob() {
                    None => failure.hint("see what is wrong with `modelferry status`"),
                    Some(blob) => failure.state(UNCHANGED).hint(format!(
                        "put {}/blobs/{blob} back from a backup of that directory; `modelferry status` names the models that lack \
                         files, and what to do if the file is lost",
                        self.state_dir.display()
                    )),
                }
            }
            other => Failure::new(FailureKind::Refused, causes(other)).state(UNCHANGED),
        }
    }

    /// Tells where a model went.
    pub(super) fn redirection(&self, gone: &embedded::RedirectView) -> Failure {
        let moved = self.engine.get().map(|engine| engine.migrations()).unwrap_or_default();
        // The operator who moved it named a peer, and that is what the controller is called here.
        let alias = moved
            .into_iter()
            .find(|view| format!("{}/{}", view.owner, view.model) == gone.model && view.controller == gone.controller)
            .map(|view| view.peer);
        // While its link is down a peer's addresses are not known here; it is still the one that was named.
        let is_down = |alias: &String| self.peers().iter().any(|peer| peer.name == *alias && peer.controller.is_none());
        let known_as = self.known_as(&gone.controller_uuid, &gone.addresses).or_else(|| alias.clone().filter(is_down));
        let redirect = RedirectView {
            model: gone.model.clone(),
            alias: alias.unwrap_or_default(),
            controller_uuid: gone.controller_uuid.clone(),
            addresses: gone.addresses.clone(),
            ca_fingerprint: gone.ca_fingerprint.clone(),
            known_as,
        };
        let message = format!("model \"{}\" has been migrated to controller \"{}\"", gone.model, gone.controller);
        Failure { redirect: Some(Box::new(redirect)), ..Failure::new(FailureKind::NotFound, message) }
    }

    /// Returns how the model of a migration or a pre-copy that has not ended stands, and what ends it on this side.
    pub(super) fn unfinished(&self, id: &str) -> (String, String) {
        match self.engine.get().and_then(|engine| engine.way_out(id)) {
            Some(Unfinished { state, next, .. }) => (format!("{UNCHANGED}; {state}"), next),
            // A pre-copy: its source alone has one, and can end it always.
            None => (
                format!("{UNCHANGED}; the model is live here"),
                format!("follow it with `modelferry wait {id}`, or end it with `modelferry abort {id}`"),
            ),
        }
    }

    /// Says why the engine did not do it.
    pub(super) fn refusal_of_engine(&self, error: &EngineError) -> Failure {
        if let EngineError::Controller(error) = error {
            return self.refusal_of_controller(error);
        }
        let kind = match error.kind() {
            ErrorKind::Refused => FailureKind::Refused,
            ErrorKind::NotFound => FailureKind::NotFound,
            ErrorKind::PeerDown => FailureKind::Unreachable,
            ErrorKind::InDoubt => FailureKind::InDoubt,
            ErrorKind::Internal => FailureKind::Internal,
        };
        let failure = Failure::new(kind, causes(error));
        match error {
            EngineError::Prechecks(findings) => {
                let fixes = fixes(findings);
                let more = match findings.len() {
                    0 | 1 => String::new(),
                    several => format!(" (and {} more, see `modelferry precheck MODEL DEST`)", several - 1),
                };
                let failure = Failure::new(kind, format!("{error}{more}"))
                    .state("nothing has changed; the model is live where it was");
                if fixes.is_empty() {
                    failure
                } else {
                    failure.hint(format!("To resolve this:\n  {}", fixes.join("\n  ")))
                }
            }
            EngineError::Busy { id, .. } | EngineError::Copying { id, .. } => {
                let (state, next) = self.unfinished(id);
                failure.state(state).hint(next)
            }
            EngineError::Migrating { unfinished, .. } => {
                failure.state(format!("{UNCHANGED}; {}", unfinished.state)).hint(&unfinished.next)
            }
            EngineError::Relayed { id, .. } => {
                failure.state(UNCHANGED).hint(format!("see `modelferry show-migration {id}`"))
            }
            EngineError::Brought { .. }
            | EngineError::InConflict(_)
            | EngineError::Orphaned(_)
            | EngineError::HandedOver(_)
            | EngineError::NotServed(_)
            | EngineError::Incomplete(_)
            | EngineError::OnlyCopy(_) => refusal_of_held(error, failure),
            EngineError::NotOffered(_) => failure
                .state("nothing has changed; the model is live where it was")
                .hint("compare the two copies first: read \"Two copies of one model\" in docs/in-doubt.md"),
            EngineError::InHand(_) => failure.state(UNCHANGED).hint("type this again in a moment"),
            EngineError::Frozen { .. } => failure.state("nothing has changed; the model is frozen until it has moved"),
            EngineError::NoSuchOrder { .. } | EngineError::Unprunable(_) => failure.state(UNCHANGED),
            EngineError::Unresolvable { .. } | EngineError::Ended { .. } => failure.state(UNCHANGED),
            EngineError::NotSource(_) | EngineError::IsPrecopy(_) => failure.state(UNCHANGED),
            EngineError::PeerDown { .. } | EngineError::Unanswered(_) => failure.state(UNCHANGED),
            EngineError::PeerSilent { peer, .. } => failure.state(UNCHANGED).hint(format!(
                "look at its process on the host of {peer}: `systemctl status modelferry`; one that is stopped goes on with \
                 `kill -CONT PID`; one that was killed is started with `systemctl start modelferry`. `modelferry peers` here says \
                 how the link is"
            )),
            EngineError::Forbidden { fix, .. } => failure.state(UNCHANGED).hint(format!("`{fix}` allows it")),
            EngineError::UnknownPeer(peer) => failure.missing(Missing::Peer(peer.clone())),
            EngineError::UnknownMigration(id) => failure.missing(Missing::Migration(id.clone())),
            EngineError::Voted { .. } => {
                failure.state(UNCHANGED).hint("`modelferry status` says who must act, and what to type")
            }
            EngineError::TooLate(_) => failure.state("the switchover is decided, so the model cannot be kept here"),
            _ => failure,
        }
    }
}

/// Completes what is said of a model that is held here, and that no migration puts back into service.
fn refusal_of_held(error: &EngineError, failure: Failure) -> Failure {
    match error {
        EngineError::InConflict(model) => failure
            .state("nothing has changed; the copy here can be read and exported, not written, until the conflict is resolved")
            .hint(format!(
                "compare the two copies first: read \"Two copies of one model\" in docs/in-doubt.md; then `modelferry resolve \
                 {model} --discard-frozen {model}` deletes this copy, or `modelferry resolve {model} --keep-mine {model}` lets \
                 it win"
            )),
        EngineError::Orphaned(model) => failure
            .state("nothing has changed; the copy here can be read and exported, not written, until you say which copy counts")
            .hint(format!(
                "look at the other side first: read \"A lost journal has left a model held\" in docs/in-doubt.md; then `modelferry \
                 resolve {model} --keep-mine {model}` puts this copy into service, or `modelferry resolve {model} \
                 --discard-frozen {model}` deletes it"
            )),
        EngineError::Brought { model, brought, .. } => failure
            .state(format!(
                "{UNCHANGED}; since {} that controller moves the model here, and it alone puts it into service",
                local(brought.since_ms)
            ))
            .hint(format!(
                "see how it stands with `juju show-model` there; should that controller be lost, or the model be to stay there, \
                 `modelferry resolve {model} --discard-frozen {model}` deletes what has come, and makes that controller abort"
            )),
        EngineError::HandedOver(model) => failure.state(UNCHANGED).hint(format!(
            "keep what is here with `modelferry backup create {model} FILE --held`; then `modelferry resolve {model} \
             --discard-frozen {model}` deletes it. Read \"A copy that was handed over\" in docs/in-doubt.md"
        )),
        EngineError::NotServed(model) => failure.state("nobody serves the model here").hint(format!(
            "`modelferry status` says what the controller lacks; `modelferry show-model {model}` on the other side says whether \
             the model is there; read docs/in-doubt.md before anything else"
        )),
        EngineError::Incomplete(model) => failure.state(UNCHANGED).hint(format!(
            "`modelferry resolve {model} --discard-frozen {model}` deletes it; the model is on the controller that it was \
             to leave"
        )),
        EngineError::OnlyCopy(model) => failure.state(UNCHANGED).hint(format!(
            "`modelferry resolve {model} --keep-mine {model}` puts it back into service; `modelferry embedded remove {model}` \
             deletes it after that"
        )),
        _ => failure,
    }
}

/// Says why a pairing did not come about.
pub(super) fn refusal_of_pairing(error: &PairError) -> Failure {
    let kind = match error {
        PairError::Unreachable { .. } => FailureKind::Unreachable,
        PairError::UnknownPeer { .. } => FailureKind::NotFound,
        PairError::NotSaved(_) | PairError::NoRandomness => FailureKind::Internal,
        _ => FailureKind::Refused,
    };
    let failure = Failure::new(kind, causes(error));
    match error {
        PairError::UnknownPeer { name } => failure.missing(Missing::Peer(name.clone())),
        _ => failure,
    }
}

fn is_uuid(text: &str) -> bool {
    text.parse::<modelferry_protocol::ids::ModelUuid>().is_ok()
}
