//! What two controllers say to each other and no agent has to understand: single calls, and byte streams.
//!
//! A call is made at most once: after a cut nobody knows what came of it, and the controller that made it decides whether
//! it asks again. What changes a model's owner is never relayed so; that is the switchover's.

use std::sync::Arc;

use modelferry_protocol::codec::{Bytes, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::limits::{VERBATIM_BYTES_MAX, VERBATIM_FRAME_BYTES_MAX};
use modelferry_protocol::message::{Message, Response};
use modelferry_protocol::plan::{Answer, Payload, Question, Verbatim, VerbatimReply};
use modelferry_protocol::snapshot::{BlobRef, Name};
use modelferry_protocol::stream::Open;
use modelferry_protocol::switch::target::{TargetRecord, TargetState};
use modelferry_protocol::switch::{Head, Profile, Terms};
use modelferry_protocol::version::Feature;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use crate::controller::port::{Said, VerbatimCall};
use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::{EngineError, causes};
use crate::engine::migration::tracking::history::History;
use crate::engine::migration::tracking::tracked::Tracked;
use crate::engine::peer::reach::Reach;
use crate::engine::peer::rights;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::transfer::adhoc::{self, InboundTransfer};
use crate::engine::transfer::{TransferError, send};
use crate::link::{ByteStream, IncomingStream, Session, StreamInbox};

/// Bytes between a byte stream and whoever reads and writes it here, each way.
const PIPE_BYTES: usize = 64 << 10;
/// The methods that are never relayed, of the facade `MigrationTarget`.
const OWNERSHIP: [&str; 4] = ["Import", "Activate", "AdoptResources", "Abort"];

/// Names an exchange, which is no migration: blobs are offered and taken in under it.
fn exchange(core: &Core, session: &Session, id: MigrationId, model: ModelUuid) -> (Terms, LastRecord) {
    let (peer, journal) = (session.peer(), core.parts.journal.id());
    let head = Head { mid: id, model, epoch_to: 0, peer, journal, profile: Profile::Gateway };
    let terms = adhoc::terms(id, model, Name::default(), Name::default());
    (terms, LastRecord::Target(TargetRecord { head, state: TargetState::Receiving }))
}

/// Offers the blobs of an exchange.
async fn offer(
    core: &Core,
    conversation: &Conversation,
    id: MigrationId,
    model: ModelUuid,
    blobs: &[BlobRef],
) -> Result<(), TransferError> {
    let session = &conversation.session;
    let (terms, last) = exchange(core, session, id, model);
    let tracked = Tracked::new(terms, core.parts.link.pin(), session.peer(), last, History::default());
    send::send(core, conversation, &tracked, blobs).await
}

fn arriving(core: &Arc<Core>, session: &Session, id: MigrationId, model: ModelUuid) -> Result<InboundTransfer, String> {
    let (terms, last) = exchange(core, session, id, model);
    InboundTransfer::begin(core, session, terms, last, Vec::new(), |_| false)
}

/// Returns bytes as they travel: in the frame if they fit, else as a blob in the store.
async fn packed(core: &Core, bytes: Vec<u8>) -> Result<Payload, String> {
    if bytes.len() as u64 > VERBATIM_BYTES_MAX {
        return Err(format!("{} bytes are more than the {VERBATIM_BYTES_MAX} that are passed on", bytes.len()));
    }
    if bytes.len() <= VERBATIM_FRAME_BYTES_MAX {
        return Ok(Payload::Inline(Bytes::new(bytes).map_err(|error| error.to_string())?));
    }
    let store = core.parts.store.clone();
    let stored = Core::blocking(move || store.put_bytes(&bytes)).await;
    stored.map(Payload::Blob).map_err(|error| error.to_string())
}

/// Returns the bytes that have travelled, and waits for them where they are a blob.
async fn unpacked(core: &Core, payload: Payload, arriving: &mut InboundTransfer) -> Result<Vec<u8>, String> {
    let blob = match payload {
        Payload::Inline(bytes) => return Ok(bytes.to_vec()),
        Payload::Blob(blob) => blob,
    };
    if blob.bytes > VERBATIM_BYTES_MAX {
        return Err(format!("{} bytes are more than the {VERBATIM_BYTES_MAX} that are passed on", blob.bytes));
    }
    arriving.expect(vec![blob]);
    arriving.arrive().await?;
    let store = core.parts.store.clone();
    let read = Core::blocking(move || store.read(blob, VERBATIM_BYTES_MAX)).await;
    read.map_err(|error| error.to_string())
}

fn blobs(payload: &Payload) -> Vec<BlobRef> {
    match payload {
        Payload::Inline(_) => Vec::new(),
        Payload::Blob(blob) => vec![*blob],
    }
}

/// Begins to take in what a call brings: a blob of it is offered right behind the question.
///
/// Errors: why it is not taken in.
pub fn begin(core: &Arc<Core>, session: &Session, call: &Verbatim) -> Result<InboundTransfer, String> {
    arriving(core, session, call.id, call.model)
}

/// Makes a call of the peer's at this side's controller, and answers it. `arriving`: what it brings.
pub async fn answer(
    core: Arc<Core>,
    conversation: Arc<Conversation>,
    id: u64,
    call: Verbatim,
    arriving: Result<InboundTransfer, String>,
) {
    let session = conversation.session.clone();
    // What is stored here for it is nobody's.
    let _lease = core.parts.store.lease_with_puts();
    let relayed = match arriving {
        Ok(arriving) => relayed(&core, &call, arriving).await,
        Err(text) => Err(text),
    };
    let (answer, blobs) = match relayed {
        Ok(relayed) => {
            let (VerbatimReply::Response(payload) | VerbatimReply::Error(payload)) = &relayed;
            let blobs = blobs(payload);
            (Answer::Relayed(Box::new(relayed)), blobs)
        }
        Err(text) => (Answer::Failed(Text::cut(text)), Vec::new()),
    };
    Core::say(&session, Message::Response(Response { id, answer })).await;
    if !blobs.is_empty()
        && let Err(error) = offer(&core, &conversation, call.id, call.model, &blobs).await
    {
        tracing::warn!(peer = %session.peer_name(), "a reply could not be sent: {error}");
    }
}

async fn relayed(core: &Core, call: &Verbatim, mut arriving: InboundTransfer) -> Result<VerbatimReply, String> {
    if &*call.facade == "MigrationTarget" && OWNERSHIP.contains(&&*call.method) {
        return Err(format!("`{}` changes a model's owner, and is not passed on as it is", &*call.method));
    }
    let params = unpacked(core, call.params.clone(), &mut arriving).await?;
    let call = VerbatimCall {
        model: call.model,
        facade: call.facade.to_string(),
        version: call.version,
        method: call.method.to_string(),
        params,
    };
    match core.parts.arrival.relay(&call).await.map_err(|error| causes(&error))? {
        Said::Response(bytes) => packed(core, bytes).await.map(VerbatimReply::Response),
        Said::Error(bytes) => packed(core, bytes).await.map(VerbatimReply::Error),
    }
}

/// Serves the byte streams that a peer opens.
pub async fn serve_streams(core: Arc<Core>, peer: Pin, mut streams: StreamInbox) {
    let mut served = tokio::task::JoinSet::new();
    while let Some(IncomingStream { open, stream }) = streams.recv().await {
        while served.try_join_next().is_some() {}
        let core = core.clone();
        served.spawn(async move {
            if let Some(forbidden) = rights::forbids_calls(&core, peer).await {
                return stream.writer.end(&forbidden.to_string()).await;
            }
            match core.parts.arrival.stream(&open).await {
                Ok(io) => join(stream, io).await,
                Err(error) => stream.writer.end(&causes(&error)).await,
            }
        });
    }
}

/// Carries what is read on one side to the other, both ways, until both have ended, or one has broken: then the other is
/// given up as well.
async fn join(stream: ByteStream, io: impl AsyncRead + AsyncWrite) {
    let ByteStream { mut reader, mut writer } = stream;
    let (mut from, mut to) = tokio::io::split(io);
    let coming = async {
        while let Some(bytes) = reader.read().await? {
            to.write_all(&bytes).await.map_err(|error| error.to_string())?;
        }
        to.shutdown().await.map_err(|error| error.to_string())
    };
    let going = async {
        let mut buffer = vec![0; PIPE_BYTES];
        loop {
            match from.read(&mut buffer).await.map_err(|error| error.to_string())? {
                0 => break,
                bytes => writer.write(&buffer[..bytes]).await?,
            }
        }
        writer.end("").await;
        Ok::<_, String>(())
    };
    if let Err(error) = tokio::try_join!(coming, going) {
        tracing::debug!("a byte stream broke: {error}");
    }
}

impl Engine {
    /// Makes a call at a peer's controller, as it is, and returns what that said. Dropped, the call is cancelled there.
    ///
    /// Errors: [`EngineError::Peer`] with the peer's reason; [`EngineError::Unanswered`] if the connection ended: then
    /// nobody knows what came of the call.
    pub async fn relay(&self, peer: &str, call: VerbatimCall) -> Result<Said, EngineError> {
        let core = &self.0;
        let Reach { conversation, .. } = self.reach(peer).await?;
        let session = conversation.session.clone();
        let failed = |text: String| EngineError::Peer { peer: session.peer_name(), text };
        if !session.agreed().has(Feature::Relay) {
            return Err(failed("its agent passes no calls on; upgrade it".to_owned()));
        }
        let _lease = core.parts.store.lease_with_puts();
        let id = MigrationId(*uuid::Uuid::new_v4().as_bytes());
        let mut arriving = arriving(core, &session, id, call.model).map_err(failed)?;
        let params = packed(core, call.params).await.map_err(failed)?;
        let given = blobs(&params);
        let (facade, method) = (Name::cut(call.facade), Name::cut(call.method));
        let verbatim = Verbatim { id, model: call.model, facade, version: call.version, method, params };
        let mut answer = std::pin::pin!(conversation.ask_cancellable(Question::Relay(Box::new(verbatim))));
        let mut sending = std::pin::pin!(offer(core, &conversation, id, call.model, &given));
        let mut sent = given.is_empty();
        let answer = loop {
            tokio::select! {
                // The question goes out before the blob is offered, which means nothing without it.
                biased;
                answer = &mut answer => break answer?,
                done = &mut sending, if !sent => {
                    done.map_err(|error| failed(error.to_string()))?;
                    sent = true;
                }
            }
        };
        match answer {
            Answer::Relayed(relayed) => {
                let (payload, said): (_, fn(Vec<u8>) -> Said) = match *relayed {
                    VerbatimReply::Response(payload) => (payload, Said::Response),
                    VerbatimReply::Error(payload) => (payload, Said::Error),
                };
                unpacked(core, payload, &mut arriving).await.map(said).map_err(failed)
            }
            Answer::Failed(text) => Err(failed(text.into_string())),
            _ => Err(failed("it answered another question".to_owned())),
        }
    }

    /// Opens a byte stream to a peer's controller, and returns this end of it.
    ///
    /// Errors: [`EngineError::Peer`] where the peer has none, or no more of them.
    pub async fn open_stream(&self, peer: &str, open: Open) -> Result<DuplexStream, EngineError> {
        let Reach { conversation, .. } = self.reach(peer).await?;
        let session = &conversation.session;
        let stream = session.open_stream(open).await;
        let stream =
            stream.map_err(|error| EngineError::Peer { peer: session.peer_name(), text: error.to_string() })?;
        let (here, there) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(join(stream, there));
        Ok(here)
    }
}
