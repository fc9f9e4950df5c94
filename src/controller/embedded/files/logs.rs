//! A model's log: pieces of whole lines, each a blob. It is imported and exported in files, and follows a model that
//! has moved.

use std::io::{self, Read};
use std::path::Path;

use modelferry_protocol::limits::LOG_SEGMENT_BYTES_MAX;
use modelferry_protocol::snapshot::LogSegment;

use super::log_files::{check_count, path};
use crate::controller::embedded::Inner;
use crate::controller::files::{Files, unreadable};
use crate::controller::log_piece::LogPiece;
use crate::controller::port::{ControllerError, MigrationRef};

/// Returns the texts of the log below `dir`, numbered from 1, each with where it is from; none if there are none.
///
/// Errors: [`ControllerError::Refused`] for files that cannot be read, or more of them than a log has.
pub(super) fn texts(dir: &Path, files: &mut dyn Files) -> Result<Vec<(Vec<u8>, String)>, ControllerError> {
    let mut texts = Vec::new();
    loop {
        let path = dir.join(path(texts.len() + 1));
        let unreadable = |error: io::Error| unreadable(&path, &error);
        let file = match files.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(texts),
            Err(error) => return Err(unreadable(error)),
        };
        let mut text = Vec::new();
        file.take(LOG_SEGMENT_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
        texts.push((text, path.display().to_string()));
        check_count(texts.len())?;
    }
}

impl Inner {
    /// Yields what is to follow a model that is held for the migration.
    pub(in crate::controller::embedded) fn log_from(
        &self,
        migration: MigrationRef,
        from_ms: u64,
    ) -> Result<Vec<LogSegment>, ControllerError> {
        let record = self.known(migration.model)?;
        if record.mid() != Some(migration.mid) {
            // Reaped, or never frozen by it: nothing is left to follow.
            return Ok(Vec::new());
        }
        let mut logs = self.database.logs(migration.model)?;
        logs.retain(|log| log.until_ms >= from_ms);
        logs.sort_by(|a, b| (a.until_ms, &a.name).cmp(&(b.until_ms, &b.name)));
        Ok(logs.into_iter().map(LogSegment::from).collect())
    }

    /// Refuses a log of a model that the migration has not brought, or that has left again.
    fn brought(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        let record = self.known(migration.model)?;
        // Handed on: what came now would be left behind.
        if let Some(redirect) = record.redirect() {
            return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
        }
        match record.came() {
            Some(mid) if mid == migration.mid => Ok(()),
            _ => Err(ControllerError::ModelNotFound(migration.model.to_string())),
        }
    }

    pub(in crate::controller::embedded) fn latest_log_time(
        &self,
        migration: MigrationRef,
    ) -> Result<u64, ControllerError> {
        self.brought(migration)?;
        self.database.log_time(migration.mid)
    }

    pub(in crate::controller::embedded) fn take_log(
        &self,
        migration: MigrationRef,
        segment: &LogSegment,
    ) -> Result<u64, ControllerError> {
        self.brought(migration)?;
        // Whoever asked may be gone before the piece has its row.
        let lease = self.store.lease();
        lease.keep([segment.blob.hash]);
        let text = self.store.read(segment.blob, LOG_SEGMENT_BYTES_MAX).map_err(ControllerError::storage)?;
        let log = LogPiece::read(&text, &segment.name)?;
        if LogSegment::from(log.clone()) != *segment {
            return Err(ControllerError::Refused(format!("{} is not what it is said to be", &*segment.name)));
        }
        self.database.write(|tables| {
            // Asked again where it counts: between the two the model may have left.
            let here = tables.model(migration.model)?;
            if !here.is_some_and(|record| record.came() == Some(migration.mid) && record.redirect().is_none()) {
                return Err(ControllerError::ModelNotFound(migration.model.to_string()));
            }
            check_count(tables.logs(migration.model)?.len() + 1)?;
            tables.add_log(migration.model, &log)?;
            tables.advance_log_time(migration.mid, log.until_ms)
        })
    }
}
