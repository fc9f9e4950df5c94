//! Serves one connection to a peer until it ends.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use modelferry_protocol::codec::{Bytes, Text};
use modelferry_protocol::limits::SNAPSHOT_BYTES_MAX;
use modelferry_protocol::message::{Message, OwnershipReport, Request, Response};
use modelferry_protocol::plan::{Answer, Question, Rebuilding, Verbatim};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::{claims, dispatch, identity};
use crate::engine::base::conversation::Conversation;
use crate::engine::peer::report;
use crate::engine::precopy::incoming as precopy;
use crate::engine::relay::between as relay;
use crate::engine::retention::remote_backup;
use crate::engine::shared::core::Core;
use crate::engine::transfer::patches::rebuild;
use crate::engine::transfer::receive::Receiving;
use crate::link::{ChunkInbox, CloseCode, NewSession, Session, StreamInbox};

/// Messages about incoming blobs that wait for the disk.
const BLOB_MESSAGES_MAX: usize = 64;
/// Models of one peer that are tried at once before they are frozen. Well above what a source lets run.
const DRY_RUNS_MAX: usize = 32;
/// Calls of one peer that are on their way to the controller at once.
const RELAYS_MAX: usize = 32;
/// Copies of one peer that come in at once, to be kept or ahead of a migration.
const COPIES_MAX: usize = 32;
/// Questions of one peer that are being answered at once.
const ANSWERS_MAX: usize = 8;

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
    copies: JoinSet<()>,
    dry_runs: JoinSet<()>,
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
            let receiving = receiving.clone();
            // Apart from the rest, so that a full disk does not make an abort unheard.
            async move {
                while let Some(message) = blob_messages.recv().await {
                    match message {
                        Message::BlobNames(names) => receiving.names(names).await,
                        Message::BlobOffer(offer) => receiving.offered(offer).await,
                        Message::BlobPage(page) => receiving.page(page).await,
                        _ => {}
                    }
                }
            }
        });
        tasks.spawn(relay::serve_streams(core.clone(), streams));
        let (answers, copies, dry_runs) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let relays = HashMap::new();
        Self { core, session, conversation, receiving, met: false, blobs, tasks, answers, copies, dry_runs, relays }
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
        if let Err(claims::Unproven) = claims::heard(&self.core, &self.session, claims).await {
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
        match question {
            Question::Keep(_) | Question::Precopy(_) if self.is_copying_enough() => {
                let answer = Answer::Failed(Text::cut(format!("{COPIES_MAX} copies come in already; try again later")));
                Core::say(&self.session, Message::Response(Response { id, answer })).await;
            }
            // Begun here and not in a task: its blobs are offered right behind it.
            Question::Keep(request) => {
                let begun = remote_backup::take(&self.core, &self.session, &request);
                self.answer_when_here(id, begun);
            }
            Question::Precopy(precopying) => {
                let begun = precopy::take(&self.core, &self.session, *precopying);
                self.answer_when_here(id, begun);
            }
            Question::DryRun(snapshot) => self.dry_run(id, snapshot),
            Question::Rebuild(rebuilding) => self.rebuild(id, rebuilding),
            Question::Relay(call) => self.relay(id, *call).await,
            question => {
                while self.answers.len() >= ANSWERS_MAX {
                    self.answers.join_next().await;
                }
                let (core, session) = (self.core.clone(), self.session.clone());
                self.answers.spawn(async move {
                    let answer = dispatch::answer(&core, session.peer(), question).await;
                    Core::say(&session, Message::Response(Response { id, answer })).await;
                });
            }
        }
    }

    fn is_copying_enough(&mut self) -> bool {
        while self.copies.try_join_next().is_some() {}
        self.copies.len() >= COPIES_MAX
    }

    /// Answers once a transfer has come in, or why it does not.
    fn answer_when_here(&mut self, id: u64, begun: Result<impl Future<Output = Answer> + Send + 'static, String>) {
        let session = self.session.clone();
        self.copies.spawn(async move {
            let answer = match begun {
                Ok(coming) => coming.await,
                Err(text) => Answer::Failed(Text::cut(text)),
            };
            Core::say(&session, Message::Response(Response { id, answer })).await;
        });
    }

    /// Tries a model. Apart from the other questions: it lasts as long as reading all binaries does.
    fn dry_run(&mut self, id: u64, snapshot: Bytes<SNAPSHOT_BYTES_MAX>) {
        while self.dry_runs.try_join_next().is_some() {}
        let is_busy = self.dry_runs.len() >= DRY_RUNS_MAX;
        let (core, session) = (self.core.clone(), self.session.clone());
        self.dry_runs.spawn(async move {
            let answer = if is_busy {
                Err(format!("{DRY_RUNS_MAX} models are being tried here already; try again later"))
            } else {
                dispatch::dry_run(&core, session.peer(), &snapshot).await
            };
            let answer = answer.map_or_else(|text| Answer::Failed(Text::cut(text)), Answer::Bytes);
            Core::say(&session, Message::Response(Response { id, answer })).await;
        });
    }

    /// Makes a blob of a patch. Apart from the other questions: deflate has to be done again.
    fn rebuild(&mut self, id: u64, rebuilding: Rebuilding) {
        while self.dry_runs.try_join_next().is_some() {}
        let refused = if self.dry_runs.len() >= DRY_RUNS_MAX {
            Some("too much is being made here already")
        } else if !self.receiving.has_names(rebuilding.mid, &[rebuilding.blob, rebuilding.patch]) {
            Some("the blob, or the patch, was not named")
        } else {
            None
        };
        let (core, session) = (self.core.clone(), self.session.clone());
        self.dry_runs.spawn(async move {
            let answer = match refused {
                Some(text) => Answer::Failed(Text::cut(text)),
                None => rebuild::rebuild(&core, session.peer(), rebuilding).await,
            };
            Core::say(&session, Message::Response(Response { id, answer })).await;
        });
    }

    async fn relay(&mut self, id: u64, call: Verbatim) {
        self.relays.retain(|_, task| !task.is_finished());
        if self.relays.len() >= RELAYS_MAX {
            let text = format!("{RELAYS_MAX} calls are on their way to the controller already");
            let answer = Answer::Failed(Text::cut(text));
            return Core::say(&self.session, Message::Response(Response { id, answer })).await;
        }
        // Begun here and not in a task: its blob is offered right behind it.
        let arriving = relay::begin(&self.core, &self.session, &call);
        let answering = relay::answer(self.core.clone(), self.conversation.clone(), id, call, arriving);
        self.relays.insert(id, self.tasks.spawn(answering));
    }

    async fn end(mut self) {
        self.core.peer_down(&self.conversation);
        tracing::info!(peer = %self.session.peer_name(), "peer disconnected");
        self.tasks.shutdown().await;
        self.receiving.close().await;
    }
}
