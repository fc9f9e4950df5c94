//! Standard output and standard error, and whether they took what was written.
//!
//! A proof that went to a full disk is lost, so a command whose output could not be written does not end with 0. A
//! reader that went away, such as `head`, is no fault of anybody's.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;

/// Writes what a command prints, and remembers the first text that could not be written.
#[derive(Debug, Default)]
pub struct Sink(RefCell<Option<Unwritten>>);

/// A text that could not be written.
#[derive(Debug)]
pub struct Unwritten {
    stream: &'static str,
    error: io::Error,
}

impl Unwritten {
    /// Returns what happened, for people.
    pub fn message(&self) -> String {
        format!("cannot write to {}: {}", self.stream, self.error)
    }

    /// Reports whether the reader has gone away.
    fn is_unread(&self) -> bool {
        self.error.kind() == ErrorKind::BrokenPipe
    }
}

impl Sink {
    /// Writes to standard output.
    ///
    /// Returns whether it makes sense to write more.
    pub fn out(&self, text: &str) -> bool {
        let opened = writable(io::stdout());
        self.write("standard output", &mut io::stdout().lock(), opened, text)
    }

    /// Writes a line to standard error.
    pub fn err(&self, line: &str) {
        let opened = writable(io::stderr());
        self.write("standard error", &mut io::stderr().lock(), opened, &format!("{line}\n"));
    }

    fn write(&self, stream: &'static str, to: &mut dyn Write, opened: io::Result<()>, text: &str) -> bool {
        let written = opened.and_then(|()| to.write_all(text.as_bytes())).and_then(|()| to.flush());
        let Err(error) = written else { return true };
        self.0.borrow_mut().get_or_insert(Unwritten { stream, error });
        false
    }

    /// Remembers how clap's own printing ended.
    pub fn printed(&self, outcome: io::Result<()>) {
        let opened = outcome.and_then(|()| writable(io::stdout()));
        if let Err(error) = opened.and_then(|()| io::stdout().lock().flush()) {
            self.0.borrow_mut().get_or_insert(Unwritten { stream: "standard output", error });
        }
    }

    /// Returns the first text that could not be written, unless nobody wanted to read it.
    pub fn unwritten(&self) -> Option<Unwritten> {
        self.0.take().filter(|unwritten| !unwritten.is_unread())
    }
}

/// Reports a stream that is open for reading alone: the standard library takes every write to it for done.
///
/// A stream that was closed before the program began is not reported. The runtime has put `/dev/null` in its place before
/// `main`, open for reading and writing; Python's `DEVNULL` and Node's `ignore` are the same, and no failure.
fn writable(stream: impl AsFd) -> io::Result<()> {
    let flags = fcntl_getfl(stream)?;
    if flags & OFlags::ACCMODE == OFlags::RDONLY { Err(Errno::BADF.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that refuses everything.
    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_remembered_and_a_closed_pipe_is_not() {
        let full = Sink::default();
        assert!(!full.write("standard output", &mut Refusing(ErrorKind::StorageFull), Ok(()), "a proof"));
        assert!(!full.write("standard error", &mut Refusing(ErrorKind::PermissionDenied), Ok(()), "a remark"));
        let unwritten = full.unwritten().expect("a text that is lost");
        assert!(unwritten.message().starts_with("cannot write to standard output: "), "{unwritten:?}");

        let closed = Sink::default();
        assert!(!closed.write("standard output", &mut Refusing(ErrorKind::BrokenPipe), Ok(()), "a table"));
        assert!(closed.unwritten().is_none());
    }
}
