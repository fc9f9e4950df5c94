//! Downloads of a client: bodies that are as large as they like, and are read piece by piece.

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method};
use tokio::task::JoinHandle;

use super::upload::{REPLY_BYTES_MAX, UploadBody, UploadError, broken, refused};
use super::{HttpReply, HttpTarget};

/// A body on its way. Its connection ends with it.
pub struct Download {
    /// The reply's headers.
    pub headers: HeaderMap,
    body: Incoming,
    connection: JoinHandle<()>,
}

impl Download {
    /// Returns the next piece, none at the end. A body that breaks off is an error and no end.
    ///
    /// Errors: [`UploadError::Broken`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, UploadError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl HttpTarget {
    /// Asks for what is at a path.
    ///
    /// Errors: as [`HttpTarget::send`].
    pub async fn get(&self, path_and_query: &str) -> Result<Download, UploadError> {
        let request = self.request(Method::GET, path_and_query, UploadBody::empty())?;
        let (mut sender, connection) = self.connect().await?;
        let connection = tokio::spawn(async move {
            // What fails is seen by whoever reads the body.
            let _ = connection.await;
        });
        let (parts, body) = sender.send_request(request).await.map_err(|error| broken(&error))?.into_parts();
        if parts.status.is_success() {
            return Ok(Download { headers: parts.headers, body, connection });
        }
        let body = Limited::new(body, REPLY_BYTES_MAX).collect().await.map_err(|error| broken(&error))?;
        connection.abort();
        Err(refused(&HttpReply { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() }))
    }
}
