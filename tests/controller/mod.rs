//! A controller for tests of engines: the port over a state machine, with a seam for whatever befalls a call.

mod desk;
mod site;

pub use desk::{ControllerAccess, FakePort};
pub use site::{Effect, FakeController, Held, MODEL};
