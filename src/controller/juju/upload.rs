//! Uploads: charms, agent binaries and resources go from the agent's store to the controller, each once.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderName;
use modelferry_protocol::snapshot::{BlobRef, Call};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Inner;
use super::connection::{CallError, Live};
use super::record::{Copy, Step, Upload};
use super::request::{CHARM_URL, Request};
use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::controller::embedded::uploaded;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::http::{HttpReply, UploadBody, UploadError};
use crate::juju::rpc::{ErrorCode, RpcError};
use crate::store::Store;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that are read ahead of the network.
const PIECES_AHEAD: usize = 4;
/// Names the model that an upload is for.
const MODEL: HeaderName = HeaderName::from_static("x-juju-migration-model-uuid");

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

impl Inner {
    /// Sends a binary, unless this migration has sent it before.
    pub(super) async fn upload(
        self: &Arc<Self>,
        migration: MigrationRef,
        copy: &Copy,
        call: &Call,
    ) -> Result<(), ControllerError> {
        let told = self.parsed(copy.description).await?;
        let (inner, call, mid) = (self.clone(), call.clone(), migration.mid);
        let (request, before) = blocking(move || {
            let (blob, wanted) = uploaded(&call, &told)?;
            // An upload is recorded under this name.
            let what = wanted.to_string();
            let before = inner.records.upload(mid, &what)?;
            if let Some(before) = before.as_ref().filter(|before| before.blob != blob.hash) {
                let text = format!("{what}: {} was uploaded before, and {} is other bytes", before.blob, blob.hash);
                return Err(refused(text));
            }
            inner.proven.prove(&inner.store, blob, wanted)?;
            Ok::<_, ControllerError>((inner.request(&call, &told, what)?, before))
        })
        .await?;
        let (what, blob) = (&request.what, request.blob);
        if before.as_ref().is_some_and(|before| before.step == Step::Done) {
            return Ok(());
        }
        let sent_before = before.is_some();
        self.throttle.check(&format!("uploading {what}"))?;
        self.note_upload(migration, what, blob, Step::Sent).await?;
        let live = self.connector.live().await?;
        match self.send(&live, migration, &request).await {
            Ok(reply) => check_reply(&request, &reply)?,
            Err(UploadError::Refused { error, .. }) if is_there(&error, &request, sent_before) => {}
            Err(error) => return Err(self.unsent(&live, &request, error)),
        }
        self.note_upload(migration, what, blob, Step::Done).await
    }

    /// Judges an upload that failed.
    pub(super) fn unsent(&self, live: &Live, request: &Request, failed: UploadError) -> ControllerError {
        let what = format!("uploading {}", request.what);
        if let Some(put_off) = self.throttle.put_off(&what, &failed) {
            return put_off;
        }
        match failed {
            UploadError::Refused { error, .. } if is_already_there(&error) => refused(format!(
                "{what}: the controller has one already that this migration did not put there; ours is {}: {error}",
                request.blob.hash
            )),
            UploadError::Refused { error, .. } => match live.judged(*error) {
                CallError::Denied(text) => ControllerError::Unknown(format!("{what}: {text}")),
                error => refused(format!("{what}: {error}")),
            },
            error => ControllerError::Unknown(format!("{what}: {error}")),
        }
    }

    async fn note_upload(
        self: &Arc<Self>,
        migration: MigrationRef,
        what: &str,
        blob: BlobRef,
        step: Step,
    ) -> Result<(), ControllerError> {
        let (inner, what) = (self.clone(), what.to_owned());
        let upload = Upload { blob: blob.hash, step };
        blocking(move || inner.records.put_upload(migration.mid, &what, &upload)).await
    }

    async fn send(&self, live: &Live, migration: MigrationRef, request: &Request) -> Result<HttpReply, UploadError> {
        let (pieces, body) = mpsc::channel(PIECES_AHEAD);
        let (store, blob) = (self.store.clone(), request.blob);
        // It ends with the request: nobody takes its pieces then.
        tokio::task::spawn_blocking(move || read(&store, blob, &pieces));
        self.post(live, migration, request, UploadBody::pieces(body)).await
    }

