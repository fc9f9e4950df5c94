//! Values that look random and are the same for the same seed.

use super::yaml::Node;

/// An endless, reproducible source of values.
pub(crate) struct Seed(blake3::OutputReader);

impl Seed {
    /// Opens the stream of values called `purpose`: what one part of the sample draws does not move another.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
        Self(hasher.finalize_xof())
    }

    /// Fills `bytes` with what no compressor makes smaller.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        u32::from_le_bytes(self.bytes()) % bound
    }

    /// Returns `N` bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Returns `N` bytes in hexadecimal.
    pub(super) fn hex<const N: usize>(&mut self) -> String {
        hex(&self.bytes::<N>())
    }

    /// Returns a random UUID.
    pub(super) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid().to_string()
    }

    /// Returns 24 characters as Juju hashes its agents' passwords.
    pub(super) fn password_hash(&mut self) -> String {
        self.letters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 24)
    }

    /// Returns a secret's id: an xid, whose last letter carries one bit only.
    pub(super) fn secret_id(&mut self) -> String {
        format!("d{}g", self.letters(b"0123456789abcdefghijklmnopqrstuv", 18))
    }

    /// Returns `count` of the given letters.
    pub(super) fn letters(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(alphabet[self.below(alphabet.len() as u32) as usize])).collect()
    }

    /// Returns a time `second` seconds after the sample's morning, with a fraction as clocks have it.
    pub(super) fn time(&mut self, second: u32) -> Node {
        let (hours, minutes, seconds) = (8 + second / 3600, second / 60 % 60, second % 60);
        // The library drops trailing zeros of the fraction; a last digit that is none keeps it simple.
        let micros = self.below(99_999) * 10 + 1 + self.below(9);
        Node::Plain(format!("2026-03-02T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z"))
    }
}

/// Returns `bytes` in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
