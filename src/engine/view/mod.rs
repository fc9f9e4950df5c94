//! Views: plain data for the control socket. The engine makes them last, and never reads them back.

mod finding;
mod gateway;
mod journal;
mod migration;
mod plan;
mod state;
pub mod store;

pub use self::finding::{FindingView, KeptView, Level, VerifyView, fixes};
pub use self::gateway::{GatewayUseView, VisitorView};
pub use self::journal::{AlarmView, AuditView, EventView};
pub use self::migration::{Bytes, Direction, Failing, IN_DOUBT_AFTER_MS, Kind, MigrationView, OrdersView, Stand};
pub use self::plan::{FreezeView, PlanView, RateView, TotalsView, WayBackView};
pub use self::state::State;
