//! Requests about caps on the sending rate.

use crate::agent::answer::RequestHandler;
use crate::agent::answer::refusal::refusal_of_pairing;
use crate::agent::control::view::CapView;
use crate::agent::control::{Failure, FailureKind, Response};
use crate::config::Rate;
use crate::link::Limit;

impl RequestHandler {
    /// Returns the caps as they are now.
    pub(in crate::agent::answer) fn limits(&self) -> Response {
        let text = |rate: Option<Rate>| rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
        let view = |cap: crate::link::CapView| CapView {
            peer: cap.peer,
            rate: cap.now.map(|rate| rate.to_string()),
            by_hand: cap.by_hand.is_some() && !cap.is_window,
            after_window: cap.by_hand.filter(|_| cap.is_window).map(text),
            window: cap.is_window,
            until: cap.until.map(|until| until.to_string()),
        };
        Response::Limits(self.link.caps().into_iter().map(view).collect())
    }

    /// Changes a cap.
    ///
    /// `rate`: as [`crate::agent::control::Request::Limit`] has it.
    pub(in crate::agent::answer) async fn limit(
        &self,
        peer: Option<&str>,
        rate: Option<&str>,
    ) -> Result<Response, Failure> {
        let usage = |error: crate::config::BadRate| Failure::new(FailureKind::Usage, error.to_string());
        let limit = match rate {
            None => Limit::Any,
            Some("default") => Limit::Configured,
            Some(rate) => Limit::AtMost(rate.parse::<Rate>().map_err(usage)?),
        };
        self.link.limit(peer, limit).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(self.limits())
    }
}
