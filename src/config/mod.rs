//! Configuration: a TOML file to a checked [`Config`], once. Nothing above reads the file or the environment.
//!
//! An agent runs without a file, on the constants here; each says why it is what it is.

mod duration;
mod embedded;
mod environment;
mod error;
mod file;
mod link;
mod rate;
pub mod reference;
mod refusal;
mod size;
mod store;
mod table;
mod transfer;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use modelferry_protocol::limits::PORT_DEFAULT;

pub use duration::{parse_age, parse_duration};
pub use embedded::{ApiConfig, CredentialConfig, EmbeddedConfig, SpaceConfig, StoragePoolConfig, SubnetConfig};
pub use environment::{COMPLETE, Environment};
pub use error::ConfigError;
pub use link::{Congestion, LinkSettings, Window};
pub use rate::{BadRate, Rate};
pub use refusal::{HurdleKind, RefusalConfig, RefusalLevel, Refused};
pub use store::StoreConfig;
pub use transfer::{Patches, TransferConfig};

/// State directory of an agent that runs as root; systemd's `StateDirectory=modelferry` is the same.
const STATE_DIR_ROOT: &str = "/var/lib/modelferry";
/// Runtime directory of an agent that runs as root; systemd's `RuntimeDirectory=modelferry` is the same.
const RUNTIME_DIR_ROOT: &str = "/run/modelferry";
/// The control socket's name in the runtime directory.
const SOCKET_NAME: &str = "modelferry.sock";
/// Where peers are heard: every address of the host.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PORT_DEFAULT);
/// How long a model may stay frozen before its migration is given up: an operator's coffee, not a night.
const MAX_FREEZE_DEFAULT: Duration = Duration::from_secs(600);
/// How old the target's vote may be when the source decides on it. Two round trips of a bad link fit; a
/// target that has been silent for longer is asked again first.
const COMMIT_FRESHNESS_DEFAULT: Duration = Duration::from_secs(5);
/// Migrations whose binaries travel at once. Two: while one of them waits for its disk, the other fills the link.
pub const PARALLEL_MAX_DEFAULT: usize = 2;
/// How long a migration may be undecided before it is shown to be in doubt: every switchover is, for a round trip, and
/// only one that stays so deserves an operator.
pub const IN_DOUBT_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// What is logged: what an operator can act on, and nothing per chunk.
const LOG_FILTER_DEFAULT: &str = "info";

/// What an agent was told, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where everything durable is kept.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Group whose members may change things over the control socket, besides root and the agent's own user.
    pub admin_group: Option<String>,
    /// UDP address where peers are heard; without IPv6 in the kernel, the link takes `0.0.0.0` for `[::]`.
    pub listen: SocketAddr,
    /// The embedded controller.
    pub embedded: EmbeddedConfig,
    /// Links to peers.
    pub link: LinkSettings,
    /// Migrations.
    pub migration: MigrationConfig,
    /// How binaries travel.
    pub transfer: TransferConfig,
    /// What is kept that nobody needs.
    pub store: StoreConfig,
    /// Directives of tracing's `EnvFilter`.
    pub log_filter: String,
}

/// Limits of a migration that was not told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationConfig {
    /// How long a model may stay frozen before its migration is given up.
    pub max_freeze: Duration,
    /// How old the target's vote may be when the source decides on it.
    pub commit_freshness: Duration,
    /// Migrations from here whose binaries travel at once; the others are queued.
    pub max_parallel: usize,
    /// How long a migration may be undecided before it is shown to be in doubt.
    pub in_doubt_after: Duration,
}

impl Default for MigrationConfig {
    fn default() -> Self {
        Self {
            max_freeze: MAX_FREEZE_DEFAULT,
            commit_freshness: COMMIT_FRESHNESS_DEFAULT,
            max_parallel: PARALLEL_MAX_DEFAULT,
            in_doubt_after: IN_DOUBT_AFTER_DEFAULT,
        }
    }
}

impl Config {
    /// Reads the configuration file, or takes the defaults where there is none to read.
    ///
    /// Errors: [`ConfigError`], naming file, line and key.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        match path {
            None => Ok(Self::from_file(file::File::default(), environment)),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
                Self::parse(&text, path, environment)
            }
        }
    }

    /// Checks the text of a configuration file. `path` is only named in errors.
    ///
    /// Errors: [`ConfigError::Wrong`], naming line and key.
    pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let file = toml::from_str(text).map_err(|error| ConfigError::wrong(path, text, &error))?;
        Ok(Self::from_file(file, environment))
    }

    fn from_file(file: file::File, environment: &Environment) -> Self {
        Self {
            state_dir: file.state_dir.map_or_else(|| environment.state_dir(), |dir| dir.0),
            socket: file.socket.unwrap_or_else(|| environment.socket()),
            admin_group: file.admin_group.map(|group| group.0),
            listen: file.listen.map_or(LISTEN_DEFAULT, |listen| listen.0),
            embedded: file.embedded.unwrap_or_default().into_config(&environment.host_name),
            link: file.link.unwrap_or_default().into_settings(),
            migration: file.migration.unwrap_or_default().into_config(),
            transfer: file.transfer.unwrap_or_default(),
            store: file.store.unwrap_or_default().into_config(),
            log_filter: file
                .log
                .and_then(|log| log.filter)
                .map_or_else(|| LOG_FILTER_DEFAULT.to_owned(), |filter| filter.0),
        }
    }
}

#[cfg(test)]
mod tests;
