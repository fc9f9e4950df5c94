//! Operators' orders to a migration whose model is live: pause, resume, cut over.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use modelferry_protocol::record::{Orders, Pause, When};
use modelferry_protocol::snapshot::Name;

use crate::config::Rate;
use crate::engine::view::OrdersView;

/// For how long a cutover is tried that was not told otherwise. An hour: a window for changes is seldom longer, and the
/// model is live all the time.
pub const CUTOVER_WITHIN: Duration = Duration::from_secs(3600);

/// A change of a migration's orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Send nothing for it.
    Pause,
    /// Go on sending.
    Resume,
    /// Freeze the model as soon as both sides agree.
    Cutover {
        /// Unix milliseconds after which the migration is given up; Default: the deadline the migration has, else [`CUTOVER_WITHIN`] from now.
        until_ms: Option<u64>,
    },
}

impl Change {
    /// Returns it as a verb, for errors.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "go on",
            Self::Cutover { .. } => "be cut over",
        }
    }

    /// Returns the orders that follow from it.
    ///
    /// Errors: why it changes nothing.
    pub fn apply(self, mut orders: Orders, id: &str, now_ms: u64, actor: &str) -> Result<Orders, String> {
        match self {
            Self::Pause => {
                if let Some(pause) = &orders.paused {
                    return Err(format!("it is {} already", paused(pause)));
                }
                orders.paused = Some(Pause { by: Name::cut(actor), since_ms: now_ms });
            }
            Self::Resume => {
                if orders.paused.take().is_none() {
                    return Err("it is not paused".to_owned());
                }
            }
            Self::Cutover { until_ms } => {
                if orders.freeze == When::Ready {
                    return Err("nothing holds it: the model is frozen as soon as its binaries are there".to_owned());
                }
                if let Some(pause) = &orders.paused {
                    return Err(format!("it is {}; let it go on first with `modelferry resume {id}`", paused(pause)));
                }
                let within = now_ms.saturating_add(CUTOVER_WITHIN.as_millis() as u64);
                orders.freeze = When::At(now_ms);
                orders.until_ms = Some(until_ms.or(orders.until_ms).unwrap_or(within));
            }
        }
        Ok(orders)
    }
}

/// Returns a pause in words.
pub fn paused(pause: &Pause) -> String {
    format!("paused by operator ({}) since {}", &*pause.by, local(pause.since_ms))
}

/// Returns a time in words, in local time.
pub fn local(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let moment = moment.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::system());
    moment.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// Returns orders in words, for the audit trail.
pub fn describe(orders: &Orders) -> String {
    let mut parts = Vec::new();
    match orders.freeze {
        When::Ready => {}
        When::At(at_ms) => parts.push(format!("to be cut over from {} on", local(at_ms))),
        When::Held => parts.push("to be cut over when it is asked for".to_owned()),
    }
    if let Some(until_ms) = orders.until_ms {
        parts.push(format!("until {}", local(until_ms)));
    }
    if let Some(bits) = orders.bits_per_second_max {
        parts.push(format!("with at most {} per second", Rate::of_bits(bits)));
    }
    if let Some(pause) = &orders.paused {
        parts.push(paused(pause));
    }
    // A pre-copy is not cut over, and a migration without an hour is when it is ready.
    if parts.is_empty() { "to go on without a wait or a limit".to_owned() } else { parts.join(", ") }
}

/// Returns orders as they are shown; nothing of those that say nothing.
pub fn view(orders: &Orders) -> Option<OrdersView> {
    let at_ms = if let When::At(at_ms) = orders.freeze { Some(at_ms) } else { None };
    let view = OrdersView {
        cutover_at_ms: at_ms,
        held: orders.freeze == When::Held,
        until_ms: orders.until_ms,
        bwlimit: orders.bits_per_second_max.map(|bits| Rate::of_bits(bits).to_string()),
        paused_by: orders.paused.as_ref().map(|pause| pause.by.to_string()),
        paused_since_ms: orders.paused.as_ref().map(|pause| pause.since_ms),
    };
    (view != OrdersView::default()).then_some(view)
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::ids::MigrationId;

    use super::*;

    const MID: MigrationId = MigrationId([1; 16]);

    fn held() -> Orders {
        Orders { freeze: When::Held, ..Orders::none(MID) }
    }

    #[test]
    fn a_cutover_ends_the_hold_and_lasts_an_hour_unless_it_was_told_otherwise() {
        let ask = |orders, until_ms| Change::Cutover { until_ms }.apply(orders, "id", 5_000, "uid 0");
        let hour = 3_605_000;
        assert_eq!(
            ask(held(), None),
            Ok(Orders { freeze: When::At(5_000), until_ms: Some(hour), ..Orders::none(MID) })
        );
        assert_eq!(ask(Orders { until_ms: Some(9_000), ..held() }, None).unwrap().until_ms, Some(9_000));
        assert_eq!(ask(Orders { until_ms: Some(9_000), ..held() }, Some(7_000)).unwrap().until_ms, Some(7_000));
        assert!(ask(Orders::none(MID), None).unwrap_err().contains("nothing holds it"));
    }

    #[test]
    fn a_pause_names_who_asked_and_is_taken_back_once() {
        let paused = Change::Pause.apply(held(), "id", 5_000, "uid 0").unwrap();
        assert_eq!(paused.paused, Some(Pause { by: Name::cut("uid 0"), since_ms: 5_000 }));
        assert!(Change::Pause.apply(paused.clone(), "id", 6_000, "uid 1").unwrap_err().contains("by operator (uid 0)"));
        let told = Change::Cutover { until_ms: None }.apply(paused.clone(), "id", 6_000, "uid 0").unwrap_err();
        assert!(told.contains("modelferry resume id"), "{told}");
        let resumed = Change::Resume.apply(paused, "id", 7_000, "uid 0").unwrap();
        assert_eq!(resumed, held());
        assert!(Change::Resume.apply(resumed, "id", 8_000, "uid 0").is_err());
    }
}
