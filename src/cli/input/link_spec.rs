//! Parses the properties of the demo's link: rate, round trip and loss, as in `100mbit,80ms,1%`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Packets that the queue before the link holds at least, however short the link.
const QUEUE_PACKETS_MIN: u64 = 64;
/// Bytes of a packet, for that minimum.
const PACKET_BYTES: u64 = 1500;

/// Rate, delay and loss of an emulated link.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LinkSpec {
    /// Bits per second in each direction; unlimited without.
    pub bits_per_second: Option<u64>,
    /// Time there and back; each direction takes half of it.
    pub rtt: Duration,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
}

/// A link that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` is no part of a link; write it like `100mbit,80ms`, `20mbit,100ms,1%` or `none`")]
pub struct LinkSpecError {
    /// What was not understood.
    pub part: String,
}

impl LinkSpec {
    /// Returns the bytes that may wait before the link: what fills it for one round trip.
    pub(crate) fn queue_bytes(&self) -> u64 {
        let filled = |bits: u64| (bits as f64 * self.rtt.as_secs_f64() / 8.0) as u64;
        self.bits_per_second.map_or(u64::MAX, |bits| filled(bits).max(QUEUE_PACKETS_MIN * PACKET_BYTES))
    }

    /// Returns how long `bytes` occupy the link.
    pub(crate) fn occupied_by(&self, bytes: u64) -> Duration {
        let nanos = |bits: u64| (bytes * 8).saturating_mul(1_000_000_000) / bits;
        self.bits_per_second.map_or(Duration::ZERO, |bits| Duration::from_nanos(nanos(bits)))
    }
}

impl FromStr for LinkSpec {
    type Err = LinkSpecError;

    fn from_str(text: &str) -> Result<Self, LinkSpecError> {
        if text == "none" {
            return Ok(Self::default());
        }
        let mut spec = Self::default();
        for part in text.split(',').map(str::trim) {
            let wrong = || LinkSpecError { part: part.to_owned() };
            let unit_at = part.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, unit) = part.split_at(unit_at);
            let number: f64 = number.parse().map_err(|_| wrong())?;
            match unit {
                "kbit" | "mbit" | "gbit" if number > 0.0 => {
                    let factor = if unit == "kbit" {
                        1e3
                    } else if unit == "mbit" {
                        1e6
                    } else {
                        1e9
                    };
                    spec.bits_per_second = Some(((number * factor) as u64).max(1));
                }
                "ms" if number <= 60_000.0 => spec.rtt = Duration::from_secs_f64(number / 1e3),
                "%" if number < 100.0 => spec.loss = number / 100.0,
                _ => return Err(wrong()),
            }
        }
        Ok(spec)
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits_per_second {
            Some(bits) => write!(f, "{} Mbit/s, ", bits as f64 / 1e6)?,
            None => f.write_str("as fast as this host, ")?,
        }
        write!(f, "{} ms round trip, ", self.rtt.as_secs_f64() * 1e3)?;
        if self.loss > 0.0 { write!(f, "{} % loss", self.loss * 100.0) } else { f.write_str("no loss") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_is_written() {
        let thin = LinkSpec { bits_per_second: Some(100_000_000), rtt: Duration::from_millis(80), loss: 0.0 };
        assert_eq!("100mbit,80ms".parse(), Ok(thin));
        let lossy = LinkSpec { bits_per_second: Some(20_000_000), rtt: Duration::from_millis(100), loss: 0.01 };
        assert_eq!("20mbit,100ms,1%".parse(), Ok(lossy));
        assert_eq!("none".parse(), Ok(LinkSpec::default()));
        assert_eq!(lossy.to_string(), "20 Mbit/s, 100 ms round trip, 1 % loss");
    }

    #[test]
    fn what_is_no_link_is_named() {
        for (text, part) in
            [("100mbit,fast", "fast"), ("80", "80"), ("0mbit", "0mbit"), ("1mbit,100%", "100%"), ("", "")]
        {
            assert_eq!(text.parse::<LinkSpec>(), Err(LinkSpecError { part: part.into() }), "{text}");
        }
    }

    #[test]
    fn the_queue_holds_one_round_trip() {
        let spec: LinkSpec = "100mbit,80ms".parse().unwrap();
        assert_eq!(spec.queue_bytes(), 1_000_000);
        let short: LinkSpec = "1mbit,1ms".parse().unwrap();
        assert_eq!(short.queue_bytes(), 64 * 1500);
        assert_eq!(spec.occupied_by(12_500), Duration::from_millis(1));
    }
}
