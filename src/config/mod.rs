//! Configuration: parses a TOML file into a checked [`Config`], once. No other floor reads the file or the environment.
//!
//! An agent also runs without a file, on the defaults below; each gives its reason.

mod controller;
mod duration;
mod embedded;
mod environment;
mod error;
mod file;
mod gateway;
mod link;
mod migration;
mod rate;
mod reading;
pub mod reference;
mod refusal;
mod size;
mod store;
mod table;
mod toml_problem;
mod transfer;
mod value;
pub mod words;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use modelferry_protocol::limits::PORT_DEFAULT;

pub use controller::{ControllerConfig, JujuAccess, JujuConfig, JujuSecret};
pub use duration::{parse_age, parse_duration};
pub use embedded::{ApiConfig, CredentialConfig, EmbeddedConfig, SpaceConfig, StoragePoolConfig, SubnetConfig};
pub use environment::{COMPLETE, Environment};
pub use error::ConfigError;
pub use gateway::GatewayConfig;
pub use link::{Congestion, LinkSettings, Window};
pub use migration::{IN_DOUBT_AFTER_DEFAULT, MigrationConfig, PARALLEL_MAX_DEFAULT};
use migration::{MAX_FREEZE_DEFAULT, MAX_FREEZE_RELAYED_DEFAULT};
pub use rate::{BadRate, Rate};
pub use reading::{FILE_BYTES_MAX, read_text};
pub use refusal::{HurdleKind, RefusalConfig, RefusalLevel, Refused};
pub use size::parse_size;
pub use store::StoreConfig;
pub use toml_problem::TomlProblem;
pub use transfer::{Patches, TransferConfig};

/// Default UDP address: every address of the host.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PORT_DEFAULT);
/// Default log filter: what an operator can act on, and nothing per chunk.
const LOG_FILTER_DEFAULT: &str = "info";

/// The checked configuration of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Directory of everything durable.
    pub state_dir: PathBuf,
    /// Path of the control socket.
    pub socket: PathBuf,
    /// Group whose members may change things over the control socket, besides root and the agent's own user.
    pub admin_group: Option<String>,
    /// UDP address to listen on. Without IPv6 in the kernel, `[::]` falls back to `0.0.0.0`.
    pub listen: SocketAddr,
    /// The controller beside the agent.
    pub controller: ControllerConfig,
    /// The gateways to peers' controllers, for a real controller as the source.
    pub gateways: Vec<GatewayConfig>,
    pub embedded: EmbeddedConfig,
    pub link: LinkSettings,
    pub migration: MigrationConfig,
    pub transfer: TransferConfig,
    pub store: StoreConfig,
    /// Directives of tracing's `EnvFilter`.
    pub log_filter: String,
}

impl Config {
    /// Reads the configuration file. Without a path, returns the defaults.
    ///
    /// Errors: [`ConfigError`], which names the file, line and key.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        match path {
            None => Ok(Self::from_file(file::File::default(), ControllerConfig::Embedded, Vec::new(), environment)),
            Some(path) => {
                let text =
                    read_text(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
                Self::parse(&text, path, environment)
            }
        }
    }

    /// Parses the text of a configuration file. `path` only appears in errors.
    ///
    /// Errors: [`ConfigError::Wrong`], which names the line and key.
    pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let mut file: file::File = toml::from_str(text).map_err(|error| ConfigError::wrong(path, text, &error))?;
        let controller = file.controller.take().unwrap_or_default().into_config(environment);
        let controller = controller.map_err(|message| ConfigError::wrong_table(path, text, "controller", message))?;
        let serves = file.embedded.as_ref().is_some_and(|embedded| embedded.api.is_some());
        if serves && controller != ControllerConfig::Embedded {
            let message = "beside a real controller the embedded one serves nobody; remove this table".to_owned();
            return Err(ConfigError::wrong_table(path, text, "embedded.api", message));
        }
        let mut gateways = Vec::new();
        for (peer, table) in std::mem::take(&mut file.gateways) {
            let name = format!("gateways.{peer}");
            let wrong = |message: String| ConfigError::wrong_table(path, text, &name, message);
            if controller == ControllerConfig::Embedded {
                let message = "a gateway is for a real controller as the source; add [controller] with kind = \"juju\", or \
                               remove this table";
                return Err(wrong(message.to_owned()));
            }
            gateways.push(table.into_config(peer.clone()).map_err(wrong)?);
        }
        Ok(Self::from_file(file, controller, gateways, environment))
    }

    fn from_file(
        file: file::File,
        controller: ControllerConfig,
        gateways: Vec<GatewayConfig>,
        environment: &Environment,
    ) -> Self {
        let max_freeze = match controller {
            ControllerConfig::Embedded => MAX_FREEZE_DEFAULT,
            ControllerConfig::Juju(_) => MAX_FREEZE_RELAYED_DEFAULT,
        };
        Self {
            controller,
            gateways,
            state_dir: file.state_dir.map_or_else(|| environment.state_dir(), |dir| dir.0),
            socket: file.socket.map_or_else(|| environment.socket(), |socket| socket.0),
            admin_group: file.admin_group.map(|group| group.0),
            listen: file.listen.map_or(LISTEN_DEFAULT, |listen| listen.0),
            embedded: file.embedded.unwrap_or_default().into_config(&environment.host_name),
            link: file.link.unwrap_or_default().into_settings(),
            migration: file.migration.unwrap_or_default().into_config(max_freeze),
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
