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
