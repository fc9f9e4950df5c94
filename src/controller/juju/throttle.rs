//! Requests that the controller, or a proxy before it, puts off: when the next one may be sent.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::refusal::is_busy;
use crate::controller::port::ControllerError;
use crate::juju::http::UploadError;

/// Bounds of the wait that is asked for: none makes the agent spin, and none lasts for hours because of one header.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// When the next request may be sent, if the controller has asked for a wait.
#[derive(Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// Holds back a request while the wait lasts. `what`: what is being done, for people.
    ///
    /// Errors: [`ControllerError::Later`].
    pub fn check(&self, what: &str) -> Result<(), ControllerError> {
        let left = self.0.lock().map(|until| until.saturating_duration_since(Instant::now()));
        match left.filter(|left| !left.is_zero()) {
            Some(wait) => Err(later(what, wait)),
            None => Ok(()),
        }
    }

    /// Returns the error of a request that was put off; nothing for one that failed otherwise.
    pub fn put_off(&self, what: &str, failed: &UploadError) -> Option<ControllerError> {
        let UploadError::Refused { error, wait, .. } = failed else { return None };
        if !is_busy(error) && !failed.is_passing() {
            return None;
        }
        let text = format!("{what}: {error}");
        let Some(wait) = wait.map(|wait| wait.clamp(WAIT_MIN, WAIT_MAX)) else {
            return Some(ControllerError::Unknown(text));
        };
        *self.0.lock() = Some(Instant::now() + wait);
        Some(later(&text, wait))
    }
}

fn later(what: &str, wait: Duration) -> ControllerError {
    let seconds = wait.as_millis().div_ceil(1000);
    ControllerError::Later { text: format!("{what}: the controller asks for a wait of {seconds} s"), wait }
}
