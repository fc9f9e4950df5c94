//! Reads the small files that an operator names, in bounded bytes and time.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Maximum size of a configuration, a certificate or a key. Real ones have a few KiB.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a text file of at most [`FILE_BYTES_MAX`].
///
/// Errors: also for a named pipe or a device, which could keep a start waiting for ever.
pub fn read_text(path: &Path) -> io::Result<String> {
    // NONBLOCK: opening a named pipe must not wait for its writer.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("it is a pipe or a device, and a file is needed"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {} KiB", FILE_BYTES_MAX >> 10)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: a named pipe without a writer kept the agent from starting, without a word.
    #[test]
    fn a_pipe_a_device_and_a_file_without_end_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        std::fs::write(&file, "text").unwrap();
        assert_eq!(read_text(&file).unwrap(), "text");
        for path in [&pipe, Path::new("/dev/zero")] {
            assert!(read_text(path).unwrap_err().to_string().contains("is a pipe or a device"), "{path:?}");
        }
        assert_eq!(read_text(dir.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(read_text(&file).unwrap_err().to_string().contains("more than 1024 KiB"));
    }
}
