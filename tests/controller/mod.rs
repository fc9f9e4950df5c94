//! A controller for tests of engines: the port over a state machine, with a seam for whatever befalls a call.

mod port;
mod state;

pub use port::{ControllerAccess, FakePort};
pub use state::{Effect, FakeController, Held, MODEL};
