//! Why a pairing failed.

use crate::link::peers::error::PeersError;
use crate::link::peers::peer::BadPeerName;

/// A failed pairing or unpairing. The text says what to type next.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The name for the peer cannot be used here.
    #[error(transparent)]
    Name(#[from] BadPeerName),
    /// The other side cannot use the name for this agent.
    #[error("{address} cannot use the name for this agent: {reason}; run `modelferry pair offer --as NAME` there")]
    NameThere {
        /// The dialled address.
        address: String,
        /// The other side's explanation.
        reason: String,
    },
    /// The address is invalid or does not resolve.
    #[error("`{address}` cannot be dialled: {reason}; give HOST or HOST:PORT")]
    Address {
        /// The given address.
        address: String,
        reason: String,
    },
    /// Nobody answers at the address, or not as an agent.
    #[error(
        "{address} does not answer as an agent: {reason}; check that the agent there runs and that its UDP port is open"
    )]
    Unreachable {
        /// The dialled address.
        address: String,
        reason: String,
    },
    /// No offer is open there.
    #[error(
        "{address} has no open offer; run `modelferry pair offer` there and use the code that it prints, within 10 minutes"
    )]
    NoOffer {
        /// The dialled address.
        address: String,
    },
    /// The code is wrong, and the offer takes no other one from here.
    #[error(
        "the code is wrong, and the offer at {address} takes no other one from this host's network; run `modelferry pair offer` there for \
         a new one"
    )]
    WrongCode {
        /// The dialled address.
        address: String,
    },
    /// The other side does not know the code.
    #[error(
        "{address} does not know the code: somebody else answers there, or stands in between; check the address, then run `modelferry pair offer` anew"
    )]
    Impostor {
        /// The dialled address.
        address: String,
    },
    /// The address leads back to this agent.
    #[error("{address} is this agent itself; give the other agent's address")]
    Oneself {
        /// The dialled address.
        address: String,
    },
    /// The other side could not write the pairing to disk.
    #[error(
        "{address} could not save the pairing: {reason}; see to its disk, then run `modelferry pair offer` there again"
    )]
    NotSavedThere {
        /// The dialled address.
        address: String,
        /// The other side's explanation.
        reason: String,
    },
    /// This side could not write the pairing to disk.
    #[error(transparent)]
    NotSaved(#[from] PeersError),
    /// The system returned no random bytes for a code.
    #[error("the system gives no random bytes for a code; try again")]
    NoRandomness,
    /// No peer has this name.
    #[error("no peer is called `{name}`; `modelferry peers` lists them")]
    UnknownPeer { name: String },
}
