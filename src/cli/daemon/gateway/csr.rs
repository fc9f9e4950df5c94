//! `modelferry gateway csr`: a key, and the request to certify it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::spool;
use crate::config::words;
use crate::juju::csr;

/// Bytes that a key, a request or an agent's configuration may have. Real ones have a few KiB.
pub(super) const PEM_BYTES_MAX: u64 = 1 << 20;

const HELP: Help = Help {
    examples: &[
        "modelferry gateway csr --key /etc/modelferry/gateway.key > gateway.csr",
        "modelferry gateway csr --key gateway.key --format json",
    ],
    exits: exit::ALONE,
    juju: None,
};

/// Make a key for the gateway, and print the request to certify it
///
/// Type it on the source agent's host, as the user that the agent runs as. The key stays in its file, with mode 0600; a key that is
/// there is used again. The request is no secret: carry it to a machine of the destination controller, and type `sudo modelferry
/// gateway sign` there.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct CsrArgs {
    /// The file of the private key; made if it is not there
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl CsrArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = match spool::small_text(&self.key, PEM_BYTES_MAX)? {
            Ok(key) => csr::ask_again(&key).map_err(|error| {
                refused(&self.key, &format!("holds no key that can be used: {error}"))
                    .hint("name another file, or remove this one")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let asked = csr::ask().map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
                write(&self.key, &asked.key_pem)?;
                asked.request_pem
            }
            Err(error) => return Err(refused(&self.key, &format!("cannot be read: {}", words::of_text(&error)))),
        };
        let shown = json!({ "key-file": self.key.display().to_string(), "request": request });
        context.print(&shown, || request.clone());
        context.remark(
            "next: copy this to a machine of the destination controller, and type `sudo modelferry gateway sign FILE`",
        );
        Ok(Exit::Done)
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("{} {why}", path.display())).state("no key was made")
}

/// Writes the key where none was, for its owner alone.
fn write(path: &Path, key_pem: &str) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| file.write_all(key_pem.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| refused(path, &format!("cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_its_owners_alone_and_is_never_overwritten() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("gateway.key");
        write(&path, "a key").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write(&path, "another").unwrap_err().message.contains("gateway.key"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a key");
    }
}
