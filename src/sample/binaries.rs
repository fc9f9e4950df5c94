//! The binaries that the sample's description names: charm archives, an agent binary, resources.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::seed::{Seed, hex};

/// A binary on disk, as a description speaks of it.
#[derive(Debug, Clone)]
pub(crate) struct Binary {
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// SHA-256 in hexadecimal: agent binaries, charms.
    pub(crate) sha256: String,
    /// SHA-384 in hexadecimal: resources.
    pub(crate) sha384: String,
}

/// Members of a charm archive are about this long before compression.
const MEMBER_BYTES: usize = 24 << 10;
/// Bytes that are made or hashed at a time.
const STEP_BYTES: usize = 256 << 10;

impl Binary {
    /// Reads what `path` holds.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut sha256 = digest::Context::new(&digest::SHA256);
        let mut sha384 = digest::Context::new(&digest::SHA384);
        let mut file = File::open(path)?;
        let mut step = vec![0; STEP_BYTES];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut step)?;
            if read == 0 {
                break;
            }
            sha256.update(&step[..read]);
            sha384.update(&step[..read]);
            bytes += read as u64;
        }
        Ok(Self { bytes, sha256: hex(sha256.finish().as_ref()), sha384: hex(sha384.finish().as_ref()) })
    }
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(BufWriter::with_capacity(STEP_BYTES, File::create(path)?))
}

/// Writes a charm archive of about `bytes` bytes: Python, compiled libraries, and the files a charm begins with.
pub(crate) fn charm(path: &Path, name: &str, bytes: u64, seed: &mut Seed) -> io::Result<Binary> {
    let mut zip = ZipWriter::new(create(path)?);
    let options = SimpleFileOptions::default().unix_permissions(0o644);
    for (member, content) in [
        ("metadata.yaml", format!("name: {name}\nsummary: Charmed {name}\ndescription: |\n  Made for a drill.\n")),
        ("manifest.yaml", "bases:\n- architectures:\n  - amd64\n  channel: '24.04'\n  name: ubuntu\n".to_owned()),
        ("dispatch", "#!/bin/sh\nJUJU_DISPATCH_PATH=\"${JUJU_DISPATCH_PATH:-$0}\" ./src/charm.py\n".to_owned()),
    ] {
        zip.start_file(member, options)?;
        zip.write_all(content.as_bytes())?;
    }
    let mut written = 0;
    for index in 0u32.. {
        if written >= bytes {
            break;
        }
        // Every other member is a compiled library, which shrinks as little as real ones do; Python shrinks to a third.
        let content = if index % 2 == 0 { python(seed) } else { library(seed) };
        written += content.len() as u64 / if index % 2 == 0 { 3 } else { 1 };
        let extension = if index % 2 == 0 { "py" } else { "so" };
        zip.start_file(format!("venv/lib/python3.12/site-packages/part{index:04}.{extension}"), options)?;
        zip.write_all(&content)?;
    }
    zip.finish()?.flush()?;
    Binary::of(path)
}

fn python(seed: &mut Seed) -> Vec<u8> {
    const WORDS: [&str; 24] = [
        "self", "return", "charm", "unit", "relation", "event", "config", "None", "status", "database", "secret", "if",
        "not", "for", "in", "raise", "error", "import", "path", "client", "endpoint", "version", "model", "and",
    ];
    let mut text = String::with_capacity(MEMBER_BYTES + 128);
    while text.len() < MEMBER_BYTES {
        let line = seed.bytes::<8>();
        text.extend(std::iter::repeat_n(' ', 4 * usize::from(line[0] % 4)));
        for byte in &line[1..3 + usize::from(line[7] % 5)] {
            text.push_str(WORDS[usize::from(byte % 24)]);
            text.push([' ', '.', '(', '_'][usize::from(byte >> 6)]);
        }
        text.push_str(&format!("{:02x}\n", line[6]));
    }
    text.into_bytes()
}

fn library(seed: &mut Seed) -> Vec<u8> {
    let mut bytes = vec![0; MEMBER_BYTES];
    seed.fill(&mut bytes);
    bytes[..4].copy_from_slice(b"\x7fELF");
    bytes
}

/// Writes an agent binary: `executable` in a gzipped tar, or `bytes` made-up ones in its place.
pub(crate) fn agent(path: &Path, executable: Option<&Path>, bytes: u64, seed: &mut Seed) -> io::Result<Binary> {
    let mut tar = tar::Builder::new(GzEncoder::new(create(path)?, Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_mtime(0);
    match executable {
        Some(executable) => {
            let file = File::open(executable)?;
            header.set_size(file.metadata()?.len());
            tar.append_data(&mut header, "modelferry", BufReader::with_capacity(STEP_BYTES, file))?;
        }
        None => {
            header.set_size(bytes);
            tar.append_data(&mut header, "modelferry", SeedReader(seed).take(bytes))?;
        }
    }
    tar.into_inner()?.finish()?.flush()?;
    Binary::of(path)
}

struct SeedReader<'a>(&'a mut Seed);

impl Read for SeedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer);
        Ok(buffer.len())
    }
}

/// Writes a file resource of exactly `bytes` bytes that do not compress, as archives do not.
pub(crate) fn resource(path: &Path, bytes: u64, seed: &mut Seed) -> io::Result<Binary> {
    let mut file = create(path)?;
    io::copy(&mut SeedReader(seed).take(bytes), &mut file)?;
    file.flush()?;
    Binary::of(path)
}

/// Writes the JSON document that stands for an OCI image.
pub(crate) fn image(path: &Path, name: &str, seed: &mut Seed) -> io::Result<Binary> {
    let document = serde_json::json!({
        "ImageName": format!("registry.example/charm/{name}@sha256:{}", seed.hex::<32>()),
        "Username": "docker-registry",
        "Password": seed.hex::<160>(),
    });
    let mut file = create(path)?;
    file.write_all(document.to_string().as_bytes())?;
    file.flush()?;
    Binary::of(path)
}
