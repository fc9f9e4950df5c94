//! Files that a client hands to its agent over the control socket, open, one at a time and as it is asked for each.
//!
//! The agent asks with [`Response::Wanted`](super::Response::Wanted). The client answers with one line, and with the
//! file's descriptor beside it if it could be opened.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};

/// Bytes of the line that comes with a file at most.
const LINE_BYTES_MAX: usize = 64;

/// A file that the agent wants to be handed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wanted {
    /// Where it is: a path that was named in the request, or one below.
    pub path: PathBuf,
    /// Whether it is to be made, and written; otherwise it is read.
    pub create: bool,
}

/// What is said beside a file, or in its place.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    /// Why there is none, as the system numbers it; 0 if it is there.
    errno: i32,
}

/// Hands a file over, or says why there is none.
///
/// Errors: the agent is gone.
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

/// Takes what a client hands over; [`io::ErrorKind::WouldBlock`] if that has not come yet.
///
/// Errors: why there is no file, as the client's system said; [`io::ErrorKind::InvalidData`] for what is no answer, and
/// for what is no regular file: another could keep the agent waiting.
pub fn take(socket: impl AsFd) -> io::Result<File> {
    let mut line = [0; LINE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut line)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = beside.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    // All of them are taken, so that none stays open.
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
