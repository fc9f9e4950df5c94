//! What can be seen of migrations: plain data for the control socket, built by the engine.

mod audit_log;
mod finding;
mod journal;
mod migration;
mod plan;

pub use self::finding::{FindingView, KeptView, VerifyView};
pub use self::journal::{AlarmView, AuditView, EventView};
pub use self::migration::{Bytes, Direction, IN_DOUBT_AFTER_MS, Kind, MigrationView, OrdersView, Stand};
pub use self::plan::{FreezeView, PlanView, RateView, TotalsView, WayBackView};
