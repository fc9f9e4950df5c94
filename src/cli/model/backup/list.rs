//! `modelferry backup list`: the copies that are kept here, or archives.

use std::fs;
use std::path::PathBuf;

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::cli::base::exit::Exit;
use crate::cli::output::{Table, byte_count};
use crate::controller::backup::view::{BackupView, ID_SHOWN};
use crate::controller::backup::{BackupError, read_manifest};

pub(super) fn list(context: &Context, places: &[PathBuf]) -> Result<Exit, Failure> {
    let backups = if places.is_empty() {
        match context.ask(&Request::BackupList {})? {
            Response::Backups(backups) => backups,
            _ => return Err(client::unexpected()),
        }
    } else {
        archives(places)?
    };
    context.print(&backups, || match table(&backups) {
        table if table.is_empty() && places.is_empty() => {
            "No backups are kept here. Name files or directories to list archives.\n".to_owned()
        }
        table if table.is_empty() => "No backups there.\n".to_owned(),
        table => table.render(),
    });
    let damaged = backups.iter().any(|backup| backup.trouble.is_some());
    Ok(if damaged { Exit::Refused } else { Exit::Done })
}

fn archives(places: &[PathBuf]) -> Result<Vec<BackupView>, Failure> {
    let mut views = Vec::new();
    for place in places {
        let failed = |error| not_read(&BackupError::Unreadable { path: place.clone(), source: error });
        let listed = place.is_dir();
        let mut files = vec![place.clone()];
        if listed {
            let entries = fs::read_dir(place).map_err(failed)?;
            files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(failed)?;
            files.retain(|file| file.is_file());
            files.sort();
        }
        for file in files {
            let shown = file.display().to_string();
            match read_manifest(&file) {
                Ok((manifest, bytes)) => views.push(BackupView::new(&manifest, shown, Some(bytes))),
                // A directory may hold other things.
                Err(BackupError::NotABackup { .. }) if listed => {}
                Err(error) => views.push(BackupView::damaged(String::new(), shown, error.to_string())),
            }
        }
    }
    Ok(views)
}

fn table(backups: &[BackupView]) -> Table {
    let mut table = Table::new(&["ID", "Model", "Taken", "Controller", ">Files", ">Size", "Place"]);
    for backup in backups {
        let id: String = backup.id.chars().take(ID_SHOWN).collect();
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let place = match &backup.trouble {
            Some(trouble) => trouble.clone(),
            None => backup.place.clone(),
        };
        table.row([
            or_none(&id),
            or_none(&backup.model),
            or_none(&backup.taken),
            or_none(&backup.controller),
            backup.files.to_string(),
            byte_count(backup.archive_bytes.unwrap_or(backup.bytes)),
            place,
        ]);
    }
    table
}

/// Makes the failure of an archive that cannot be read.
pub(super) fn not_read(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Refused, crate::engine::causes(error))
}
