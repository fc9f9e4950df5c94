//! What the agents log, with the time by the virtual clock.

use std::fmt;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct Virtual;

thread_local! {
    static BEGUN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

impl FormatTime for Virtual {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let Ok(_) = Handle::try_current() else { return Ok(()) };
        let now = Instant::now();
        let begun = BEGUN.get().unwrap_or(now);
        BEGUN.set(Some(begun));
        write!(out, "{:>9.3}", (now - begun).as_secs_f64())
    }
}

/// Logs what `GOODPUT_LOG` asks for, in the form of `RUST_LOG`.
pub fn begin() {
    let Ok(filter) = std::env::var("GOODPUT_LOG") else { return };
    let log = tracing_subscriber::fmt().with_timer(Virtual).with_env_filter(EnvFilter::new(filter)).with_ansi(false);
    // Another test of this process may have begun it.
    let _ = log.with_target(false).try_init();
}
