//! Logins that wait for their users, by the codes that the users type.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::juju::rpc::{ErrorCode, RpcError};

/// Time to complete a login.
const COMPLETED_WITHIN: Duration = Duration::from_secs(600);
/// Logins that wait for their users. One more is refused with `try again`.
const WAITING_MAX: usize = 128;
/// Letters of a code: none that is mistaken for another, and no vowels, so that they make no words.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a code: 20^8 codes, of which at most [`WAITING_MAX`] are good.
const CODE_LETTERS: usize = 8;
/// Logins that have begun, by their codes.
#[derive(Debug, Default)]
pub(in crate::controller::embedded::api) struct Devices {
    waiting: Mutex<HashMap<String, Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    /// Taken by whoever completes the login.
    complete: Option<oneshot::Sender<String>>,
    /// Taken by the client, which waits for the user's name.
    completed: Option<oneshot::Receiver<String>>,
}

impl Devices {
    /// Begins a login and returns its code.
    pub(in crate::controller::embedded::api) fn begin(&self) -> Result<String, RpcError> {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, login| login.until > now);
        if waiting.len() >= WAITING_MAX {
            return Err(RpcError::new(ErrorCode::TryAgain, "too many logins wait for their users"));
        }
        let random = uuid::Uuid::new_v4();
        // Of a random UUID's bytes two have fixed bits: the seventh and the ninth.
        let letters = random.as_bytes().iter().enumerate().filter(|(at, _)| !matches!(at, 6 | 8));
        let code: String = letters
            .take(CODE_LETTERS)
            .map(|(_, byte)| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
            .collect();
        let (complete, completed) = oneshot::channel();
        let login = Waiting { until: now + COMPLETED_WITHIN, complete: Some(complete), completed: Some(completed) };
        waiting.insert(code.clone(), login);
        Ok(code)
    }

    /// Reports whether a login with this code waits for its user.
    pub(in crate::controller::embedded::api) fn waits(&self, code: &str) -> bool {
        self.waiting.lock().get(code).is_some_and(|login| login.complete.is_some() && login.until > Instant::now())
    }

    /// Gives the login with this code to a user. False: there is no such login, or no longer.
    pub(in crate::controller::embedded::api) fn complete(&self, code: &str, user: &str) -> bool {
        let mut waiting = self.waiting.lock();
        let login = waiting.get_mut(code).filter(|login| login.until > Instant::now());
        let complete = login.and_then(|login| login.complete.take());
        complete.is_some_and(|complete| complete.send(user.to_owned()).is_ok())
    }

    /// Waits until a user has completed the login with this code, and returns the user's name. The code is good for nothing
    /// afterwards, also if the future is dropped.
    pub(in crate::controller::embedded::api) async fn completed(&self, code: &str) -> Result<String, RpcError> {
        let expired = || RpcError::new(ErrorCode::LoginExpired, "nobody has completed the login in time");
        let taken = self.waiting.lock().get_mut(code).and_then(|login| Some((login.completed.take()?, login.until)));
        let (completed, until) = taken.ok_or_else(expired)?;
        let _forget = Forget { devices: self, code };
        timeout_at(until, completed).await.ok().and_then(Result::ok).ok_or_else(expired)
    }
}

/// Forgets a login when nobody waits for it any more.
struct Forget<'a> {
    devices: &'a Devices,
    code: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.devices.waiting.lock().remove(self.code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_code_is_good_once() {
        let devices = Devices::default();
        let code = devices.begin().unwrap();
        assert!(devices.waits(&code));
        assert!(devices.complete(&code, "admin"));
        assert!(!devices.complete(&code, "eve"), "it was given to another user already");
        assert_eq!(devices.completed(&code).await.unwrap(), "admin");
        assert_eq!(devices.completed(&code).await.unwrap_err().code, ErrorCode::LoginExpired);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_nobody_completes_expires_and_makes_room() {
        let devices = Devices::default();
        let codes: Vec<String> = (0..WAITING_MAX).map(|_| devices.begin().unwrap()).collect();
        assert_eq!(devices.begin().unwrap_err().code, ErrorCode::TryAgain);
        let begun = Instant::now();
        assert_eq!(devices.completed(&codes[0]).await.unwrap_err().code, ErrorCode::LoginExpired);
        assert!(begun.elapsed() >= COMPLETED_WITHIN);
        assert!(!devices.complete(&codes[1], "admin"), "too late");
        devices.begin().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_its_code_along() {
        let devices = Devices::default();
        let code = devices.begin().unwrap();
        let waiting = devices.completed(&code);
        assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        assert!(!devices.waits(&code));
    }
}
