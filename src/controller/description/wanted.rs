//! The binaries that a description names: what travels beside it, and how each proves itself.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use modelferry_protocol::snapshot::{AgentBinary, BlobRef, Call, Charm, Name, Query, Resource};
use ring::digest::{self, Algorithm};

use super::archives::{GzippedTar, ZipEnds};

/// Bytes of the JSON document that stands for an OCI image. Real ones have about 500.
pub const OCI_DOCUMENT_BYTES_MAX: u64 = 64 << 10;

/// A binary that a description names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// A charm archive: a zip.
    Charm {
        /// Its URL.
        url: String,
        /// SHA-256 of the archive that the store handed out, hexadecimal, lower case; empty where the description does not
        /// tell, as of local charms. A controller that the model has migrated to holds a repacked archive, of another hash.
        sha256: String,
    },
    /// An agent binary.
    AgentBinary {
        /// Version, system and architecture.
        version: String,
        /// SHA-256 in hexadecimal, lower case; empty where the description does not tell.
        sha256: String,
        /// Its bytes; 0 where the description does not tell.
        bytes: u64,
    },
    /// A file resource.
    File {
        /// The application.
        application: String,
        /// The resource's name.
        name: String,
        /// The revision.
        revision: i64,
        /// SHA-384 in hexadecimal, lower case.
        sha384: String,
        /// Its bytes.
        bytes: u64,
    },
    /// An OCI image: a small JSON document, of whose bytes the description holds no hash.
    OciImage {
        /// The application.
        application: String,
        /// The resource's name.
        name: String,
        /// The revision.
        revision: i64,
    },
}

/// Bytes that are not the binary wanted.
#[derive(Debug, thiserror::Error)]
pub enum NotWanted {
    /// Another size.
    #[error("{wanted} has {actual} bytes, the model description says {expected}")]
    Size {
        /// What was wanted.
        wanted: String,
        /// What was found.
        actual: u64,
        /// What the description says.
        expected: u64,
    },
    /// Another content.
    #[error("{wanted} has {algorithm} {actual}, the model description says {expected}")]
    Hash {
        /// What was wanted.
        wanted: String,
        /// How it is hashed.
        algorithm: &'static str,
        /// What was found.
        actual: String,
        /// What the description says.
        expected: String,
    },
    /// No archive, where one was wanted.
    #[error("{wanted} {fault}")]
    NoArchive {
        /// What was wanted.
        wanted: String,
        /// What keeps it from being one.
        fault: &'static str,
    },
    /// More bytes than the document of an OCI image has.
    #[error("{wanted} has {actual} bytes; the document of an OCI image has at most {OCI_DOCUMENT_BYTES_MAX}")]
    TooLarge {
        /// What was wanted.
        wanted: String,
        /// What was found.
        actual: u64,
    },
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Charm { url, .. } => write!(f, "charm {url}"),
            Self::AgentBinary { version, .. } => write!(f, "agent binary {version}"),
            Self::File { application, name, .. } | Self::OciImage { application, name, .. } => {
                write!(f, "resource {application}/{name}")
            }
        }
    }
}

impl Wanted {
    /// Makes the call that uploads it. `blob`: its bytes.
    pub fn upload(&self, blob: BlobRef) -> Call {
        match self {
            Self::Charm { url, .. } => Call::UploadCharm(Charm { blob, ..Charm::named(Name::cut(url)) }),
            Self::AgentBinary { version, .. } => {
                Call::UploadAgentBinary(AgentBinary { version: Name::cut(version), blob })
            }
            Self::File { application, name, revision, .. } | Self::OciImage { application, name, revision } => {
                Call::UploadResource(Resource {
                    application: Name::cut(application),
                    name: Name::cut(name),
                    revision: *revision,
                    query: Query::default(),
                    blob,
                })
            }
        }
    }

