//! Serves one connection to a peer until it ends.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::{
    BLOB_MESSAGES_MAX, COPIES_AT_ONCE_MAX, QUERIES_AT_ONCE_MAX, QUESTIONS_AT_ONCE_MAX, RELAYS_AT_ONCE_MAX,
    TRIES_AT_ONCE_MAX,
};
use modelferry_protocol::message::{Message, OwnershipReport, Request, Response};
use modelferry_protocol::plan::{Answer, Question, Rebuilding, Verbatim};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::{background, claims, dispatch, identity};
use crate::disk::background::Lane;
use crate::engine::base::budget::Work;
use crate::engine::base::conversation::Conversation;
use crate::engine::peer::{report, rights};
use crate::engine::precopy::incoming as precopy;
use crate::engine::relay::between as relay;
use crate::engine::retention::{quota, remote_backup};
use crate::engine::shared::core::Core;
use crate::engine::transfer::patches::rebuild;
use crate::engine::transfer::receive::Receiving;
use crate::link::{ChunkInbox, CloseCode, NewSession, Session, StreamInbox};

/// Serves one connection until it ends.
pub async fn serve_session(core: Arc<Core>, new: NewSession) {
    let NewSession { session, mut inbox, chunks, streams } = new;
    let mut service = Service::begin(core, session, chunks, streams);
    // Before anything else is said or heard: one of the two may have been set back and not know it.
    Core::say(&service.session, report::of(&service.core, service.session.peer()).await).await;
    while let Some(message) = inbox.recv().await {
        tracing::debug!(message = message.name(), peer = %service.session.peer_name(), "heard");
        if service.take(message).await.is_break() {
            break;
        }
    }
    service.end().await;
}

/// One connection that is served.
struct Service {
    core: Arc<Core>,
    session: Session,
    conversation: Arc<Conversation>,
    receiving: Arc<Receiving>,
    /// Whether the peer has told how far its journal is, and this agent goes on.
    met: bool,
    /// Messages about incoming blobs.
    blobs: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    answers: JoinSet<()>,
    queries: JoinSet<()>,
    copies: JoinSet<()>,
    tries: JoinSet<()>,
    /// Calls on their way to the controller, by the question's id.
    relays: HashMap<u64, AbortHandle>,
}

