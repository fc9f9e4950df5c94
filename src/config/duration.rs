//! Durations as operators type them.

use std::time::Duration;

/// Parses a duration such as `90s`, `10m`, `1h30m` or `7d`.
///
/// Errors: a sentence with valid examples.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = parse(text.trim()).ok_or_else(|| {
        format!("`{text}` is no duration; write a number with its unit, such as 90s, 10m, 1h30m or 7d")
    })?;
    if duration.is_zero() {
        return Err(format!("`{text}` is no time at all; write a duration such as 90s, 10m, 1h30m or 7d"));
    }
    Ok(duration)
}

/// Parses an age: a duration, or `0s`.
///
/// Errors: a sentence with valid examples.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    match text.trim() {
        "0" => Ok(Duration::ZERO),
        age => parse(age)
            .ok_or_else(|| format!("`{text}` is no duration; write a number with its unit, such as 7d, 36h or 0s")),
    }
}

/// Parses a duration. A day has 24 hours, because the value is a length of time and not a date.
fn parse(text: &str) -> Option<Duration> {
    // The `d` in `90 seconds` is not a unit.
    let in_days = text.split_once('d').and_then(|(days, rest)| Some((days.parse::<u32>().ok()?, rest)));
    let (days, rest) = in_days.unwrap_or((0, text));
    let rest = if rest.is_empty() && rest.len() < text.len() {
        Duration::ZERO
    } else {
        Duration::try_from(rest.parse::<jiff::SignedDuration>().ok()?).ok()?
    };
    Duration::from_secs(u64::from(days) * 24 * 3600).checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_may_be_in_days_and_may_be_none() {
        for (text, seconds) in [("7d", 7 * 86_400), ("36h", 36 * 3600), ("1h30m", 5400), ("0s", 0), ("0d", 0), ("0", 0)]
        {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "d", "-1d", "1.5d", "99999999999d", "soon", "1dd", "1d-2h"] {
            assert!(parse_age(text).is_err(), "{text}");
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_may_be_in_days_and_is_never_none() {
        for (text, seconds) in
            [("90s", 90), ("90 seconds", 90), ("1d12h", 36 * 3600), ("1000d", 86_400_000), (" 10m ", 600)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert!(parse_duration("0d").unwrap_err().contains("no time at all"));
    }
}
