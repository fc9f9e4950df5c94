//! Durations as operators write them.

use std::time::Duration;

/// Reads a duration such as `90s`, `10m` or `1h30m`.
///
/// Errors: a sentence that says what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write a number with its unit, such as 90s, 10m or 1h30m");
    let span: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(span).map_err(|_| wrong())?;
    if duration.is_zero() {
        return Err(format!("`{text}` is no time at all; write a duration such as 90s, 10m or 1h30m"));
    }
    Ok(duration)
}

/// Reads how long ago something was: a duration, also in days, such as `7d`, or `0s`.
///
/// Errors: a sentence that says what would be right.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if let Some(days) = trimmed.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        return Ok(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
    match trimmed {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => parse_duration(trimmed)
            .map_err(|_| format!("`{text}` is no duration; write a number with its unit, such as 7d, 36h or 0s")),
    }
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
        for text in ["", "7", "d", "-1d", "1.5d", "99999999999d", "soon"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
