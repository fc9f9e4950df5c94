//! Notifies systemd of the agent's state. Does nothing without systemd.

use std::time::Duration;

use sd_notify::NotifyState;

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Tells that the agent answers on its socket and hears its peers.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells what the agent is doing, in a line.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Tells that the agent stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells that the agent is alive.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Returns how often systemd wants to hear that the agent is alive: twice within its patience.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|patience| patience / 2)
}
