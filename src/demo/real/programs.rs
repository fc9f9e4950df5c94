//! Juju's own programs, as `scripts/interop` builds them. They are run beside this one: nothing of them is linked or shipped.

use std::path::{Path, PathBuf};

use crate::agent::control::{Failure, FailureKind};

/// How they are built, from a checkout.
const BUILD: &str = "in a checkout, with Go: cd tests/interop/juju36 && go build -trimpath -o DIR ./master; cd ../juju41 && \
                     go build -trimpath -o DIR ./server41 ./client41; then `modelferry demo --real --programs DIR`";

/// Where they are.
#[derive(Debug)]
pub struct Programs {
    /// Juju 3.6.11's migration master, and what it needs of a controller around it.
    pub(super) master: PathBuf,
    /// Juju 4.1-beta2's API server.
    pub(super) server: PathBuf,
    /// Asks that with Juju 4.1-beta2's API client.
    pub(super) client: PathBuf,
}

impl Programs {
    /// Finds them in a directory.
    ///
    /// Errors: a [`Failure`] that says which one is missing, and how it is built.
    pub fn find(dir: Option<&Path>) -> Result<Self, Failure> {
        let Some(dir) = dir else {
            let text = "nothing says where Juju's own programs are: neither --programs nor INTEROP_BIN";
            return Err(Failure::new(FailureKind::Refused, text).hint(BUILD));
        };
        let at = |name: &str| {
            let path = dir.join(name);
            let missing = || Failure::new(FailureKind::Refused, format!("{} is not there", path.display())).hint(BUILD);
            if path.is_file() { Ok(path) } else { Err(missing()) }
        };
        Ok(Self { master: at("master")?, server: at("server41")?, client: at("client41")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_with_what_builds_it() {
        let none = Programs::find(None).unwrap_err();
        assert!(none.message.contains("INTEROP_BIN") && none.hint.contains("go build"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("master"), "").unwrap();
        let missing = Programs::find(Some(dir.path())).unwrap_err();
        assert!(missing.message.ends_with("server41 is not there"), "{}", missing.message);
    }
}
