//! Input that can be read only once, and only as it comes: pipes, named pipes, standard input.
//!
//! It is copied into a file that has no name, so that it can be looked at twice and handed to the agent as any other. Whoever
//! waits for a writer that never comes is told so, and does not wait for ever.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use crate::agent::control::{Failure, FailureKind};
use crate::controller::description::packed::how_to_unpack;

/// What stands for standard input on a command line.
const STANDARD_INPUT: &str = "-";
/// How long nothing may come. `juju dump-model` of a large model is silent for most of a minute before it prints.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Reads that may wait to be written.
const READS_WAITING_MAX: usize = 4;

/// Returns what comes through a path that is read as it comes, to its end; nothing for a file, or for what is not there.
pub(super) fn spooled(path: &Path) -> Result<Option<File>, Failure> {
    if is_stream(path) { spool(path, SILENCE_MAX).map(Some) } else { Ok(None) }
}

fn is_stream(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT) || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Copies what comes through `path` into a file that has no name.
fn spool(path: &Path, silence_max: Duration) -> Result<File, Failure> {
    let shown = if path == Path::new(STANDARD_INPUT) { "standard input".into() } else { path.display().to_string() };
    let refused = |why: String| Failure::new(FailureKind::Refused, why).state("nothing has changed");
    let unreadable = |error: &io::Error| refused(format!("cannot read {shown}: {error}"));
    let unwritable = |error: &io::Error| {
        refused(format!("cannot keep what comes through {shown}: {error}"))
            .hint("set TMPDIR to a directory with room, or name a file")
    };
    let mut file = tempfile::tempfile().map_err(|error| unwritable(&error))?;
    let (sender, reads) = sync_channel(READS_WAITING_MAX);
    let path = path.to_owned();
    // Opening a named pipe waits for its writer, so even that is left to the thread. It ends with the process.
    std::thread::spawn(move || read(&path, &sender));
    let (mut bytes, mut is_archive) = (0, false);
    loop {
        let read: Vec<u8> = match reads.recv_timeout(silence_max) {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = silence_max.as_secs();
                return Err(refused(format!("nothing has come through {shown} for {seconds} seconds"))
                    .hint("see that something writes to it, or write it to a file and name that"));
            }
        };
        if bytes == 0 {
            is_archive = how_to_unpack(&read).is_some();
        }
        bytes += read.len() as u64;
        file.write_all(&read).map_err(|error| unwritable(&error))?;
        // One byte more than a description has is enough to refuse it; an archive may be as large as the disk.
        if !is_archive && bytes > DESCRIPTION_BYTES_MAX {
            break;
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| unwritable(&error))?;
    Ok(file)
}

/// Sends what comes, in pieces, until its end or until nobody wants any more.
fn read(path: &PathBuf, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let opened: io::Result<Box<dyn Read>> = if path == Path::new(STANDARD_INPUT) {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => return drop(sender.send(Err(error))),
    };
    loop {
        let mut buffer = vec![0; READ_BYTES];
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                buffer.truncate(count);
                if sender.send(Ok(buffer)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return drop(sender.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fifo(dir: &Path) -> PathBuf {
        let path = dir.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        path
    }

    #[test]
    fn what_comes_through_a_pipe_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(dir.path());
        assert!(is_stream(&path) && is_stream(Path::new("-")) && !is_stream(dir.path()));
        let writer = path.clone();
        let writer = std::thread::spawn(move || {
            let mut pipe = File::options().write(true).open(writer).unwrap();
            pipe.write_all(&vec![b'x'; 300_000]).unwrap();
        });
        let mut text = String::new();
        spooled(&path).unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 300_000);
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let failure = spool(&fifo(dir.path()), Duration::from_millis(20)).unwrap_err();
        assert!(failure.message.starts_with("nothing has come through "), "{}", failure.message);
    }

    #[test]
    fn what_never_ends_is_read_no_further_than_a_description_goes() {
        let file = spool(Path::new("/dev/zero"), SILENCE_MAX).unwrap();
        let bytes = file.metadata().unwrap().len();
        assert!(bytes > DESCRIPTION_BYTES_MAX && bytes <= DESCRIPTION_BYTES_MAX + READ_BYTES as u64, "{bytes}");
    }
}
