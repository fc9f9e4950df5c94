//! Predicts for a plan: the duration, the freeze, and whether the model can come back.

use std::time::Duration;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::ControllerCard;

use crate::clock::now_ms;
use crate::config::Rate;
use crate::controller::checks::version::Version;
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::view::{Direction, FreezeView, RateView, Stand, WayBackView};

/// Round trips while a model is frozen: what was written last is offered, paged and sent in three, seal and vote are
/// one, decision and answer another.
const FREEZE_ROUND_TRIPS: u32 = 5;
/// Bytes per second at which a target proves binaries while it imports them, on a slow disk.
const PROOF_BYTES_PER_SECOND: u64 = 200 << 20;
/// What syncs, the export and the import take besides.
const FREEZE_BESIDES: Duration = Duration::from_millis(250);

/// Returns how fast bytes go to a peer: at this moment if some are on their way, else when some last were.
///
/// Nothing is sent to find out: a probe short enough not to disturb would tell of the connection's first round
/// trips, and not of its rate.
pub async fn rate(core: &Core, peer: Pin) -> Result<Option<RateView>, EngineError> {
    let to_peer = core.all_tracked().into_iter().filter(|tracked| tracked.peer == peer);
    let live = to_peer.filter(|tracked| tracked.stands() == Stand::Running && tracked.direction() == Direction::Source);
    let fastest =
        live.filter(|tracked| !tracked.is_waiting()).map(|tracked| tracked.counters.bytes().rate).fold(0.0, f64::max);
    if fastest >= 1.0 {
        return Ok(Some(RateView { bytes_per_second: fastest as u64, measured_ms: now_ms() }));
    }
    let store = core.parts.store.clone();
    let last = Core::blocking(move || store.rate(peer)).await?;
    Ok(last.map(|rate| RateView { bytes_per_second: rate.bytes_per_second, measured_ms: rate.time_ms }))
}

/// Returns what an operator allows to be sent to a peer, in words, if it is less than the rate; and the rate under it, of
/// which there is none under a limit of 0.
///
/// `name`: the peer's.
pub fn limit(core: &Core, peer: Pin, name: &str, rate: Option<RateView>) -> (Option<String>, Option<RateView>) {
    if let Some(pause) = core.parts.link.paused(peer) {
        return (Some(pause.to_string()), None);
    }
    match core.parts.link.allowed(peer) {
        Some(allowed) => under(allowed, name, rate),
        None => (None, rate),
    }
}

fn under(allowed: Rate, name: &str, rate: Option<RateView>) -> (Option<String>, Option<RateView>) {
    let text = || Some(format!("limit for {name} is {allowed}"));
    match rate {
        // What does not shrink on the wire takes as long as this.
        Some(rate) if rate.bytes_per_second > allowed.bytes() => {
            (text(), Some(RateView { bytes_per_second: allowed.bytes(), ..rate }))
        }
        Some(_) => (None, rate),
        None => (text(), None),
    }
}

/// Returns how long `bytes` take, milliseconds; nothing if the rate is not known and there is something to send.
pub fn eta_ms(bytes: u64, rate: Option<RateView>, rtt: Duration) -> Option<u64> {
    if bytes == 0 {
        return Some(0);
    }
    let rate = rate?.bytes_per_second.max(1);
    let sending = Duration::try_from_secs_f64(bytes as f64 / rate as f64).unwrap_or(Duration::MAX);
    Some(u64::try_from(sending.saturating_add(rtt).as_millis()).unwrap_or(u64::MAX))
}

/// Returns how long a model of `bytes` would be frozen on its way to a peer.
pub fn freeze(core: &Core, peer: Pin, rtt: Duration, bytes: u64) -> FreezeView {
    let to_peer = core.all_tracked().into_iter().filter(|tracked| tracked.peer == peer);
    let moved = to_peer.filter(|tracked| tracked.stands() == Stand::Moved && tracked.direction() == Direction::Source);
    let last = moved.max_by_key(|tracked| tracked.started_ms());
    FreezeView { expected_ms: freeze_ms(rtt, bytes), last_ms: last.and_then(|tracked| tracked.frozen_ms()) }
}

