//! Uploads as a migration master makes them, for tests.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderName;

use crate::juju::http::{HttpReply, HttpTarget, UploadBody, UploadError};

/// Uploads a body, in pieces. `url`: the charm's, if it is one.
pub async fn upload(
    target: &HttpTarget,
    model: &str,
    (method, path): (Method, &str),
    url: Option<&str>,
    body: &[u8],
) -> Result<HttpReply, UploadError> {
    let mut headers = vec![(HeaderName::from_static("x-juju-migration-model-uuid"), model.to_owned())];
    headers.extend(url.map(|url| (HeaderName::from_static("juju-curl"), url.to_owned())));
    let (pieces, source) = tokio::sync::mpsc::channel(body.len() / 1000 + 1);
    for piece in body.chunks(1000) {
        pieces.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    drop(pieces);
    target.send(method, path, &headers, UploadBody::pieces(source)).await
}
