//! Moments as operators write them.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::config::parse_duration;

/// Reads a moment: `22:00`, `2026-11-23T02:00`, the same with an offset, or `+2h`. Times of day, and what begins with
/// `+`, count from `from`; local time is that of `from`.
///
/// Errors: a sentence that says what would be right.
pub fn parse(text: &str, from: &Zoned) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no time; write one such as 22:00, 2026-11-23T02:00, 2026-11-23T02:00Z or +2h");
    let text = text.trim();
    if let Some(later) = text.strip_prefix('+') {
        let later = parse_duration(later)?;
        return from.timestamp().checked_add(later).map_err(|_| wrong());
    }
    let zone: &TimeZone = from.time_zone();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    if text.contains('-') {
        let moment: DateTime = text.parse().map_err(|_| wrong())?;
        return moment.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| wrong());
    }
    // jiff would read `22` as well, and nobody knows what was meant.
    let time: Time = if text.contains(':') { text.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let on = |date: jiff::civil::Date| date.to_datetime(time).to_zoned(zone.clone()).map_err(|_| wrong());
    let today = on(from.date())?;
    let next = if today > *from { today } else { on(from.date().checked_add(1.day()).map_err(|_| wrong())?)? };
    Ok(next.timestamp())
}

/// Returns a moment in Unix milliseconds.
pub fn unix_ms(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let from: Zoned = "2026-11-22T21:30:00+01:00[Europe/Berlin]".parse().unwrap();
        parse(text, &from).map(|moment| moment.to_string())
    }

    #[test]
    fn a_moment_is_read_as_operators_write_it() {
        for (text, moment) in [
            ("22:00", "2026-11-22T21:00:00Z"),
            // The next one, not the last.
            ("21:30", "2026-11-23T20:30:00Z"),
            ("06:15", "2026-11-23T05:15:00Z"),
            ("2026-11-23T02:00Z", "2026-11-23T02:00:00Z"),
            ("2026-11-23T02:00+05:00", "2026-11-22T21:00:00Z"),
            ("2026-11-23T02:00", "2026-11-23T01:00:00Z"),
            ("2026-07-01 02:00", "2026-07-01T00:00:00Z"),
            ("+2h", "2026-11-22T22:30:00Z"),
            ("+1h30m", "2026-11-22T22:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_says_what_to_write() {
        for text in ["", "22", "25:00", "tomorrow", "+", "+2", "2026-11-31T02:00", "-2h"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("such as"), "{text}: {error}");
        }
    }
}
