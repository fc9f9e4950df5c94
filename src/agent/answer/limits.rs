//! What may be sent.

use super::Desk;
use super::refusal::refusal_of_pairing;
use crate::agent::control::view::CapView;
use crate::agent::control::{Failure, FailureKind, Response};
use crate::config::Rate;

impl Desk {
    /// Returns the caps as they are now.
    pub(super) fn limits(&self) -> Response {
        let view = |cap: crate::link::CapView| CapView {
            peer: cap.peer,
            rate: cap.now.map(|rate| rate.to_string()),
            by_hand: cap.by_hand.is_some(),
        };
        Response::Limits(self.link.caps().into_iter().map(view).collect())
    }

    /// Changes a cap.
    pub(super) fn limit(&self, peer: Option<&str>, rate: Option<&str>) -> Result<Response, Failure> {
        let usage = |error: crate::config::BadRate| Failure::new(FailureKind::Usage, error.to_string());
        let rate = rate.map(str::parse::<Rate>).transpose().map_err(usage)?;
        self.link.limit(peer, rate).map_err(|error| refusal_of_pairing(&error))?;
        Ok(self.limits())
    }
}
