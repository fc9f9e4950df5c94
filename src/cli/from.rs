//! `--from FILE`: a model out of a file, without any agent.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::agent::causes;
use crate::agent::control::view::{ModelStatusView, ModelView};
use crate::agent::control::{Failure, FailureKind};
use crate::controller::backup::{Archive, BackupError};
use crate::controller::description::{self, Description};
use crate::controller::status::ModelStatus;

/// Where a model is read from, if not from the agent.
#[derive(Debug, Args)]
pub(super) struct FromFile {
    /// Show the model in this file, and ask no agent: a model description, what `juju dump-model` printed,
    /// or a backup
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

impl FromFile {
    /// Returns the model in the file, if one is named.
    pub(super) fn model(&self) -> Result<Option<ModelView>, Failure> {
        let Some(file) = &self.from else { return Ok(None) };
        Ok(Some(ModelView::of_description(&read(file)?, &name(file))))
    }

    /// Returns the model in the file with everything inside, if one is named.
    pub(super) fn status(&self) -> Result<Option<ModelStatusView>, Failure> {
        let Some(file) = &self.from else { return Ok(None) };
        let description = read(file)?;
        let model = ModelView::of_description(&description, &name(file));
        Ok(Some(ModelStatusView { model, inside: ModelStatus::of(&description) }))
    }
}

/// Where a controller's name would stand, there is the file's.
fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn read(file: &Path) -> Result<Description, Failure> {
    let refused = |error: &dyn std::error::Error| Failure::new(FailureKind::Refused, causes(error));
    match Archive::open(file) {
        Ok(archive) => {
            let description = archive.description().map_err(|error| refused(&error))?;
            return Description::parse(&description).map_err(|error| refused(&error));
        }
        // Then it is a description, or nothing that could be read.
        Err(BackupError::NotABackup { .. } | BackupError::Unreadable { .. }) => {}
        Err(damaged) => return Err(refused(&damaged)),
    }
    description::from_file(file).map_err(|error| {
        Failure::new(FailureKind::Refused, format!("{}: {}", file.display(), causes(&error)))
            .hint("write one with `juju dump-model MODEL > FILE` or `modelferry embedded export MODEL DIR`")
    })
}
