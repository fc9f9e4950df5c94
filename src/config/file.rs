//! The structure of the configuration file. Values are checked while they are parsed, so that an error has a line
//! number.

use std::collections::BTreeMap;

use super::controller::ControllerTable;
use super::embedded::EmbeddedTable;
use super::gateway::GatewayTable;
use super::link::LinkTable;
use super::migration::MigrationTable;
use super::store::StoreTable;
use super::table::table;
use super::transfer::TransferConfig;
use super::value::{Absolute, Address, Filter, Named};

table! {
    /// The agent's paths and UDP address, and who may change things.
    [Default] pub(super) struct File in "" {
        /// The directory of everything durable: identity, journal, store, models. The agent does not start (exit 78) if a user
        /// other than root and its own can change it or a directory above, and says what to type.
        pub(super) state_dir: Option<Absolute>
            => "(under systemd its state directory; `/var/lib/modelferry` as root, else `~/.local/state/modelferry`)"
            [serde(alias = "state_dir")],
        /// The control socket, through which commands reach the agent.
        pub(super) socket: Option<Absolute>
            => "(under systemd in its runtime directory; `/run/modelferry/modelferry.sock` as root, else in \
                `$XDG_RUNTIME_DIR/modelferry`, or in the state directory)",
        /// A group whose members may type commands that change something, such as `migrate`; root and the agent's own user always
        /// may. Who is a member is looked up for each command. Commands that only show something, such as `status`, are open to every user who can connect to the socket.
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
        /// The gateways to peers' controllers, by the peers' names.
        pub(super) gateways: BTreeMap<String, GatewayTable> => "(none)" [serde(default)],
        /// The embedded controller.
        pub(super) embedded: Option<EmbeddedTable> => "(see below)",
    }
}

table! {
    /// Logging, to the journal under systemd, else to standard error.
    [Default] pub(super) struct LogTable in "log" {
        /// A level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module such as `info,modelferry::link=debug`.
        pub(super) filter: Option<Filter> => "info",
    }
}
