//! Rates as operators type them.

use std::fmt;
use std::str::FromStr;

/// The lowest rate, in bits per second, at which a connection stays alive.
const RATE_MIN: u64 = 64_000;

/// A maximum rate in bits per second; 0 is a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate; write one such as 20mbit, 500kbit or 1gbit, from 64kbit up, or 0 for a pause")]
pub struct BadRate(pub String);

impl Rate {
    pub fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the rate in bytes per second.
    pub fn bytes(self) -> u64 {
        self.0 / 8
    }

    /// Returns the rate in bits per second.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Reports whether the rate is 0.
    pub fn is_pause(self) -> bool {
        self.0 == 0
    }
}

impl Rate {
    /// Reads a rate for one migration or pre-copy. It accepts 0, which the agent refuses with the command that pauses.
    ///
    /// Errors: a sentence that says what would be right.
    pub fn of_migration(text: &str) -> Result<Self, String> {
        text.parse().map_err(|BadRate(text)| {
            format!("`{text}` is no rate; write one such as 20mbit, 500kbit or 1gbit, from 64kbit up")
        })
    }
}

impl FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        let wrong = || BadRate(text.to_owned());
        if text.trim() == "0" {
            return Ok(Self(0));
        }
        let text = text.trim().to_ascii_lowercase();
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit_at);
        let factor = match unit.trim() {
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            _ => return Err(wrong()),
        };
        let bits = number.parse::<f64>().map_err(|_| wrong())? * factor;
        if (RATE_MIN as f64..=1e13).contains(&bits) { Ok(Self(bits as u64)) } else { Err(wrong()) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            bits if bits % 1_000_000_000 == 0 => write!(f, "{}gbit", bits / 1_000_000_000),
            bits if bits >= 1_000_000 => write!(f, "{}mbit", bits as f64 / 1e6),
            bits => write!(f, "{}kbit", bits as f64 / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Or 0 for a pause", said the refusal of `--bwlimit 1bit`; 0 was refused as well.
    #[test]
    fn the_rate_of_one_migration_is_never_said_to_be_0() {
        assert_eq!(Rate::of_migration("20mbit"), Ok(Rate(20_000_000)));
        assert!(!Rate::of_migration("1bit").unwrap_err().contains("or 0"));
    }

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for (text, bits) in
            [("20mbit", 20_000_000), ("64kbit", 64_000), ("1gbit", 1_000_000_000), ("2.5Mbit", 2_500_000)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.bits(), bits);
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        assert!("0".parse::<Rate>().unwrap().is_pause());
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "fast", "20", "20mb", "63kbit", "-1mbit", "1e99gbit", "nanmbit"] {
            assert_eq!(text.parse::<Rate>(), Err(BadRate(text.into())));
        }
    }
}
