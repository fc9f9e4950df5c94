//! Runs migrations: transfer, switchover, recovery, progress, queue.

mod base;
mod migration;
mod peer;
mod plan;
mod precopy;
mod relay;
pub mod retention;
mod serve;
mod shared;
mod switchover;
mod transfer;
pub mod view;

pub use modelferry_protocol::record::When;

pub use self::base::error::{EngineError, ErrorKind, causes};
pub use self::base::gateways::destinations::Destinations;
pub use self::base::gateways::relayed::{GatewayAddress, RelayedSource};
pub use self::base::gateways::visitors::Visitors;
pub use self::base::in_hand::Held;
pub use self::base::settings::{Process, Settings};
pub use self::base::unfinished::Unfinished;
pub use self::base::{failpoint, packed};
pub use self::migration::mailbox::options::MigrateOptions;
pub use self::migration::mailbox::orders;
pub use self::migration::status_text;
pub use self::peer::reach::PEER_WITHIN;
pub use self::plan::verify::HandedOver;
pub use self::relay::port::PeerRelay;
pub use self::shared::core::{EngineParts, QueryHandler};
pub use self::shared::engine::Engine;
pub use self::switchover::redo;
pub use self::switchover::resolve::Resolution;
pub use self::switchover::unpair::Unpaired;
pub use self::transfer::pack::unpack as unpack_chunks;
