//! Uploads: charms, agent binaries and resources go from the agent's store to the controller, each once.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use form_urlencoded::Serializer;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::{Method, StatusCode};
use modelferry_protocol::snapshot::{BlobRef, Call, Resource};
use tokio::sync::mpsc;

use super::Inner;
use super::connection::{CallError, Live};
use super::record::{Copy, Step, Upload};
use super::refusal::is_busy;
use crate::controller::description::Description;
use crate::controller::description::application::{ResourceRevision, charm_name};
use crate::controller::description::wanted::Wanted;
use crate::controller::embedded::uploaded;
use crate::controller::port::{ControllerError, Errand};
use crate::disk::blocking;
use crate::juju::http::{HttpReply, UploadBody, UploadError};
use crate::juju::rpc::{ErrorCode, RpcError};
use crate::store::Store;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that are read ahead of the network.
const PIECES_AHEAD: usize = 4;
/// Hexadecimal digits of a charm's SHA-256 in its path; controllers ask for 7 or more.
const CHARM_DIGITS: usize = 8;
/// How a proxy before the controller, or the controller, says that it has too much to do.
const BUSY: [StatusCode; 2] = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
const MODEL: HeaderName = HeaderName::from_static("x-juju-migration-model-uuid");
const CHARM_URL: HeaderName = HeaderName::from_static("juju-curl");

/// An upload as the controller is asked for it.
struct Request {
    /// What it is, for people and for the record.
    what: String,
    method: Method,
    path: String,
    headers: Vec<(HeaderName, String)>,
    blob: BlobRef,
}

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

fn resource<'d>(told: &'d Description, application: &str, name: &str) -> Option<&'d ResourceRevision> {
    let application = told.applications.iter().find(|known| known.name == application)?;
    application.resources.iter().find(|known| known.name == name).map(|known| &known.revision)
}

/// Makes the query of a resource's upload of what the description says. `what`: the resource, for people.
fn resource_query(of: &Resource, told: &Description, what: &str) -> Result<String, ControllerError> {
    let told = resource(told, &of.application, &of.name);
    let told = told.ok_or_else(|| refused(format!("{what} is not named by the model description")))?;
    let mut query = Serializer::new(String::new());
    query.append_pair("name", &of.name).append_pair("type", &told.kind).append_pair("origin", &told.origin);
    query.append_pair("revision", &of.revision.to_string()).append_pair("size", &told.size.to_string());
    query.append_pair("fingerprint", &told.fingerprint);
    // Controllers of 3.6 want a path for files; none of them looks at what it is.
    query.append_pair("path", &of.name).append_pair("description", "");
    if let Some(time) = nanoseconds(&told.timestamp) {
        query.append_pair("timestamp", &time);
    }
    query.append_pair("application", &of.application);
    Ok(query.finish())
}

/// Returns nanoseconds since 1970, as masters send times.
fn nanoseconds(time: &str) -> Option<String> {
    time.parse::<jiff::Timestamp>().ok().map(|time| time.as_nanosecond().to_string())
}

impl Inner {
    /// Makes the request that a call stands for. `what`: the name that the description's reader gives the binary.
    ///
    /// Errors: [`ControllerError::Refused`] for what the description does not name.
    fn request(&self, call: &Call, told: &Description, what: String) -> Result<Request, ControllerError> {
        Ok(match call {
            Call::UploadCharm(charm) => {
                let object = match charm.object.is_empty() {
                    true => {
                        let sum = self.sha256.of(&self.store, charm.blob)?;
                        format!("{}-{}", charm_name(&charm.url).0, &sum[..CHARM_DIGITS])
                    }
                    false => charm.object.to_string(),
                };
                Request {
                    what,
                    method: Method::PUT,
                    path: format!("/migrate/charms/{object}"),
                    headers: vec![(CONTENT_TYPE, "application/zip".to_owned()), (CHARM_URL, charm.url.to_string())],
                    blob: charm.blob,
                }
            }
            Call::UploadAgentBinary(binary) => {
                let query = Serializer::new(String::new()).append_pair("binaryVersion", &binary.version).finish();
                Request {
                    what,
                    method: Method::POST,
                    path: format!("/migrate/tools?{query}"),
                    headers: vec![(CONTENT_TYPE, "application/x-tar-gz".to_owned())],
                    blob: binary.blob,
                }
            }
            Call::UploadResource(of) => {
                let query = match of.query.is_empty() {
                    true => resource_query(of, told, &what)?,
                    false => of.query.to_string(),
                };
                Request {
                    what,
                    method: Method::POST,
                    path: format!("/migrate/resources?{query}"),
                    headers: vec![(CONTENT_TYPE, "application/octet-stream".to_owned())],
                    blob: of.blob,
                }
            }
            other => return Err(refused(format!("{} uploads nothing", other.name()))),
        })
    }

