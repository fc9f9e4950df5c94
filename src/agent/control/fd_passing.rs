//! Passes open files from a client to its agent over the control socket, one at a time, when the agent asks.
//!
//! The agent asks with [`Response::Wanted`](super::Response::Wanted). The client answers with one line of JSON, and
//! passes the file's descriptor with it if it could open the file.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

/// Maximum length of the line that accompanies a file.
const LINE_BYTES_MAX: usize = 64;

/// The agent's request for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wanted {
    /// The path: one named in the client's request, or one below it.
    pub path: PathBuf,
    /// Whether to create the file for writing; otherwise the client opens it for reading.
    pub create: bool,
}

/// The line that accompanies a file, or replaces it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    /// The client's error number; 0 if the file follows.
    errno: i32,
}

/// Passes a file, or the error of opening it.
///
/// Errors: the agent has closed the socket.
pub fn hand(socket: impl AsFd, opened: &io::Result<File>) -> io::Result<()> {
    let errno = match opened {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()),
    };
    let mut line = serde_json::to_vec(&Handed { errno })?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = opened.as_ref().ok().map(|file| [file.as_fd()]);
    if let Some(descriptors) = &descriptors
        && !beside.push(SendAncillaryMessage::ScmRights(descriptors))
    {
        return Err(io::Error::other("there is no room for a descriptor"));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(&line)], &mut beside, SendFlags::NOSIGNAL)?;
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives the file that a client passes; [`io::ErrorKind::WouldBlock`] if it has not arrived.
///
/// Errors: the client's error of opening the file; [`io::ErrorKind::InvalidData`] for a malformed answer, and for
/// anything but a regular file, because reading another kind could block the agent.
pub fn take(socket: impl AsFd) -> io::Result<File> {
    let mut line = [0; LINE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut line)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = beside.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    // Take all descriptors, so that none stays open.
    let descriptors: Vec<OwnedFd> = descriptors.flatten().collect();
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let handed = line[..got.bytes].strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
    match (handed, descriptors.into_iter().next()) {
        (Some(Handed { errno: 0 }), Some(descriptor)) => {
            let file = File::from(descriptor);
            if file.metadata()?.is_file() { Ok(file) } else { Err(strange("it is no regular file")) }
        }
        (Some(Handed { errno }), None) if errno > 0 => Err(io::Error::from_raw_os_error(errno)),
        _ => Err(strange("the client handed over something else than a file")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_file_that_is_handed_over_is_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let (client, agent) = UnixStream::pair().unwrap();
        hand(&client, &File::create(&path)).unwrap();
        take(&agent).unwrap().write_all(b"written by the agent").unwrap();
        hand(&client, &File::open(&path)).unwrap();
        let mut text = String::new();
        take(&agent).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "written by the agent");
    }

    #[test]
    fn why_there_is_no_file_is_told_as_the_system_said_it() {
        let (client, agent) = UnixStream::pair().unwrap();
        hand(&client, &File::open("/no/such/file")).unwrap();
        assert_eq!(take(&agent).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_or_no_answer_is_refused() {
        let (mut client, agent) = UnixStream::pair().unwrap();
        hand(&client, &File::open("/dev/zero")).unwrap();
        assert!(take(&agent).unwrap_err().to_string().contains("no regular file"));
        for garbage in [&b"{\"errno\":0}\n"[..], b"{\"errno\":-1}\n", b"\n", &[b'x'; 200]] {
            client.write_all(garbage).unwrap();
            assert_eq!(take(&agent).unwrap_err().kind(), io::ErrorKind::InvalidData);
            agent.set_nonblocking(true).unwrap();
            while take(&agent).is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {}
            agent.set_nonblocking(false).unwrap();
        }
        drop(client);
        assert_eq!(take(&agent).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