impl Service {
    fn begin(core: Arc<Core>, session: Session, chunks: ChunkInbox, streams: StreamInbox) -> Self {
        let conversation = Arc::new(Conversation::new(session.clone()));
        let receiving = Receiving::new(core.clone(), session.clone());
        let (blobs, mut blob_messages) = mpsc::channel(BLOB_MESSAGES_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let receiving = receiving.clone();
            async move { receiving.take_chunks(chunks).await }
        });
        tasks.spawn({
            let receiving = receiving.clone();
            async move { receiving.make_durable().await }
        });
        tasks.spawn({
            let (core, receiving, peer) = (core.clone(), receiving.clone(), session.peer());
            // Apart from the rest, so that a full disk does not make an abort unheard.
            async move {
                while let Some(message) = blob_messages.recv().await {
                    match message {
                        Message::BlobNames(names) => {
                            let Some(others) = receiving.lacking_beside(&names) else { continue };
                            match quota::ensure(&core, peer, &names.blobs, others).await {
                                Ok(()) => receiving.names(names).await,
                                Err(forbidden) => receiving.refuse_names(&names, forbidden.to_string()).await,
                            }
                        }
                        Message::BlobOffer(offer) => receiving.offered(offer).await,
                        Message::BlobPage(page) => receiving.page(page).await,
                        _ => {}
                    }
                }
            }
        });
        tasks.spawn(relay::serve_streams(core.clone(), session.peer(), streams));
        Self {
            core,
            session,
            conversation,
            receiving,
            met: false,
            blobs,
            tasks,
            answers: JoinSet::new(),
            queries: JoinSet::new(),
            copies: JoinSet::new(),
            tries: JoinSet::new(),
            relays: HashMap::new(),
        }
    }

    /// Takes a message to whatever it concerns. Breaks when the connection has ended.
    async fn take(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Hello(_) => {}
            Message::OwnershipReport(told) => return self.claimed(&told).await,
            Message::Request(Request { id, question }) => self.asked(id, question).await,
            Message::Cancel(id) => {
                if let Some(task) = self.relays.remove(&id) {
                    task.abort();
                }
            }
            Message::Response(told) => self.conversation.told(told.id, told.answer),
            Message::BlobNames(_) | Message::BlobOffer(_) | Message::BlobPage(_) => tokio::select! {
                _ = self.blobs.send(message) => {}
                // On a full disk the queue stays full, and the end of the connection would be noticed by nobody.
                _ = self.session.closed() => return ControlFlow::Break(()),
            },
            Message::BlobState(state) => self.conversation.feed(state.handle, Message::BlobState(state)).await,
            Message::BlobDone(handle) => self.conversation.feed(handle, Message::BlobDone(handle)).await,
            Message::Need(ref chunks) | Message::Held(ref chunks) => {
                self.conversation.feed(chunks.handle, message).await;
            }
            Message::Hold(_) => self.conversation.feed_all(message).await,
            message => {
                if let Some(key) = message.key().filter(|_| self.met) {
                    dispatch::heard(&self.core, key, message, &self.session).await;
                }
            }
        }
        ControlFlow::Continue(())
    }

    async fn claimed(&mut self, claims: &OwnershipReport) -> ControlFlow<()> {
        let heard = claims::heard(&self.core, &self.session, claims);
        let lane = background::lane(&self.core, self.session.peer(), Work::Report);
        if let Err(claims::Unproven) = lane.run(heard).await {
            self.session.close(CloseCode::Violation, "a report that says what it does not prove");
            return ControlFlow::Break(());
        }
        if self.core.halted().is_none() && !std::mem::replace(&mut self.met, true) {
            self.core.peer_up(&self.conversation);
            identity::taken_again(&self.core, self.session.peer()).await;
            tracing::info!(peer = %self.session.peer_name(), "peer connected");
        }
        ControlFlow::Continue(())
    }

    /// Answers a question, or lets a task answer it.
    async fn asked(&mut self, id: u64, question: Question) {
        let lane = background::lane(&self.core, self.peer(), background::kind(&question));
        let (core, session, peer) = (self.core.clone(), self.session.clone(), self.peer());
        match question {
            // Begun here and not in a task: its blobs are offered right behind it.
            Question::Keep(_) | Question::Precopy(_) if has(&mut self.copies, COPIES_AT_ONCE_MAX) => {
                self.refuse(id, format!("{COPIES_AT_ONCE_MAX} copies come in already; try again later")).await;
            }
            Question::Keep(request) => {
                let coming = remote_backup::take(&core, &session, &request).await;
                self.copies.spawn(reply(session, id, lane.run(once_here(coming))));
            }
            Question::Precopy(precopying) => {
                let coming = precopy::take(&core, &session, *precopying).await;
                self.copies.spawn(reply(session, id, lane.run(once_here(coming))));
            }
            // Apart from the other questions: it lasts as long as reading all binaries does, or as deflating again.
            Question::DryRun(_) | Question::Rebuild(_) if has(&mut self.tries, TRIES_AT_ONCE_MAX) => {
                let text = format!("{TRIES_AT_ONCE_MAX} models are being tried here already; try again later");
                self.refuse(id, text).await;
            }
            Question::DryRun(snapshot) => {
                let trying = async move { dry_run(&core, peer, &snapshot).await };
                self.tries.spawn(reply(session, id, lane.run(trying)));
            }
            Question::Rebuild(Rebuilding { mid, blob, patch, .. })
                if !self.receiving.has_names(mid, &[blob, patch]) =>
            {
                self.refuse(id, "the blob, or the patch, was not named".to_owned()).await;
            }
            Question::Rebuild(rebuilding) => {
                let making = async move { rebuild::rebuild(&core, peer, rebuilding).await };
                self.tries.spawn(reply(session, id, lane.run(making)));
            }
            Question::Relay(call) => self.relay(id, *call, lane).await,
            // Refused and not waited for: what people ask must hold up no message of a migration.
            Question::Query(_) if has(&mut self.queries, QUERIES_AT_ONCE_MAX) => {
                let text = format!("{QUERIES_AT_ONCE_MAX} questions of this peer wait here already; try again later");
                self.refuse(id, text).await;
            }
            question => {
                let is_query = matches!(question, Question::Query(_));
                while !is_query && self.answers.len() >= QUESTIONS_AT_ONCE_MAX {
                    self.answers.join_next().await;
                }
                let answers = if is_query { &mut self.queries } else { &mut self.answers };
                let answering = async move { dispatch::answer(&core, peer, question).await };
                answers.spawn(reply(session, id, lane.run(answering)));
            }
        }
    }

    fn peer(&self) -> Pin {
        self.session.peer()
    }

    /// Answers a question that is one too many.
    async fn refuse(&self, id: u64, text: String) {
        let answer = Answer::Failed(Text::cut(text));
        Core::say(&self.session, Message::Response(Response { id, answer })).await;
    }

    async fn relay(&mut self, id: u64, call: Verbatim, lane: Arc<Lane>) {
        self.relays.retain(|_, task| !task.is_finished());
        if let Some(forbidden) = rights::forbids_calls(&self.core, self.peer()).await {
            return self.refuse(id, forbidden.to_string()).await;
        }
        // A call under the number of another would be counted as one with it.
        if self.relays.len() >= RELAYS_AT_ONCE_MAX || self.relays.contains_key(&id) {
            let text = format!("{RELAYS_AT_ONCE_MAX} calls are on their way to the controller already, or this one is");
            return self.refuse(id, text).await;
        }
        // Begun here and not in a task: its blob is offered right behind it.
        let arriving = relay::begin(&self.core, &self.session, &call);
        let answering = relay::answer(self.core.clone(), self.conversation.clone(), id, call, arriving);
        self.relays.insert(id, self.tasks.spawn(lane.run(answering)));
    }

    async fn end(mut self) {
        self.core.peer_down(&self.conversation);
        tracing::info!(peer = %self.session.peer_name(), "peer disconnected");
        self.tasks.shutdown().await;
        self.receiving.close().await;
    }
}

/// Reports whether so many tasks are under way already.
fn has(tasks: &mut JoinSet<()>, max: usize) -> bool {
    while tasks.try_join_next().is_some() {}
    tasks.len() >= max
}

/// Sends the answer to a question once there is one.
async fn reply(session: Session, id: u64, answering: impl Future<Output = Answer>) {
    let answer = answering.await;
    Core::say(&session, Message::Response(Response { id, answer })).await;
}

/// Answers once a transfer has come in, or why it does not.
async fn once_here(coming: Result<impl Future<Output = Answer>, String>) -> Answer {
    match coming {
        Ok(coming) => coming.await,
        Err(text) => Answer::Failed(Text::cut(text)),
    }
}

async fn dry_run(core: &Core, peer: Pin, snapshot: &[u8]) -> Answer {
    let tried = dispatch::dry_run(core, peer, snapshot).await;
    tried.map_or_else(|text| Answer::Failed(Text::cut(text)), Answer::Bytes)
}
