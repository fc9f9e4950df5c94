//! `--from FILE|BACKUP`: a model out of a file, without any agent, or out of a backup that the agent keeps.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;

use super::backup::names_a_file;
use crate::agent::control::view::{ModelStatusView, ModelView};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::{client, spool};
use crate::controller::backup::{Archive, BackupError};
use crate::controller::description::{Description, DescriptionError, read_bytes};
use crate::controller::status::ModelStatus;
use crate::engine::causes;

/// Where a model is read from, if not from a controller.
#[derive(Debug, Args)]
pub(in crate::cli) struct From {
    /// Show the model in this file, and ask no agent: a model description, what `juju dump-model` printed,
    /// or a backup, `-` reading standard input; or the model in a backup that this agent keeps, by its id
    #[arg(long, value_name = "FILE|BACKUP")]
    from: Option<PathBuf>,
}

impl From {
    /// Returns the model there, if a place is named.
    pub(in crate::cli) fn model(&self, context: &Context) -> Result<Option<ModelView>, Failure> {
        let Some(from) = &self.from else { return Ok(None) };
        match kept(from) {
            Some(id) => Ok(Some(ask(context, id)?.model)),
            None => Ok(Some(ModelView::of_description(&read(from)?, &name(from)))),
        }
    }

    /// Returns the model there with everything inside, if a place is named.
    pub(in crate::cli) fn status(&self, context: &Context) -> Result<Option<ModelStatusView>, Failure> {
        let Some(from) = &self.from else { return Ok(None) };
        if let Some(id) = kept(from) {
            return Ok(Some(*ask(context, id)?));
        }
        let description = read(from)?;
        let model = ModelView::of_description(&description, &name(from));
        Ok(Some(ModelStatusView { model, inside: ModelStatus::of(&description) }))
    }
}

/// Returns the id of a kept backup, where it can be nothing else.
fn kept(from: &Path) -> Option<&str> {
    from.to_str().filter(|text| !names_a_file(text))
}

/// Asks the agent for the model in a backup that it keeps.
fn ask(context: &Context, id: &str) -> Result<Box<ModelStatusView>, Failure> {
    match context.ask(&Request::BackupShow { id: id.to_owned() })? {
        Response::ModelStatus(status) => Ok(status),
        _ => Err(client::unexpected()),
    }
}

/// Where a controller's name would stand, there is the file's.
fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

fn read(file: &Path) -> Result<Description, Failure> {
    let refused = |error: &dyn std::error::Error| Failure::new(FailureKind::Refused, causes(error));
    let opened = spool::spooled(file)?.map_or_else(|| File::open(file), Ok);
    let described = |error: DescriptionError| {
        let failure = Failure::new(FailureKind::Refused, format!("{}: {}", file.display(), causes(&error)));
        match error.advice() {
            Some(advice) => failure.hint(advice),
            None if matches!(error, DescriptionError::Compressed(_)) => failure,
            None => {
                failure.hint("write one with `juju dump-model MODEL > FILE` or `modelferry embedded export MODEL DIR`")
            }
        }
    };
    let mut opened = opened.map_err(|error| described(error.into()))?;
    match Archive::of(opened.try_clone().map_err(|error| refused(&error))?, file) {
        Ok(archive) => {
            let description = archive.description().map_err(|error| refused(&error))?;
            return Description::parse(&description).map_err(|error| refused(&error));
        }
        // Then it is a description, or nothing that could be read.
        Err(BackupError::NotABackup { .. } | BackupError::Unreadable { .. }) => {}
        Err(damaged) => return Err(refused(&damaged)),
    }
    opened.seek(SeekFrom::Start(0)).map_err(|error| described(error.into()))?;
    read_bytes(&mut opened).and_then(|bytes| Description::parse(&bytes)).map_err(described)
}
