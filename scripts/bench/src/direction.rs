//! One direction of the link: a queue of limited length, a rate, a delay, and losses.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that the queue holds at least: 64 full packets, as the smallest of real devices.
const QUEUE_BYTES_MIN: u64 = 64 * 1500;

/// What the link is like.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Bits per second.
    pub rate: u64,
    /// Bits per second on the way back; as `rate` without.
    pub rate_back: Option<u64>,
    /// There and back.
    pub rtt: Duration,
    /// What is added to the delay at random, at most; packets keep their order.
    pub jitter: Duration,
    /// Share of packets lost.
    pub loss: f64,
    /// Packets lost together.
    pub burst: u32,
    /// Bytes in the queue; one round trip's worth without.
    pub queue: Option<u64>,
    /// Decides what is lost.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        let (rtt, jitter) = (Duration::ZERO, Duration::ZERO);
        Self { rate: 100_000_000, rate_back: None, rtt, jitter, loss: 0.0, burst: 1, queue: None, seed: 1 }
    }
}

impl Spec {
    /// Sets what an argument names. Times are in milliseconds, losses in percent.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number: f64 = value.parse().map_err(|_| format!("{key}={value}: no number"))?;
        if !number.is_finite() || number < 0.0 {
            return Err(format!("{key}={value}: out of range"));
        }
        let time = || Duration::from_secs_f64(number / 1e3);
        match key {
            "rate" if number >= 1.0 => self.rate = number as u64,
            "rate-back" if number >= 1.0 => self.rate_back = Some(number as u64),
            "rtt" => self.rtt = time(),
            "jitter" => self.jitter = time(),
            "loss" => self.loss = number / 100.0,
            "burst" => self.burst = (number as u32).max(1),
            "queue" => self.queue = Some(number as u64),
            "seed" => self.seed = number as u64,
            _ => return Err(format!("{key}={value}: unknown")),
        }
        Ok(())
    }
}

/// Packets on their way in one direction.
#[derive(Debug)]
pub struct Direction {
    rate: u64,
    delay: Duration,
    jitter: Duration,
    loss: f64,
    burst: u32,
    queue_bytes: u64,
    chance: u64,
    /// When the last packet admitted will have left the beginning of the link.
    free_at: Instant,
    last_due: Instant,
    is_cut: bool,
    /// Bytes of the largest packet that gets through.
    mtu: u64,
    losing: u32,
    on_way: VecDeque<(Instant, Box<[u8]>)>,
    packets: u64,
    bytes: u64,
    lost: u64,
    overflowed: u64,
}

impl Direction {
    /// Lays the direction `number`, 1 there and 2 back.
    pub fn new(spec: &Spec, number: u64, now: Instant) -> Self {
        let rate = if number == 2 { spec.rate_back.unwrap_or(spec.rate) } else { spec.rate };
        let filled = (rate as f64 / 8.0 * spec.rtt.as_secs_f64()) as u64;
        Self {
            rate,
            delay: spec.rtt / 2,
            jitter: spec.jitter,
            loss: spec.loss,
            burst: spec.burst,
            queue_bytes: spec.queue.unwrap_or(filled).max(QUEUE_BYTES_MIN),
            chance: (spec.seed * 2 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            free_at: now,
            last_due: now,
            is_cut: false,
            mtu: u64::MAX,
            losing: 0,
            on_way: VecDeque::new(),
            packets: 0,
            bytes: 0,
            lost: 0,
            overflowed: 0,
        }
    }

    /// Takes a packet in, or loses it.
    pub fn admit(&mut self, now: Instant, packet: &[u8]) {
        let bytes = packet.len() as u64;
        self.packets += 1;
        self.bytes += bytes;
        if bytes > self.mtu {
            self.lost += 1;
            return;
        }
        let waiting = self.free_at.saturating_duration_since(now);
        if self.is_cut || waiting > self.occupied_by(self.queue_bytes) {
            self.overflowed += 1;
            return;
        }
        self.free_at = self.free_at.max(now) + self.occupied_by(bytes);
        // What is lost on the way has taken its place on the link all the same.
        if self.loses() {
            self.lost += 1;
            return;
        }
        let jitter = self.jitter.mul_f64(self.share());
        self.last_due = self.last_due.max(self.free_at + self.delay + jitter);
        self.on_way.push_back((self.last_due, packet.into()));
    }

    /// Returns the next packet that has arrived.
    pub fn arrived(&mut self, now: Instant) -> Option<Box<[u8]>> {
        self.on_way.pop_front_if(|(due, _)| *due <= now).map(|(_, packet)| packet)
    }

    /// Returns when the next packet arrives.
    pub fn next(&self) -> Option<Instant> {
        self.on_way.front().map(|(due, _)| *due)
    }

    /// Cuts the link, with all that is on it, or mends it.
    pub fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
        if is_cut {
            self.overflowed += self.on_way.len() as u64;
            self.on_way.clear();
        }
    }

