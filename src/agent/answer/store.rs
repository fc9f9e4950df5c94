//! Handles the requests `Store`, which lists the blobs and who needs them, and `Prune`, which removes unneeded blobs.

use std::time::Duration;

use super::RequestHandler;
use crate::agent::control::{Failure, Response};

impl RequestHandler {
    pub(super) async fn store(&self, list: bool) -> Result<Response, Failure> {
        let held = self.engine()?.store_view(list).await.map_err(|error| self.refusal_of_engine(&error))?;
        Ok(Response::Store(Box::new(held)))
    }

    pub(super) async fn prune(&self, older_than_s: Option<u64>, dry_run: bool) -> Result<Response, Failure> {
        let pruned = self.engine()?.prune(older_than_s.map(Duration::from_secs), dry_run).await;
        Ok(Response::Pruned(Box::new(pruned.map_err(|error| self.refusal_of_engine(&error))?)))
    }
}
