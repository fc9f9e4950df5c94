//! The structure of the configuration file. Values are checked while they are parsed, so that an error has a line
//! number.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use modelferry_protocol::limits::NAME_BYTES_MAX;
use serde::Deserialize;

use super::controller::ControllerTable;
use super::embedded::EmbeddedTable;
use super::link::LinkTable;
use super::store::StoreTable;
use super::table::{table, values};
use super::{
    COMMIT_FRESHNESS_DEFAULT, IN_DOUBT_AFTER_DEFAULT, MAX_FREEZE_DEFAULT, MigrationConfig, PARALLEL_MAX_DEFAULT,
    TransferConfig, parse_duration,
};

table! {
    /// The agent's paths and UDP address, and who may change things.
    [Default] pub(super) struct File in "" {
        /// The directory of everything durable: identity, journal, store, models.
        pub(super) state_dir: Option<Absolute>
            => "(under systemd its state directory; `/var/lib/modelferry` as root, else `~/.local/state/modelferry`)"
            [serde(alias = "state_dir")],
        /// The control socket, through which commands reach the agent.
        pub(super) socket: Option<PathBuf>
            => "(under systemd in its runtime directory; `/run/modelferry/modelferry.sock` as root, else in \
                `$XDG_RUNTIME_DIR/modelferry`, or in the state directory)",
        /// A group whose members may type commands that change something, such as `migrate`; root and the agent's own user always
        /// may. Commands that only show something, such as `status`, are open to every user who can connect to the socket.
        pub(super) admin_group: Option<Named> => "" [serde(alias = "admin_group")],
        /// The UDP address to listen on for peers. `[::]` means every address of the host, or every IPv4 address if the
        /// kernel lacks IPv6.
        pub(super) listen: Option<Address> => "[::]:17171",
        /// Limits of migrations.
        pub(super) migration: Option<MigrationTable> => "(see below)",
        /// How to send binaries.
        pub(super) transfer: Option<TransferConfig> => "(see below)",
        /// How fast to send, and limits.
        pub(super) link: Option<LinkTable> => "(see below)",
        /// Limits for binaries that are no longer needed.
        pub(super) store: Option<StoreTable> => "(see below)",
        /// Logging.
        pub(super) log: Option<LogTable> => "(see below)",
        /// The controller beside the agent.
        pub(super) controller: Option<ControllerTable> => "(the embedded one)",
        /// The embedded controller.
        pub(super) embedded: Option<EmbeddedTable> => "(see below)",
    }
}

table! {
    /// Limits of migrations from and to this host.
    [Default] pub(super) struct MigrationTable in "migration" {
        /// How long a model may stay frozen before its migration is given up. `migrate --max-freeze` overrides it.
        max_freeze: Option<Span> => "10m",
        /// The maximum age of the target's vote when the source decides. If the target has been silent for longer, the
        /// source asks it again first.
        commit_freshness: Option<Span> => "5s",
        /// How many migrations from this host copy at once. The others wait in a queue.
        max_parallel: Option<NonZeroUsize> => "2",
        /// How long a migration may be undecided before `status` shows it in doubt. Every switchover is undecided for a round
        /// trip.
        in_doubt_after: Option<Span> => "30s",
    }
}

impl MigrationTable {
    pub(super) fn into_config(self) -> MigrationConfig {
        MigrationConfig {
            max_freeze: self.max_freeze.map_or(MAX_FREEZE_DEFAULT, |span| span.0),
            commit_freshness: self.commit_freshness.map_or(COMMIT_FRESHNESS_DEFAULT, |span| span.0),
            max_parallel: self.max_parallel.map_or(PARALLEL_MAX_DEFAULT, NonZeroUsize::get),
            in_doubt_after: self.in_doubt_after.map_or(IN_DOUBT_AFTER_DEFAULT, |span| span.0),
        }
    }
}

table! {
    /// Logging, to the journal under systemd, else to standard error.
    [Default] pub(super) struct LogTable in "log" {
        /// A level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module such as `info,modelferry::link=debug`.
        pub(super) filter: Option<Filter> => "info",
    }
}

/// A value that is parsed from text and checked.
macro_rules! checked {
    ($(#[$meta:meta])* $name:ident($inner:ty), $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub(super) struct $name(pub(super) $inner);

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> Result<$inner, String> = $check;
                check(&text).map(Self)
            }
        }
    };
}
pub(super) use checked;

checked!(
    /// Directives of tracing's `EnvFilter`, checked by building the filter.
    Filter(String),
    |text| match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "`{text}` is no log filter; write a level such as \"info\", or \"info,modelferry::link=debug\""
        )),
    }
);
checked!(
    /// An IP address and a port.
    Address(SocketAddr),
    |text| text.parse().map_err(|_| format!("`{text}` is no address; write \"[::]:17171\" or \"192.0.2.7:17171\""))
);
checked!(
    /// An absolute path.
    Absolute(PathBuf),
    |text| match Path::new(text) {
        path if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(format!("`{text}` is relative, so it would depend on where the agent is started; write a path from /")),
    }
);
checked!(Span(Duration), parse_duration);
checked!(
    /// A name: not empty, and at most [`NAME_BYTES_MAX`] long.
    Named(String),
    |text| match text.len() {
        1..=NAME_BYTES_MAX => Ok(text.to_owned()),
        0 => Err("the name is empty; write one, or leave the key out".to_owned()),
        bytes => Err(format!("a name of {bytes} bytes, allowed are {NAME_BYTES_MAX}")),
    }
);
checked!(Version(String), |text| {
    let numbers = text.splitn(3, '.').filter(|part| part.starts_with(|first: char| first.is_ascii_digit()));
    let is_tagged = text.split_once('-').is_some_and(|(_, tag)| tag.ends_with(|last: char| last.is_ascii_digit()));
    match numbers.count() {
        // A pre-release has a word instead of the last dot: 4.1-beta2.
        2 if is_tagged => Ok(text.to_owned()),
        3 => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no Juju version; write one such as \"3.6.23\"")),
    }
});
checked!(
    /// `host:port` of an API.
    HostPort(String),
    |text| match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{text}` is no API address; write host:port, such as \"10.0.0.4:17070\"")),
    }
);

values! {
    Address: "an address and a port";
    Absolute: "a path from the root";
    Span: "a duration";
    Named: "a name";
    Version: "a version of Juju";
    HostPort: "`host:port`";
    Filter: "a filter";
}
