//! Recognises compressed files by their first bytes, so that the error says "unpack it first".

/// What compressed files begin with, and what unpacks them.
const BEGINNINGS: [(&[u8], &str); 6] = [
    (b"\x28\xb5\x2f\xfd", "zstd -d"),
    (b"\x1f\x8b", "gunzip"),
    (b"\xfd7zXZ\0", "unxz"),
    (b"BZh", "bunzip2"),
    (b"PK\x03\x04", "unzip"),
    (b"\x04\x22\x4d\x18", "lz4 -d"),
];

/// Returns the command that unpacks what begins like that, if it is compressed at all.
pub fn how_to_unpack(beginning: &[u8]) -> Option<&'static str> {
    BEGINNINGS.into_iter().find(|(magic, _)| beginning.starts_with(magic)).map(|(_, unpack)| unpack)
}