fn freeze_ms(rtt: Duration, bytes: u64) -> u64 {
    let proof = Duration::from_secs_f64(bytes as f64 / PROOF_BYTES_PER_SECOND as f64);
    u64::try_from((rtt * FREEZE_ROUND_TRIPS + proof + FREEZE_BESIDES).as_millis()).unwrap_or(u64::MAX)
}

/// Tells whether a model could come back from `target`: a controller takes no model of a newer one.
///
/// `model`: `owner/name`.
pub fn way_back(source: &ControllerCard, target: &ControllerCard, model: &str) -> WayBackView {
    let none = |text: String| WayBackView { exists: false, text, command: String::new() };
    let (Ok(ours), Ok(theirs)) = (source.version.parse::<Version>(), target.version.parse::<Version>()) else {
        return none("the controllers' versions cannot be compared".to_owned());
    };
    if theirs.is_later_series(&ours) {
        return none(format!(
            "none once the model has moved: the destination runs {theirs}, and no controller of {ours} takes a model back \
             from it"
        ));
    }
    let text = if theirs > ours {
        format!("as long as the model is not upgraded beyond {ours} there")
    } else {
        "at any time".to_owned()
    };
    WayBackView { exists: true, text, command: format!("modelferry migrate {model} {}", &*source.name) }
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::snapshot::Name;

    use super::*;

    fn card(name: &str, version: &str) -> ControllerCard {
        ControllerCard { name: Name::cut(name), version: Name::cut(version), ..ControllerCard::default() }
    }

    #[test]
    fn a_newer_destination_has_no_way_back() {
        let back = |ours, theirs| way_back(&card("src", ours), &card("dst", theirs), "admin/prod");
        for newer in ["3.7.0", "4.0.2"] {
            let none = back("3.6.23", newer);
            assert!(!none.exists && none.command.is_empty() && none.text.contains(newer), "{none:?}");
        }
        let same = back("3.6.23", "3.6.23");
        assert_eq!((same.exists, same.text.as_str()), (true, "at any time"));
        assert_eq!(same.command, "modelferry migrate admin/prod src");
        let patch = back("3.6.23", "3.6.25");
        assert!(patch.exists && patch.text.contains("not upgraded beyond 3.6.23"), "{patch:?}");
        assert!(!back("3.6.23", "").exists, "nobody knows");
    }

    #[test]
    fn a_forecast_is_made_of_what_was_measured_and_of_nothing_else() {
        let rtt = Duration::from_millis(80);
        let rate = Some(RateView { bytes_per_second: 1 << 20, measured_ms: 0 });
        assert_eq!(eta_ms(10 << 20, rate, rtt), Some(10_080));
        assert_eq!(eta_ms(10 << 20, None, rtt), None);
        assert_eq!(eta_ms(0, None, rtt), Some(0));
        let last = Some(RateView { bytes_per_second: 0, measured_ms: 0 });
        assert_eq!(eta_ms(u64::MAX, last, rtt), Some(u64::MAX), "too long is no overflow");
    }

    #[test]
    fn a_limit_beneath_the_rate_is_told_and_reckoned_with() {
        let rate = |bytes_per_second| Some(RateView { bytes_per_second, measured_ms: 7 });
        let allowed = "8mbit".parse().unwrap();
        let told = Some("limit for east is 8mbit".to_owned());
        assert_eq!(under(allowed, "east", rate(12 << 20)), (told.clone(), rate(1_000_000)));
        assert_eq!(under(allowed, "east", rate(500_000)), (None, rate(500_000)));
        assert_eq!(under(allowed, "east", None), (told, None));
    }

    #[test]
    fn the_freeze_grows_with_the_round_trip() {
        assert_eq!(freeze_ms(Duration::from_millis(100), 0), 750);
        assert_eq!(freeze_ms(Duration::ZERO, 200 << 20), 1250);
    }
}
