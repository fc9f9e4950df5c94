//! Moments as operators write them.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::config::parse_duration;

/// How much later than `--at` a time of day for `--until` may be.
const UNTIL_MAX: SignedDuration = SignedDuration::from_hours(12);

/// Reads a moment: `22:00`, `2026-11-23T02:00`, the same with an offset, or `+2h`. Times of day, and what begins with
/// `+`, count from `from`; local time is that of `from`.
///
/// Errors: a sentence that says what would be right.
pub fn parse(text: &str, from: &Zoned) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no time; write one such as 22:00, 2026-11-23T02:00, 2026-11-23T02:00Z or +2h");
    let text = text.trim();
    if let Some(earlier) = text.strip_prefix('-') {
        return Err(match parse_duration(earlier) {
            Ok(_) => {
                format!("`{text}` is in the past; write a time to come such as 22:00, 2026-11-23T02:00Z or +{earlier}")
            }
            Err(_) => wrong(),
        });
    }
    if let Some(later) = text.strip_prefix('+') {
        let later = parse_duration(later)?;
        let far = |_| format!("`{text}` is beyond the year 9999; write a time such as 22:00, 2026-11-23T02:00Z or +2h");
        return from.timestamp().checked_add(later).map_err(far);
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

/// Reads a moment that lies after `from`. `what`: what that is, in words.
///
/// Errors: a sentence that says what would be right, or both moments as they were understood.
pub fn after(text: &str, from: &Zoned, what: &str) -> Result<Timestamp, String> {
    let moment = parse(text, from)?;
    if moment > from.timestamp() {
        return Ok(moment);
    }
    let understood = shown(&moment.to_zoned(from.time_zone().clone()));
    Err(format!("`{text}` is {understood}, and that is not after {what}, {}", shown(from)))
}

/// Reads until when something may go on that begins at `at`. A time of day that is more than half a day later is refused:
/// whoever writes `--at 22:00 --until 21:00` hardly means the next evening.
///
/// Errors: as [`after`].
pub fn until(text: &str, at: &Zoned) -> Result<Timestamp, String> {
    let moment = after(text, at, "--at")?;
    let later = moment.duration_since(at.timestamp());
    let is_time_of_day = !text.contains(['-', '+']);
    if !is_time_of_day || later <= UNTIL_MAX {
        return Ok(moment);
    }
    let until = moment.to_zoned(at.time_zone().clone());
    Err(format!(
        "--at is {}, and --until `{text}` would be {}, {} hours later; if that is meant, write the day as well, such as {}",
        shown(at),
        shown(&until),
        later.as_hours(),
        until.strftime("%Y-%m-%dT%H:%M")
    ))
}

fn shown(moment: &Zoned) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
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
            ("+1000d", "2029-08-18T20:30:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_says_what_to_write() {
        for text in ["", "22", "25:00", "tomorrow", "+", "+2", "2026-11-31T02:00", "-2h", "+4000000000d"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("such as"), "{text}: {error}");
        }
    }

    #[test]
    fn a_moment_that_has_passed_is_refused_with_the_time_as_it_was_understood() {
        let from: Zoned = "2026-11-22T21:30:00+01:00[Europe/Berlin]".parse().unwrap();
        let refused = after("2026-07-01T02:00", &from, "now").unwrap_err();
        assert_eq!(
            refused,
            "`2026-07-01T02:00` is 2026-07-01 02:00:00 CEST, and that is not after now, 2026-11-22 21:30:00 CET"
        );
        assert!(after("2026-11-22T21:30:00+01:00", &from, "now").is_err(), "this very moment is too late");
        assert_eq!(after("21:30", &from, "now"), parse("21:30", &from), "a time of day is the next one");
    }

    #[test]
    fn an_end_just_before_the_beginning_is_refused_with_both_times_as_they_were_understood() {
        let at: Zoned = "2026-11-22T22:00:00+01:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(
            until("21:00", &at).unwrap_err(),
            "--at is 2026-11-22 22:00:00 CET, and --until `21:00` would be 2026-11-23 21:00:00 CET, 23 hours later; if that is \
             meant, write the day as well, such as 2026-11-23T21:00"
        );
        for (text, moment) in [
            ("06:00", "2026-11-23T05:00:00Z"),
            ("10:00", "2026-11-23T09:00:00Z"),
            ("2026-11-23T21:00", "2026-11-23T20:00:00Z"),
            ("+23h", "2026-11-23T20:00:00Z"),
        ] {
            assert_eq!(until(text, &at).map(|until| until.to_string()).as_deref(), Ok(moment), "{text}");
        }
    }
}
