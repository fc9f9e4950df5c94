//! Runs migrations: transfer, switchover, recovery, progress, queue.

mod base;
mod migration;
mod peer;
mod plan;
mod precopy;
mod relay;
mod relay_port;
mod relayed_log;
pub mod retention;
mod start;
mod switchover;
mod transfer;
pub mod view;

pub use modelferry_protocol::record::When;

pub use self::base::core::{EngineParts, QueryHandler};
pub use self::base::destinations::Destinations;
pub use self::base::engine::Engine;
pub use self::base::error::{EngineError, ErrorKind, causes};
pub use self::base::in_hand::Held;
pub use self::base::relayed::{GatewayAddress, RelayedSource};
pub use self::base::settings::{Process, Settings};
pub use self::base::unfinished::Unfinished;
pub use self::base::visitors::Visitors;
pub use self::base::{failpoint, packed};
pub use self::migration::options::MigrateOptions;
pub use self::migration::{orders, status_text};
pub use self::peer::reach::PEER_WITHIN;
pub use self::plan::verify::HandedOver;
pub use self::relay_port::PeerRelay;
pub use self::switchover::redo;
pub use self::switchover::resolve::Resolution;
pub use self::switchover::unpair::Unpaired;
