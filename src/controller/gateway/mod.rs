//! The gateway: a server that poses as a Juju destination controller to an unmodified Juju source controller.
//!
//! The source's migration master, its machines' agents and its users speak Juju's API here as they would at the real
//! destination. The gateway knows that API alone: whatever it is asked it asks a [`Relay`], which the agent is, and which knows
//! the link, the journal and the destination.

mod relay;
mod secret;

pub use relay::{Admission, Destination, Relay, RelayError, RelayedMigration, Standing};
pub use secret::Secret;
