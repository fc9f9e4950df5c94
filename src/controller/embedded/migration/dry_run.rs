//! Tries the calls of an import while the model is live at its source, so that the freeze does not wait for it.

use modelferry_protocol::snapshot::{BlobRef, Call};

use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::controller::embedded::Inner;
use crate::controller::embedded::files::import_builder::check_calls;
use crate::controller::port::ControllerError;

/// Returns what a call uploads, and what the description names it.
///
/// Errors: [`ControllerError::Refused`] for what the description does not name.
pub(in crate::controller) fn uploaded<'d>(
    call: &Call,
    description: &'d Description,
) -> Result<(BlobRef, &'d Wanted), ControllerError> {
    let find = |is: &dyn Fn(&Wanted) -> bool| description.wanted().iter().find(|wanted| is(wanted));
    let (blob, what, wanted) = match call {
        Call::UploadCharm(charm) => {
            let is = |wanted: &Wanted| matches!(wanted, Wanted::Charm { url, .. } if **url == *charm.url);
            (charm.blob, format!("charm {}", &*charm.url), find(&is))
        }
        Call::UploadAgentBinary(binary) => {
            let is =
                |wanted: &Wanted| matches!(wanted, Wanted::AgentBinary { version, .. } if **version == *binary.version);
            (binary.blob, format!("agent binary {}", &*binary.version), find(&is))
        }
        Call::UploadResource(resource) => {
            let is = |wanted: &Wanted| match wanted {
                Wanted::File { application, name, revision, .. } | Wanted::OciImage { application, name, revision } => {
                    **application == *resource.application && **name == *resource.name && *revision == resource.revision
                }
                Wanted::Charm { .. } | Wanted::AgentBinary { .. } => false,
            };
            let what = format!("resource {}/{} ({})", &*resource.application, &*resource.name, resource.revision);
            (resource.blob, what, find(&is))
        }
        other => return Err(ControllerError::Refused(format!("{} uploads nothing", other.name()))),
    };
    let unnamed = || ControllerError::Refused(format!("{what} is not named by the model description"));
    Ok((blob, wanted.ok_or_else(unnamed)?))
}

impl Inner {
    /// Parses the description and proves every binary, and remembers both.
    pub(super) fn dry_run_stage(&self, calls: &[Call]) -> Result<(), ControllerError> {
        let imported = calls.iter().find_map(|call| if let Call::Import(blob) = call { Some(*blob) } else { None });
        let imported = imported.ok_or_else(|| ControllerError::Refused("no call imports a description".to_owned()))?;
        let description = self.description_of(imported.into())?;
        check_calls(&description)?;
        for call in calls.iter().filter(|call| call.uploads()) {
            let (blob, wanted) = uploaded(call, &description)?;
            self.prove(blob, wanted)?;
        }
        Ok(())
    }

    /// Proves that a blob is the binary wanted; once, as a blob of one hash never changes.
    pub(in crate::controller::embedded) fn prove(&self, blob: BlobRef, wanted: &Wanted) -> Result<(), ControllerError> {
        let Some(proof) = wanted.proof() else { return wanted.fits(blob.bytes).map_err(refused) };
        if self.database.is_proven(blob.hash, &proof)? {
            return wanted.fits(blob.bytes).map_err(refused);
        }
        let file = self.store.open_blob(blob.hash).map_err(ControllerError::storage)?;
        let mut proving = wanted.proving(file);
        std::io::copy(&mut proving, &mut std::io::sink()).map_err(ControllerError::storage)?;
        if let Some(warning) = proving.finish().map_err(refused)? {
            tracing::warn!("{warning}");
        }
        match self.database.write_soon(|tables| tables.put_proven(blob.hash, &proof)) {
            // It is proven again when it is staged.
            Err(error) if error.is_full() => Ok(()),
            noted => noted,
        }
    }
}

fn refused(error: crate::controller::description::wanted::NotWanted) -> ControllerError {
    ControllerError::Refused(error.to_string())
}
