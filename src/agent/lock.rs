//! The lock on the state directory: two agents on one journal would promise different things.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::AgentError;

/// Held as long as the agent runs; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held, never read")] File);

impl StateLock {
    /// Makes the state directory if it is missing, and takes it for this process.
    ///
    /// Errors: [`AgentError::StateLocked`] with the other agent's process, [`AgentError::StateDir`].
    pub fn take(state_dir: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::StateDir { path: state_dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed)?;
        let path = state_dir.join("lock");
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.take(32).read_to_string(&mut holder);
                let holder = holder.trim().parse().ok();
                return Err(AgentError::StateLocked { path: state_dir.to_owned(), holder });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        // For people only: what counts is the lock.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_on_the_same_state_is_refused_with_the_first_ones_process() {
        let dir = tempfile::tempdir().unwrap();
        let held = StateLock::take(&dir.path().join("state")).unwrap();
        let refusal = StateLock::take(&dir.path().join("state")).unwrap_err();
        assert!(matches!(refusal, AgentError::StateLocked { holder: Some(pid), .. } if pid == std::process::id()));
        drop(held);
        StateLock::take(&dir.path().join("state")).unwrap();
    }
}
