//! `demo --write-model`: the demo's model as files, for agents that run on their defaults.

use std::path::Path;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::exit::Exit;
use crate::cli::output::{byte_count, plain};
use crate::cli::{Context, files};
use crate::sample::{Home, Sample};

/// Writes the model into `dir`, and says what to type next. `size`: bytes of all binaries together.
///
/// Errors: [`FailureKind::Refused`] for a directory that is not empty, and for a disk that is full.
pub(super) fn write(context: &Context, dir: &Path, size: u64, seed: u64) -> Result<Exit, Failure> {
    files::to_fill(dir)?;
    let sample = Sample { size_bytes: size, seed, home: Home::LOCALHOST, ..Sample::default() };
    let written = sample.write(dir).map_err(|error| {
        Failure::new(FailureKind::Refused, format!("cannot write a model into {}: {error}", dir.display()))
            .hint("name a directory that you may write to, with room for the binaries; see --size")
    })?;
    let (description, blobs) = (written.description.display().to_string(), written.blobs.display().to_string());
    let tree = serde_json::json!({ "model": &sample.name, "description": &description, "blobs": &blobs });
    context.print(&tree, || {
        let bytes = byte_count(written.blob_bytes);
        format!(
            "Model \"{}\" written: a description, and {} binaries of {bytes}.\n\
             Import it with `modelferry embedded import {} --blobs {}`.\n",
            sample.name,
            written.blob_count,
            plain(&description),
            plain(&blobs)
        )
    });
    Ok(Exit::Done)
}