    /// Sends a request of a migration.
    pub(super) async fn post(
        &self,
        live: &Live,
        migration: MigrationRef,
        request: &Request,
        body: UploadBody,
    ) -> Result<HttpReply, UploadError> {
        let mut headers = request.headers.clone();
        headers.push((MODEL, migration.model.to_string()));
        let (target, begun) = (live.http(), Instant::now());
        let sending = target.send(request.method.clone(), &request.path, &headers, body);
        let sent = live.alongside(sending, UploadError::Broken).await;
        tracing::debug!(ms = begun.elapsed().as_millis(), bytes = request.blob.bytes, "uploaded {}", request.what);
        sent
    }

    /// Refuses a copy that lacks binaries: its machines could not get them from the controller.
    pub(super) async fn all_uploaded(
        self: &Arc<Self>,
        migration: MigrationRef,
        copy: &Copy,
    ) -> Result<(), ControllerError> {
        let told = self.parsed(copy.description).await?;
        let inner = self.clone();
        let missing = blocking(move || {
            let mut missing = Vec::new();
            for wanted in told.wanted() {
                let what = wanted.to_string();
                let upload = inner.records.upload(migration.mid, &what)?;
                if upload.is_none_or(|upload| upload.step != Step::Done) {
                    missing.push(what);
                }
            }
            Ok::<_, ControllerError>(missing)
        })
        .await?;
        match missing.is_empty() {
            true => Ok(()),
            false => Err(refused(format!("machine sanity check failed, binaries are missing: {}", missing.join(", ")))),
        }
    }

    /// Proves the binaries, and reads what uploads need to know of them, before the model is frozen. `calls`: those of a snapshot.
    pub(super) async fn prepare_uploads(
        self: &Arc<Self>,
        told: &Description,
        calls: &[Call],
    ) -> Result<(), ControllerError> {
        let binaries = calls.iter().filter_map(|call| uploaded(call, told).ok());
        let binaries: Vec<(BlobRef, Wanted)> = binaries.map(|(blob, wanted)| (blob, wanted.clone())).collect();
        let inner = self.clone();
        blocking(move || {
            for (blob, wanted) in &binaries {
                inner.proven.prove(&inner.store, *blob, wanted)?;
                if let Wanted::Charm { .. } = wanted {
                    inner.sha256.of(&inner.store, *blob)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Reads a blob piece by piece. A blob that cannot be read breaks the request off.
fn read(store: &Store, blob: BlobRef, pieces: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut file = match store.open_blob(blob.hash) {
        Ok(file) => file,
        Err(error) => {
            let _ = pieces.blocking_send(Err(std::io::Error::other(error)));
            return;
        }
    };
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece);
        let piece = match read {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) => Err(error),
        };
        let broken = piece.is_err();
        // Nobody may be there to take it any more.
        if pieces.blocking_send(piece).is_err() || broken {
            return;
        }
    }
}

/// Reports whether a refusal says that the binary is there already.
fn is_already_there(error: &RpcError) -> bool {
    error.code == ErrorCode::AlreadyExists || error.message.contains("already exists")
}

/// Reports whether a refusal says that the very bytes are there already.
///
/// Agent binaries and resources are compared by the controller itself, which calls other bytes something else; a charm is not.
fn is_there(error: &RpcError, request: &Request, sent_before: bool) -> bool {
    is_already_there(error) && (sent_before || !request.what.starts_with("charm "))
}

/// Checks that a charm has the URL that the model calls it by.
fn check_reply(request: &Request, reply: &HttpReply) -> Result<(), ControllerError> {
    let Some((_, asked)) = request.headers.iter().find(|(name, _)| *name == CHARM_URL) else { return Ok(()) };
    let given = reply.headers.get(&CHARM_URL).and_then(|value| value.to_str().ok());
    match given {
        Some(given) if given == asked => Ok(()),
        Some(given) => Err(refused(format!("charm {asked} unexpectedly assigned {given}"))),
        None => Err(refused(format!("uploading {}: response returned no charm URL", request.what))),
    }
}