    /// Sends a binary, unless this migration has sent it before.
    pub(super) async fn upload(
        self: &Arc<Self>,
        errand: Errand,
        copy: &Copy,
        call: &Call,
    ) -> Result<(), ControllerError> {
        let told = self.parsed(copy.description).await?;
        let (inner, call, mid) = (self.clone(), call.clone(), errand.mid);
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
        self.note_upload(errand, what, blob, Step::Sent).await?;
        let live = self.connector.live().await?;
        match self.send(&live, errand, &request).await {
            Ok(reply) => check_reply(&request, &reply)?,
            Err(UploadError::Refused { error, .. }) if is_there(&error, &request, sent_before) => {}
            Err(UploadError::Refused { status, error }) if is_busy(&error) || BUSY.contains(&status) => {
                return Err(ControllerError::Unknown(format!("uploading {what}: {error}")));
            }
            Err(UploadError::Refused { error, .. }) if is_already_there(&error) => {
                let text = format!(
                    "uploading {what}: the controller has one already that this migration did not put there; ours is {}: {error}",
                    blob.hash
                );
                return Err(refused(text));
            }
            Err(UploadError::Refused { error, .. }) => {
                return Err(match live.judged(error) {
                    CallError::Denied(text) => ControllerError::Unknown(format!("uploading {what}: {text}")),
                    error => refused(format!("uploading {what}: {error}")),
                });
            }
            Err(error) => return Err(ControllerError::Unknown(format!("uploading {what}: {error}"))),
        }
        self.note_upload(errand, what, blob, Step::Done).await
    }

    async fn note_upload(
        self: &Arc<Self>,
        errand: Errand,
        what: &str,
        blob: BlobRef,
        step: Step,
    ) -> Result<(), ControllerError> {
        let (inner, what) = (self.clone(), what.to_owned());
        let upload = Upload { blob: blob.hash, step };
        blocking(move || inner.records.put_upload(errand.mid, &what, &upload)).await
    }

    async fn send(&self, live: &Live, errand: Errand, request: &Request) -> Result<HttpReply, UploadError> {
        let (pieces, body) = mpsc::channel(PIECES_AHEAD);
        let (store, blob) = (self.store.clone(), request.blob);
        // It ends with the request: nobody takes its pieces then.
        tokio::task::spawn_blocking(move || read(&store, blob, &pieces));
        let mut headers = request.headers.clone();
        headers.push((MODEL, errand.model.to_string()));
        live.http().send(request.method.clone(), &request.path, &headers, UploadBody::pieces(body)).await
    }

    /// Refuses a copy that lacks binaries: its machines could not get them from the controller.
    pub(super) async fn all_uploaded(self: &Arc<Self>, errand: Errand, copy: &Copy) -> Result<(), ControllerError> {
        let told = self.parsed(copy.description).await?;
        let inner = self.clone();
        let missing = blocking(move || {
            let mut missing = Vec::new();
            for wanted in told.wanted() {
                let what = wanted.to_string();
                let upload = inner.records.upload(errand.mid, &what)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_sent_in_nanoseconds() {
        assert_eq!(nanoseconds("2026-03-02T08:00:00Z").as_deref(), Some("1772438400000000000"));
        assert_eq!(nanoseconds(""), None);
    }
}
