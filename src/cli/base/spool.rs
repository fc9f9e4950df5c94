//! Input that can be read only once, and only as it comes: pipes, named pipes, standard input.
//!
//! A model is copied into a file that has no name, so that it can be looked at twice and handed to the agent as any other.
//! Small inputs (proofs, passwords, keys, configurations) are kept in memory. A wait of more than two seconds is said on
//! standard error, no wait is for ever, and what never ends is read no further than its limit.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::output::byte_count;
use crate::controller::description::packed::how_to_unpack;

/// What stands for standard input on a command line.
pub(in crate::cli) const STANDARD_INPUT: &str = "-";
/// How long is waited for what. Only tests wait otherwise.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until it is said what is waited for.
    quiet: Duration,
    /// Until somebody has the named pipe open to write to it.
    writer: Duration,
    /// For something to come.
    silence: Duration,
}

/// `juju dump-model` of a large model is silent for most of a minute before it prints.
const PATIENCE: Patience =
    Patience { quiet: Duration::from_secs(2), writer: Duration::from_secs(10), silence: Duration::from_secs(120) };
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Reads that may wait to be written.
const READS_WAITING_MAX: usize = 4;

/// Returns what comes through a path that is read as it comes, to its end; nothing for a file, or for what is not there.
pub(crate) fn spooled(path: &Path) -> Result<Option<File>, Failure> {
    if is_stream(path) { spool(path, PATIENCE, &say).map(Some) } else { Ok(None) }
}

/// Reads a small input to its end: a file, a pipe, or standard input.
///
/// Errors: the outer one is a sentence and what to type, where nothing came or more than `bytes_max`; the inner one is that of the
/// file system, for the caller to say what the file was to be.
pub(super) fn small(path: &Path, bytes_max: u64) -> Result<io::Result<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    if is_stream(path) {
        let limit = |_: &[u8]| Some(bytes_max);
        if let Err(error) = copy(path, PATIENCE, &say, &limit, &mut bytes)? {
            return Ok(Err(error));
        }
    } else {
        let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return Ok(Err(error));
        }
    }
    if bytes.len() as u64 > bytes_max {
        let text = format!("{} has more than the {} that are read of it", shown(path), byte_count(bytes_max));
        return Err(refused(text).hint("name the right file"));
    }
    Ok(Ok(bytes))
}

/// Reads a small text, as [`small`] reads bytes.
pub(in crate::cli) fn small_text(path: &Path, bytes_max: u64) -> Result<io::Result<String>, Failure> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    Ok(small(path, bytes_max)?.and_then(text))
}

fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) { "standard input".to_owned() } else { path.display().to_string() }
}

fn is_stream(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT) || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Says what is waited for, where it disturbs no result. That it could not be said is no failure.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// A step of a thread that reads.
enum Step {
    /// The path is open: a named pipe has a writer.
    Opened,
    /// Bytes have come.
    Read(Vec<u8>),
}

/// What a thread reads, and how to wait for it.
struct Waiting<'a> {
    steps: Receiver<io::Result<Step>>,
    patience: Patience,
    shown: &'a str,
    say: &'a dyn Fn(&str),
}

impl Waiting<'_> {
    /// Returns the next step, or nothing after the last. A wait that becomes long is said.
    ///
    /// Errors: a sentence and what to type, once `patience` is over; that it cannot be read.
    fn next(
        &self,
        for_what: &str,
        patience: Duration,
        too_long: &dyn Fn() -> Failure,
    ) -> Result<Option<Step>, Failure> {
        let quiet = self.patience.quiet.min(patience);
        let step = match self.steps.recv_timeout(quiet) {
            Err(RecvTimeoutError::Timeout) => {
                let (shown, seconds) = (self.shown, patience.as_secs());
                (self.say)(&format!("waiting for {for_what} {shown}, {seconds} seconds at most"));
                self.steps.recv_timeout(patience - quiet)
            }
            step => step,
        };
        match step {
            Ok(Ok(step)) => Ok(Some(step)),
            Ok(Err(error)) => Err(unreadable(self.shown, &error)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(too_long()),
        }
    }

    /// Waits until the path is open.
    fn opened(&self) -> Result<Option<Step>, Failure> {
        let (shown, writer) = (self.shown, self.patience.writer);
        self.next("a program that writes to", writer, &|| {
            refused(format!("no program has {shown} open to write to it, after {} seconds", writer.as_secs())).hint(format!(
                "start the program that writes to it first (`fuser -v {shown}` lists those that have it open), or write a file and \
                 name that"
            ))
        })
    }

    /// Waits for what comes next.
    fn read(&self) -> Result<Option<Step>, Failure> {
        let (shown, silence) = (self.shown, self.patience.silence);
        self.next("something to come through", silence, &|| {
            refused(format!("nothing has come through {shown} for {} seconds", silence.as_secs()))
                .hint("see that something writes to it, or write it to a file and name that")
        })
    }
}

fn refused(why: String) -> Failure {
    Failure::new(FailureKind::Refused, why).state("nothing has changed")
}

fn unreadable(shown: &str, error: &io::Error) -> Failure {
    refused(format!("cannot read {shown}: {error}"))
}