    /// Returns its path below the directory that an export writes and an import reads.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Charm { url, .. } => Path::new("charms").join(url.replace('/', "_")),
            Self::AgentBinary { version, .. } => Path::new("tools").join(version),
            Self::File { application, name, .. } | Self::OciImage { application, name, .. } => {
                Path::new("resources").join(application).join(name)
            }
        }
    }

    fn algorithm(&self) -> Option<(&'static str, &'static Algorithm, &str)> {
        match self {
            Self::AgentBinary { sha256, .. } | Self::Charm { sha256, .. } if !sha256.is_empty() => {
                Some(("SHA-256", &digest::SHA256, sha256))
            }
            Self::File { sha384, .. } => Some(("SHA-384", &digest::SHA384, sha384)),
            Self::Charm { .. } | Self::AgentBinary { .. } | Self::OciImage { .. } => None,
        }
    }

    /// Returns what its bytes have to be, in words: what they hash to, an archive. Nothing where nobody can tell.
    pub fn proof(&self) -> Option<String> {
        let hash = self.algorithm().map(|(name, _, digest)| format!("{name} {digest}"));
        match self {
            Self::Charm { .. } => Some("charm".to_owned()),
            Self::AgentBinary { .. } => Some(hash.unwrap_or_else(|| "gzipped tar".to_owned())),
            Self::File { .. } | Self::OciImage { .. } => hash,
        }
    }

    /// Tells whether it can have so many bytes.
    ///
    /// Errors: [`NotWanted::Size`], [`NotWanted::TooLarge`].
    pub fn fits(&self, actual: u64) -> Result<(), NotWanted> {
        match self {
            Self::AgentBinary { bytes: expected, .. } if *expected != 0 && *expected != actual => {
                Err(NotWanted::Size { wanted: self.to_string(), actual, expected: *expected })
            }
            Self::File { bytes: expected, .. } if *expected != actual => {
                Err(NotWanted::Size { wanted: self.to_string(), actual, expected: *expected })
            }
            Self::OciImage { .. } if actual > OCI_DOCUMENT_BYTES_MAX => {
                Err(NotWanted::TooLarge { wanted: self.to_string(), actual })
            }
            _ => Ok(()),
        }
    }

    /// Wraps `source`, so that what is read from it can be proven afterwards.
    pub fn proving<R: Read>(&self, source: R) -> Proving<'_, R> {
        let hash = self.algorithm().map(|(_, algorithm, _)| digest::Context::new(algorithm));
        let shape = match self {
            Self::Charm { .. } => Shape::Zip(ZipEnds::default()),
            Self::AgentBinary { .. } => Shape::Tar(GzippedTar::default()),
            Self::File { .. } | Self::OciImage { .. } => Shape::Any,
        };
        Proving { wanted: self, source, hash, shape, bytes: 0 }
    }
}

/// What kind of file a binary is.
enum Shape {
    Zip(ZipEnds),
    Tar(GzippedTar),
    Any,
}

/// Reads a binary and counts and hashes what passes.
pub struct Proving<'a, R> {
    wanted: &'a Wanted,
    source: R,
    hash: Option<digest::Context>,
    shape: Shape,
    bytes: u64,
}

impl<R: Read> Read for Proving<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..count]);
        }
        match &mut self.shape {
            Shape::Zip(ends) => ends.update(&buffer[..count]),
            Shape::Tar(head) => head.update(&buffer[..count]),
            Shape::Any => {}
        }
        Ok(count)
    }
}

impl<R> Proving<'_, R> {
    /// Checks that what was read, to its end, is what the description names. Returns a warning about a charm whose SHA-256
    /// is not the one that the description has of the store's archive.
    ///
    /// Errors: [`NotWanted`].
    pub fn finish(self) -> Result<Option<String>, NotWanted> {
        let Self { wanted, hash, shape, bytes: actual, .. } = self;
        wanted.fits(actual)?;
        let fault = match (&shape, &hash) {
            (Shape::Zip(ends), _) => ends.fault(),
            // A hash that the description tells says more than the file's form.
            (Shape::Tar(head), None) => head.fault(),
            (Shape::Tar(_), Some(_)) if actual == 0 => Some("is empty"),
            (Shape::Tar(_), Some(_)) | (Shape::Any, _) => None,
        };
        if let Some(fault) = fault {
            return Err(NotWanted::NoArchive { wanted: wanted.to_string(), fault });
        }
        let (Some(hash), Some((algorithm, _, expected))) = (hash, wanted.algorithm()) else {
            return Ok(None);
        };
        let actual = hex(hash.finish().as_ref());
        if actual == expected {
            return Ok(None);
        }
        if let Wanted::Charm { .. } = wanted {
            return Ok(Some(format!(
                "{wanted} has SHA-256 {actual}, and the model description says that the store's archive has {expected}. \
                 Controllers of Juju repack a charm when its model migrates to them, so this is expected of a model that has \
                 migrated before; if it has not, compare the charm with the store's"
            )));
        }
        Err(NotWanted::Hash { wanted: wanted.to_string(), algorithm, actual, expected: expected.to_owned() })
    }
}

/// Returns `bytes` in hexadecimal, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
