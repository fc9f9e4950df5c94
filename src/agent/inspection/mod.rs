//! Looks at the state directory, the journal and the controller, and reports what an operator has to mend.

pub mod alarms;
pub mod model_alarms;
pub mod state_check;
