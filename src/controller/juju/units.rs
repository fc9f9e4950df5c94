//! Which revision of a resource each unit has: told to a controller of 3.6, as its masters tell it.
//!
//! A controller of 4.x reads it from the description.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use modelferry_protocol::snapshot::BlobRef;

use super::Inner;
use super::connection::Live;
use super::record::Copy;
use super::request::{Request, revision_query};
use crate::controller::description::Description;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::juju::http::UploadBody;

/// The first series that reads the revisions of units from the description.
const DESCRIBED_SINCE: u32 = 4;
/// Requests at once. Each is small; a model has one for each unit and resource.
const AT_ONCE: usize = 8;

/// Makes the requests. Each replaces what the controller knows, so that it can be sent again.
fn requests(told: &Description) -> Vec<Request> {
    let fetched = told.all_units().flat_map(|(_, unit)| unit.resources.iter().map(move |resource| (unit, resource)));
    fetched
        .map(|(unit, resource)| {
            let (revision, of) = (&resource.revision, ("unit", unit.name.as_str()));
            Request {
                what: format!("the revision of resource {} that unit {} has", resource.name, unit.name),
                method: Method::POST,
                path: format!("/migrate/resources?{}", revision_query(&resource.name, revision.revision, revision, of)),
                headers: vec![(CONTENT_TYPE, "application/octet-stream".to_owned())],
                blob: BlobRef::default(),
            }
        })
        .collect()
}

impl Inner {
    /// Tells the controller which revisions the units have, where it wants to be told.
    pub(super) async fn tell_revisions(
        self: &Arc<Self>,
        migration: MigrationRef,
        copy: &Copy,
    ) -> Result<(), ControllerError> {
        let live = self.connector.live().await?;
        if live.version.major >= DESCRIBED_SINCE {
            return Ok(());
        }
        let told = self.parsed(copy.description).await?;
        let sending = requests(&told).into_iter().map(|request| self.tell_revision(&live, migration, request));
        stream::iter(sending).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn tell_revision(
        &self,
        live: &Live,
        migration: MigrationRef,
        request: Request,
    ) -> Result<(), ControllerError> {
        self.throttle.check(&format!("uploading {}", request.what))?;
        match self.post(live, migration, &request, UploadBody::empty()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unsent(live, &request, error)),
        }
    }
}
