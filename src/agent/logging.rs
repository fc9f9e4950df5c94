//! Sends logs to the journal under systemd, else to standard error.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Begins logging. `journal`: whether standard error goes to the journal, which then takes fields as well.
pub fn begin(filter: &str, journal: bool) {
    let filter = EnvFilter::new(filter);
    let journal = journal.then(|| tracing_journald::layer().ok()).flatten();
    let terminal = journal
        .is_none()
        .then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false));
    let layers = journal.map(Layer::boxed).or_else(|| terminal.map(Layer::boxed));
    // A test may have set one up already; the process then goes on with that.
    let _ = tracing_subscriber::registry().with(filter).with(layers).try_init();
}
