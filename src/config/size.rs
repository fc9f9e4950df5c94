//! Sizes in bytes as operators type them.

/// Parses a size such as `50GiB`, `512MiB` or `0`.
///
/// Errors: a sentence with valid examples.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of bytes; write one such as 50GiB, 512MiB or 0");
    let trimmed = text.trim();
    if trimmed == "0" {
        return Ok(0);
    }
    let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "kib" => 10,
        "mib" => 20,
        "gib" => 30,
        "tib" => 40,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * (1_u64 << shift) as f64;
    // The limit is exact in a double, and larger than any disk.
    if bytes < (1_u64 << 53) as f64 { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit() {
        for (text, bytes) in [("0", 0), ("1KiB", 1 << 10), ("1.5 mib", 3 << 19), ("50GiB", 50 << 30), ("2TiB", 2 << 40)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "much", "50", "50GB", "-1GiB", "1e3GiB", "99999999TiB", ".GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
