//! Downloads of a live model's binaries, as the controller's own migration master makes them: the bytes are the same.
//!
//! What was downloaded is remembered, so that a look at a model costs its description alone.

use std::sync::Arc;

use form_urlencoded::Serializer;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::snapshot::BlobRef;
use serde::{Deserialize, Serialize};

use super::super::Inner;
use super::super::connection::Live;
use crate::controller::body::body;
use crate::controller::description::wanted::Wanted;
use crate::controller::port::ControllerError;
use crate::disk::blocking;
use crate::juju::http::UploadError;

/// What was downloaded, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Fetched {
    #[serde(with = "crate::controller::text")]
    hash: modelferry_protocol::ids::Hash,
    bytes: u64,
}

/// Returns where a binary of a model is, and the name under which it is remembered: of what the controller may replace
/// under the same path that has its hash in it, as far as the description tells one.
fn path_of(model: ModelUuid, wanted: &Wanted) -> (String, String) {
    match wanted {
        Wanted::Charm { url, sha256 } => {
            let query = Serializer::new(String::new()).append_pair("url", url).append_pair("file", "*").finish();
            (format!("/model/{model}/charms?{query}"), format!("fetched/{model}/{wanted}/{sha256}"))
        }
        Wanted::AgentBinary { version, sha256, .. } => {
            (format!("/model/{model}/tools/{version}"), format!("fetched/tools/{version}/{sha256}"))
        }
        Wanted::File { application, name, revision, sha384, .. } => (
            format!("/model/{model}/applications/{application}/resources/{name}"),
            format!("fetched/{model}/{application}/{name}/{revision}/{sha384}"),
        ),
        // What stands for an image has no hash of its own: it is small, and fetched every time.
        Wanted::OciImage { application, name, .. } => {
            (format!("/model/{model}/applications/{application}/resources/{name}"), String::new())
        }
    }
}

impl Inner {
    /// Returns a binary of a live model, in the store: as it was downloaded before, or now.
    ///
    /// Errors: [`ControllerError::Refused`] for what the controller does not have, or not as the description says.
    pub(super) async fn fetched(
        self: &Arc<Self>,
        live: &Live,
        model: ModelUuid,
        wanted: &Wanted,
    ) -> Result<BlobRef, ControllerError> {
        let (path, name) = path_of(model, wanted);
        if let Some(blob) = self.fetched_before(&name).await? {
            return Ok(blob);
        }
        let what = format!("downloading {wanted}");
        self.throttle.check(&what)?;
        let failed = |error: UploadError| match self.throttle.put_off(&what, &error) {
            Some(put_off) => put_off,
            None => match error {
                UploadError::Refused { error, .. } => ControllerError::Refused(format!("{what}: {error}")),
                error => ControllerError::Unknown(format!("{what}: {error}")),
            },
        };
        let target = live.http();
        let mut download = live.alongside(target.get(&path), UploadError::Broken).await.map_err(failed)?;
        let (feed, body) = body();
        let (store, proven) = (self.store.clone(), wanted.clone());
        // Not `disk::blocking`: it waits for the pieces that this task feeds it.
        let storing = tokio::task::spawn_blocking(move || {
            let mut proving = proven.proving(body);
            let blob = store.put(&mut proving).map_err(ControllerError::storage)?;
            match proving.finish() {
                // A charm that its controller has repacked has another hash than the store's.
                Ok(_) => Ok(blob),
                Err(error) => Err(ControllerError::Refused(error.to_string())),
            }
        });
        loop {
            let piece = match live.alongside(download.piece(), UploadError::Broken).await {
                Ok(piece) => piece,
                Err(error) => {
                    // What was stored of it is no whole, and is thrown away.
                    drop(feed);
                    let _ = storing.await;
                    return Err(ControllerError::Unknown(format!("downloading {wanted}: {error}")));
                }
            };
            let ended = piece.is_none();
            // Nobody takes it where the disk failed, which the task says.
            if feed.send(piece).await.is_err() || ended {
                break;
            }
        }
        let blob = storing.await.map_err(ControllerError::storage)??;
        if !name.is_empty() {
            let (inner, kept) = (self.clone(), Fetched { hash: blob.hash, bytes: blob.bytes });
            blocking(move || inner.records.put_fact(&name, &kept)).await?;
        }
        Ok(blob)
    }

    async fn fetched_before(self: &Arc<Self>, name: &str) -> Result<Option<BlobRef>, ControllerError> {
        if name.is_empty() {
            return Ok(None);
        }
        let (inner, name) = (self.clone(), name.to_owned());
        blocking(move || {
            let Some(Fetched { hash, bytes }) = inner.records.fact::<Fetched>(&name)? else { return Ok(None) };
            // It may have been pruned since.
            let held = inner.store.size(hash).map_err(ControllerError::storage)?;
            Ok(held.filter(|held| *held == bytes).map(|bytes| BlobRef { hash, bytes }))
        })
        .await
    }
}
