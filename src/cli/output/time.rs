//! Times as Juju prints them.

use std::time::Duration;

use jiff::Timestamp;

/// Tells how long before `now_ms` a time was, both Unix milliseconds: `21 seconds ago`; after a day, its date.
pub fn ago(time_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(time_ms) / 1000;
    let count = |number: u64, unit: &str| format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" });
    match seconds {
        0..=1 => "just now".to_owned(),
        2..=59 => count(seconds, "second"),
        60..=3599 => count(seconds / 60, "minute"),
        3600..=86_399 => count(seconds / 3600, "hour"),
        _ => stamp(time_ms, "%Y-%m-%d"),
    }
}

/// The same of a time as descriptions have it, RFC 3339; what is no time is shown as it is.
pub fn ago_rfc3339(time: &str, now_ms: u64) -> String {
    let at = time.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    at.map_or_else(|| time.to_owned(), |at| ago(at, now_ms))
}

/// Returns a time of day in UTC, as the Timestamp column of `status` has it: `09:08:58Z`.
pub fn clock(time_ms: u64) -> String {
    stamp(time_ms, "%H:%M:%SZ")
}

/// Returns a date and time in UTC, as Juju's YAML has it: `29 Jan 2025 15:51:17Z`.
pub fn date(time_ms: u64) -> String {
    stamp(time_ms, "%d %b %Y %H:%M:%SZ")
}

/// Returns a time in UTC in full: `2025-10-09T08:53:20.123Z`.
pub fn utc(time_ms: u64) -> String {
    stamp(time_ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

fn stamp(time_ms: u64, format: &str) -> String {
    let time = i64::try_from(time_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "unknown".to_owned(), |time| time.strftime(format).to_string())
}

/// Returns a length of time for people: `850 ms`, `3.2 s`, `4m 05s`, `2h 07m`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=9 => format!("{:.1} s", duration.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_in_jujus_words() {
        let now = 1_760_000_000_000;
        for (seconds, text) in [
            (0, "just now"),
            (21, "21 seconds ago"),
            (60, "1 minute ago"),
            (330, "5 minutes ago"),
            (3600, "1 hour ago"),
            (18_100, "5 hours ago"),
            (86_400, "2025-10-08"),
        ] {
            assert_eq!(ago(now - seconds * 1000, now), text);
        }
        assert_eq!(ago(now + 5000, now), "just now");
    }

    #[test]
    fn a_time_of_day_is_in_utc() {
        assert_eq!(clock(1_760_000_000_000), "08:53:20Z");
        assert_eq!(clock(u64::MAX), "unknown");
        assert_eq!(date(1_760_000_000_000), "09 Oct 2025 08:53:20Z");
    }

    #[test]
    fn a_length_of_time_has_two_figures_that_matter() {
        for (ms, text) in
            [(850, "850 ms"), (3210, "3.2 s"), (42_000, "42 s"), (245_000, "4m 05s"), (7_620_000, "2h 07m")]
        {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
    }
}