    /// Loses every larger packet from now on, without a word: a black hole.
    pub fn set_mtu(&mut self, bytes: u64) {
        self.mtu = bytes;
    }

    /// Changes the rate for what comes from now on.
    pub fn set_rate(&mut self, bits: u64) {
        self.rate = bits.max(1);
    }

    /// Returns packets and bytes that were given to the link, and those lost by chance and for want of room.
    pub fn stats(&self) -> String {
        format!("{} {} {} {}", self.packets, self.bytes, self.lost, self.overflowed)
    }

    fn occupied_by(&self, bytes: u64) -> Duration {
        Duration::from_nanos((bytes * 8).saturating_mul(1_000_000_000) / self.rate)
    }

    fn loses(&mut self) -> bool {
        // A burst loses `burst` packets for each that chance picks, so chance picks fewer.
        if self.losing == 0 && self.loss > 0.0 && self.share() < self.loss / f64::from(self.burst) {
            self.losing = self.burst;
        }
        let loses = self.losing > 0;
        self.losing = self.losing.saturating_sub(1);
        loses
    }

    /// Returns a number from 0 to 1 that follows from the seed.
    fn share(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_take_their_time_and_keep_their_order() {
        let mut spec = Spec::default();
        for (key, value) in [("rate", "1000000"), ("rtt", "60"), ("jitter", "20")] {
            spec.set(key, value).unwrap();
        }
        let now = Instant::now();
        let mut link = Direction::new(&spec, 1, now);
        (0..5u8).for_each(|number| link.admit(now, &[number; 1250]));
        assert_eq!(link.arrived(now + Duration::from_millis(39)), None, "10 ms on the link and 30 ms on the way");
        let at_the_end = now + Duration::from_millis(50 + 30 + 20);
        let arrived: Vec<u8> = std::iter::from_fn(|| link.arrived(at_the_end)).map(|packet| packet[0]).collect();
        assert_eq!(arrived, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_queue_holds_one_round_trip_and_loses_the_rest() {
        let mut spec = Spec::default();
        spec.set("rtt", "80").unwrap();
        let now = Instant::now();
        let mut link = Direction::new(&spec, 1, now);
        (0..2000).for_each(|_| link.admit(now, &[0; 1500]));
        assert_eq!(link.on_way.len(), 1_000_000 / 1500 + 1);
        assert_eq!(link.overflowed, 2000 - link.on_way.len() as u64);
    }

    #[test]
    fn a_black_hole_takes_large_packets_only() {
        let now = Instant::now();
        let mut link = Direction::new(&Spec::default(), 1, now);
        link.set_mtu(1300);
        link.admit(now, &[0; 1301]);
        link.admit(now, &[0; 1300]);
        assert_eq!((link.lost, link.on_way.len()), (1, 1));
    }

    #[test]
    fn bursts_lose_the_same_share() {
        for burst in ["1", "20"] {
            let mut spec = Spec::default();
            for (key, value) in [("rate", "1e12"), ("loss", "2"), ("burst", burst)] {
                spec.set(key, value).unwrap();
            }
            let now = Instant::now();
            let mut link = Direction::new(&spec, 1, now);
            (0..1_000_000).for_each(|_| link.admit(now, &[0; 10]));
            assert!((18_000..22_000).contains(&link.lost), "burst {burst} lost {}", link.lost);
        }
    }
}
