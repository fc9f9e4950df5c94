//! What a relaying source has under way beside its calls: the request to the controller, looks at what that shows, transfers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::switch::source::SourceState;
use tokio::time::sleep;

use crate::controller::gateway::Secret;
use crate::controller::port::{Announced, ControllerError, Shown};
use crate::engine::base::gateways::relayed::no_gateway;
use crate::engine::switchover::log::{self, LogError};
use crate::engine::switchover::source::state::{Failure, SourceTask, Transfer};
use crate::engine::transfer::rate;
use crate::juju::tls::pem_of;

/// How often the controller is looked at while it decides.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked at once it has decided: only its end is waited for.
const LOOK_LATER: Duration = Duration::from_secs(5);
/// Pause before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

type Work<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// What came of a piece of work.
pub enum Done {
    Initiated(Result<(), ControllerError>),
    Looked(Result<Shown, ControllerError>),
    Sent(Result<(), Failure>),
    Logged(Result<(), LogError>),
}

/// What is under way: at most one of each kind.
#[derive(Default)]
pub struct Works {
    initiate: Work<Result<(), ControllerError>>,
    look: Work<Result<Shown, ControllerError>>,
    transfer: Option<Transfer>,
    log: Work<Result<(), LogError>>,
    pause_initiate: bool,
    pause_log: bool,
}

async fn of<T>(work: &mut Work<T>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

impl Works {
    /// Waits for the first piece that is done. Safe to be dropped.
    pub async fn next(&mut self) -> Done {
        tokio::select! {
            done = of(&mut self.initiate) => {
                self.initiate = None;
                Done::Initiated(done)
            }
            done = of(&mut self.transfer) => {
                self.transfer = None;
                Done::Sent(done)
            }
            done = of(&mut self.log) => {
                self.log = None;
                Done::Logged(done)
            }
            done = of(&mut self.look) => {
                self.look = None;
                Done::Looked(done)
            }
        }
    }

    /// Gives up what belongs to a connection.
    pub fn disconnected(&mut self) {
        (self.transfer, self.log) = (None, None);
    }

    /// Lets the request to the controller wait a moment before it is made again.
    pub fn initiate_later(&mut self) {
        self.pause_initiate = true;
    }

    /// Lets the log wait a moment.
    pub fn log_later(&mut self) {
        self.pause_log = true;
    }
}

impl SourceTask {
    /// Returns what the controller is told of the destination.
    ///
    /// Errors: what is missing in the configuration.
    fn announced(&self) -> Result<Announced, String> {
        let (peer, card) = (&*self.tracked.terms.peer, &self.tracked.terms.controller);
        let gateway = self.core.parts.relayed.as_ref().and_then(|relayed| relayed.gateway(peer));
        let gateway = gateway.ok_or_else(|| no_gateway(peer))?;
        Ok(Announced {
            controller: card.uuid,
            alias: card.name.to_string(),
            addresses: gateway.addresses.clone(),
            ca_cert: gateway.ca_cert.clone().unwrap_or_else(|| pem_of(&card.ca_cert)),
            auth_tag: Secret::AUTH_TAG.to_owned(),
            password: self.core.gateway_secret(self.record.head.mid).password().into(),
        })
    }

    /// Begins whatever is to be done and not under way.
    pub(super) fn begin(&mut self, works: &mut Works) {
        self.begin_with_controller(works);
        let Some(conversation) = self.line.conversation() else { return };
        let (core, tracked) = (self.core.clone(), self.tracked.clone());
        let is_staging = matches!(self.record.state, SourceState::Relaying(_));
        if is_staging && works.transfer.is_none() && self.side.relay.set.has_to_send() {
            let blobs = self.side.relay.set.take_to_send();
            let (core, tracked, conversation) = (core.clone(), tracked.clone(), conversation.clone());
            works.transfer = Some(Box::pin(async move {
                rate::send(&core, &conversation, &tracked, &blobs).await?;
                Ok(())
            }));
        }
        let is_handed = matches!(self.record.state, SourceState::Handed(_));
        if is_handed && works.log.is_none() && self.side.relay.log_to_carry && !self.tracked.terms.skip_log {
            let (migration, later) = (self.migration(), std::mem::take(&mut works.pause_log));
            // What comes from here on is noted anew.
            (self.side.relay.log_to_carry, self.side.relay.log_on_its_way) = (false, true);
            works.log = Some(Box::pin(async move {
                if later {
                    sleep(AGAIN).await;
                }
                log::carry_relayed(&core, &conversation, &tracked, migration).await
            }));
        }
    }

    fn begin_with_controller(&mut self, works: &mut Works) {
        let Some(relayed) = &self.core.parts.relayed else { return };
        let (controller, migration) = (Arc::clone(&relayed.controller), self.migration());
        let is_asked = matches!(&self.record.state, SourceState::Relaying(relaying) if relaying.root.is_none());
        if is_asked && !self.side.relay.initiated && works.initiate.is_none() {
            let (later, announced) = (std::mem::take(&mut works.pause_initiate), self.announced());
            let controller = controller.clone();
            works.initiate = Some(Box::pin(async move {
                if later {
                    sleep(AGAIN).await;
                }
                let announced = announced.map_err(ControllerError::Refused)?;
                controller.initiate(migration, &announced).await
            }));
        }
        let every = match &self.record.state {
            SourceState::Relaying(_) | SourceState::Answered(_) => LOOK,
            SourceState::Handed(_) if self.side.relay.end_shown.is_none() => LOOK_LATER,
            _ => return,
        };
        // Before it has begun it shows the migration before.
        if self.side.relay.initiated && works.look.is_none() {
            works.look = Some(Box::pin(async move {
                sleep(every).await;
                controller.shown(migration).await
            }));
        }
    }
}