/// Copies what comes through `path` into a file that has no name.
fn spool(path: &Path, patience: Patience, say: &dyn Fn(&str)) -> Result<File, Failure> {
    let unwritable = |error: &io::Error| {
        refused(format!("cannot keep what comes through {}: {error}", shown(path)))
            .hint("set TMPDIR to a directory with room, or name a file")
    };
    let mut file = tempfile::tempfile().map_err(|error| unwritable(&error))?;
    // One byte more than a description has is enough to refuse it; an archive may be as large as the disk.
    let limit = |first: &[u8]| how_to_unpack(first).is_none().then_some(DESCRIPTION_BYTES_MAX);
    copy(path, patience, say, &limit, &mut file)?.map_err(|error| unwritable(&error))?;
    file.seek(SeekFrom::Start(0)).map_err(|error| unwritable(&error))?;
    Ok(file)
}

/// Copies what comes through `path`, to its end, or until it is more than `limit` allows by its first bytes.
///
/// Errors: the inner one is that of writing.
fn copy(
    path: &Path,
    patience: Patience,
    say: &dyn Fn(&str),
    limit: &dyn Fn(&[u8]) -> Option<u64>,
    into: &mut dyn Write,
) -> Result<io::Result<()>, Failure> {
    let shown = shown(path);
    let (sender, steps) = sync_channel(READS_WAITING_MAX);
    let path = path.to_owned();
    // Opening a named pipe waits for its writer, so even that is left to the thread. It ends with the process.
    std::thread::spawn(move || read(&path, &sender));
    let waiting = Waiting { steps, patience, shown: &shown, say };
    let (mut bytes, mut bytes_max) = (0, None);
    let mut step = waiting.opened()?;
    while let Some(came) = step {
        if let Step::Read(read) = came {
            if bytes == 0 {
                bytes_max = limit(&read);
            }
            bytes += read.len() as u64;
            if let Err(error) = into.write_all(&read) {
                return Ok(Err(error));
            }
            if bytes_max.is_some_and(|bytes_max| bytes > bytes_max) {
                break;
            }
        }
        step = waiting.read()?;
    }
    Ok(Ok(()))
}

/// Sends what comes, in pieces, until its end or until nobody wants any more.
fn read(path: &PathBuf, sender: &SyncSender<io::Result<Step>>) {
    let opened: io::Result<Box<dyn Read>> = if path == Path::new(STANDARD_INPUT) {
        Ok(Box::new(io::stdin()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => return drop(sender.send(Err(error))),
    };
    if sender.send(Ok(Step::Opened)).is_err() {
        return;
    }
    loop {
        let mut buffer = vec![0; READ_BYTES];
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                buffer.truncate(count);
                if sender.send(Ok(Step::Read(buffer))).is_err() {
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
    use std::cell::RefCell;

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

    /// Patience of a moment, and what is said meanwhile.
    fn spool_at_once(path: &Path) -> (Failure, Vec<String>) {
        let said = RefCell::new(Vec::new());
        let moment = Duration::from_millis(20);
        let patience = Patience { quiet: moment / 2, writer: moment, silence: moment };
        let failure = spool(path, patience, &|what| said.borrow_mut().push(what.to_owned())).unwrap_err();
        (failure, said.into_inner())
    }

    /// It was silent for two minutes.
    #[test]
    fn a_pipe_that_nobody_writes_to_is_said_to_be_waited_for_and_is_not_for_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(dir.path());
        let (failure, said) = spool_at_once(&path);
        assert!(failure.message.starts_with("no program has "), "{}", failure.message);
        assert!(failure.hint.contains(&format!("`fuser -v {}`", path.display())), "{}", failure.hint);
        assert!(matches!(&said[..], [one] if one.starts_with("waiting for a program that writes to ")), "{said:?}");
        assert_eq!((PATIENCE.quiet.as_secs(), PATIENCE.writer.as_secs()), (2, 10));
    }

    #[test]
    fn a_writer_that_writes_nothing_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(dir.path());
        let _writer = File::options().read(true).write(true).open(&path).unwrap();
        let (failure, said) = spool_at_once(&path);
        assert!(failure.message.starts_with("nothing has come through "), "{}", failure.message);
        assert!(matches!(&said[..], [one] if one.starts_with("waiting for something to come through ")), "{said:?}");
    }

    #[test]
    fn a_small_input_is_read_from_a_file_and_from_a_pipe_and_no_further_than_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file) = (fifo(dir.path()), dir.path().join("file"));
        fs::write(&file, "text").unwrap();
        let writer = pipe.clone();
        let writer = std::thread::spawn(move || fs::write(writer, "text").unwrap());
        for path in [&file, &pipe] {
            assert_eq!(small_text(path, 4).unwrap().unwrap(), "text");
        }
        writer.join().unwrap();
        assert!(small(&file, 3).unwrap_err().message.contains("has more than the 3 B"));
        assert!(small(Path::new("/dev/zero"), 1 << 10).unwrap_err().message.contains("has more than the 1 KiB"));
        assert_eq!(small(&dir.path().join("none"), 3).unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&file, b"\xff").unwrap();
        assert_eq!(small_text(&file, 3).unwrap().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_never_ends_is_read_no_further_than_a_description_goes() {
        let file = spool(Path::new("/dev/zero"), PATIENCE, &|_| {}).unwrap();
        let bytes = file.metadata().unwrap().len();
        assert!(bytes > DESCRIPTION_BYTES_MAX && bytes <= DESCRIPTION_BYTES_MAX + READ_BYTES as u64, "{bytes}");
    }
}
