//! The work on the bytes, each alone and once.

use std::hint::black_box;

use fastcdc::v2020::FastCDC;
use zstd::bulk::{Compressor, Decompressor};

use crate::{Failure, busy};

/// As the agent cuts: least, average and greatest chunk.
const CHUNK_BYTES: (usize, usize, usize) = (8 << 10, 32 << 10, 256 << 10);
/// As the agent compresses for a fast link.
const LEVEL: i32 = 1;

/// Returns the processor seconds of BLAKE3, FastCDC, and zstd both ways, over the bytes of a file, and to what part of
/// them zstd made them.
pub fn measure(file: &str) -> Result<String, Failure> {
    let content = std::fs::read(file)?;
    let (least, average, greatest) = CHUNK_BYTES;
    let begun = busy();
    let chunks: Vec<_> = FastCDC::new(&content, least, average, greatest).collect();
    let cut = busy();
    for chunk in &chunks {
        black_box(blake3::hash(&content[chunk.offset..chunk.offset + chunk.length]));
    }
    let hashed = busy();
    let (mut compressor, mut decompressor) = (Compressor::new(LEVEL)?, Decompressor::new()?);
    let mut left = 0;
    for chunk in &chunks {
        let packed = compressor.compress(&content[chunk.offset..chunk.offset + chunk.length])?;
        left += packed.len().min(chunk.length);
        // What does not shrink travels as it is.
        if packed.len() < chunk.length {
            black_box(decompressor.decompress(&packed, chunk.length)?);
        }
    }
    let part = left as f64 / content.len() as f64;
    Ok(format!("{:.4} {:.4} {:.4} {part:.4}", hashed - cut, cut - begun, busy() - hashed))
}
