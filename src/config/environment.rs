//! The environment of the process, read once.

use std::env;
use std::path::PathBuf;

/// State directory of an agent that runs as root, the same as systemd's `StateDirectory=modelferry`.
const STATE_DIR_ROOT: &str = "/var/lib/modelferry";
/// Runtime directory of an agent that runs as root, the same as systemd's `RuntimeDirectory=modelferry`.
const RUNTIME_DIR_ROOT: &str = "/run/modelferry";
/// File name of the control socket in the runtime directory.
const SOCKET_NAME: &str = "modelferry.sock";
/// Environment variable that a shell sets to request completions.
pub const COMPLETE: &str = "MODELFERRY_COMPLETE";

/// The part of the process's environment that the configuration depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    pub root: bool,
    /// The host's name; empty if it has none.
    pub host_name: String,
    /// `$STATE_DIRECTORY`, set by systemd.
    pub state_directory: Option<PathBuf>,
    /// `$RUNTIME_DIRECTORY`, set by systemd.
    pub runtime_directory: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`, set by systemd for a unit with `LoadCredential=`.
    pub credentials_directory: Option<PathBuf>,
    /// `$XDG_STATE_HOME`.
    pub xdg_state_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// Whether standard error goes to the journal (`$JOURNAL_STREAM` is set).
    pub journal_stream: bool,
    /// Whether colours are unwanted (`$NO_COLOR` is set and not empty).
    pub no_color: bool,
    /// Whether the terminal only shows text (`$TERM` is `dumb`).
    pub dumb_terminal: bool,
    /// `$INTEROP_BIN`: where Juju's own programs are, for `demo --real`.
    pub interop_bin: Option<PathBuf>,
    /// The shell that requests completions ([`COMPLETE`]).
    pub complete: Option<String>,
}

impl Environment {
    pub fn from_process() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            state_directory: first_path("STATE_DIRECTORY"),
            runtime_directory: first_path("RUNTIME_DIRECTORY"),
            credentials_directory: first_path("CREDENTIALS_DIRECTORY"),
            xdg_state_home: first_path("XDG_STATE_HOME"),
            xdg_runtime_dir: first_path("XDG_RUNTIME_DIR"),
            home: first_path("HOME"),
            journal_stream: env::var_os("JOURNAL_STREAM").is_some(),
            no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb_terminal: env::var_os("TERM").is_some_and(|terminal| terminal == "dumb"),
            interop_bin: first_path("INTEROP_BIN"),
            complete: env::var(COMPLETE).ok().filter(|shell| !shell.is_empty()),
        }
    }

    /// Reports whether to print text without colours.
    pub fn is_plain(&self) -> bool {
        self.no_color || self.dumb_terminal
    }

    /// Returns the default state directory.
    pub(super) fn state_dir(&self) -> PathBuf {
        if let Some(given) = &self.state_directory {
            return given.clone();
        }
        if self.root {
            return STATE_DIR_ROOT.into();
        }
        let home = || self.home.clone().unwrap_or_else(|| "/".into()).join(".local/state");
        self.xdg_state_home.clone().unwrap_or_else(home).join("modelferry")
    }

    /// Returns the default path of the control socket.
    pub(super) fn socket(&self) -> PathBuf {
        if let Some(given) = &self.runtime_directory {
            return given.join(SOCKET_NAME);
        }
        match (&self.xdg_runtime_dir, self.root) {
            (Some(dir), false) => dir.join("modelferry").join(SOCKET_NAME),
            (_, true) => PathBuf::from(RUNTIME_DIR_ROOT).join(SOCKET_NAME),
            // A user without a session has no runtime directory. The state directory belongs to the user alone as well.
            (None, false) => self.state_dir().join(SOCKET_NAME),
        }
    }

    /// Returns the control sockets that a command tries: first the user's own agent, then the host's.
    pub fn sockets(&self) -> Vec<PathBuf> {
        let mut sockets = vec![self.socket(), PathBuf::from(RUNTIME_DIR_ROOT).join(SOCKET_NAME)];
        sockets.dedup();
        sockets
    }
}

/// Reads a variable that holds a path. Of a colon-separated list, as systemd may set, returns the first.
fn first_path(name: &str) -> Option<PathBuf> {
    let value = env::var_os(name)?;
    let first = env::split_paths(&value).next()?;
    (!first.as_os_str().is_empty()).then_some(first)
}
