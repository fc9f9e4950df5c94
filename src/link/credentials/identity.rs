//! This agent's identity: an Ed25519 key and a certificate for it, created at the first start.
//!
//! Only the owner may read the key file. Any other state of the file ends the start, as ssh does: another user may have
//! copied a readable key, and nobody would notice.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustix::fs::{Mode, OFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::certificate::{pin_of, spki_of, spki_of_key};
use crate::disk::Disk;

/// Directory below the state directory.
const FOLDER: &str = "identity";
/// Maximum size of a key or certificate file. Real ones have a few hundred bytes.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// An unusable key or certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Users other than the owner may read the key.
    #[error(
        "{path} has mode {mode:04o}, so others can use this agent's key; if nobody has, type `chmod 0600 {path}`, else remove it and pair again"
    )]
    Mode {
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key belongs to another user.
    #[error(
        "{path} belongs to user {owner}, the agent runs as {user}; type `chown {user} {path} && chmod 0600 {path}`"
    )]
    Owner {
        path: PathBuf,
        /// The file's owner, a user id.
        owner: u32,
        /// The agent's user id.
        user: u32,
    },
    /// The key file is a symbolic link, has several hard links, or is not a regular file.
    #[error("{path} is {what}; put the key itself there, as a file of its own, and type `chmod 0600 {path}`")]
    NotPlain {
        path: PathBuf,
        /// What the file is instead.
        what: &'static str,
    },
    /// The file is truncated or has a foreign format.
    #[error(
        "{path} is not {expected}; restore it from a backup, or move {folder} away to start over with a new key (every peer must then be paired again)"
    )]
    Malformed {
        path: PathBuf,
        /// What it should contain.
        expected: &'static str,
        /// The directory of the key and the certificate.
        folder: PathBuf,
    },
    /// There is a certificate and no key for it.
    #[error(
        "{path} is missing, and its certificate is there; restore it from a backup of this host, or move {folder} away to start over \
         with a new key (every peer must then be paired again)"
    )]
    KeyMissing {
        path: PathBuf,
        /// The directory of the key and the certificate.
        folder: PathBuf,
    },
    /// The certificate belongs to another key.
    #[error(
        "{path} does not belong to the key in the same directory, so one of the two was replaced; restore both from a backup of this \
         host. Only if the key is the one that the peers have paired with, move {path} away: the next start makes a new one"
    )]
    Foreign { path: PathBuf },
    /// An I/O error of the file system.
    #[error("cannot use {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl IdentityError {
    /// Reports whether an operator must act before another start can succeed.
    pub fn is_config(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }
}

pub struct Identity {
    key: Ed25519KeyPair,
    key_der: PrivatePkcs8KeyDer<'static>,
    certificate: CertificateDer<'static>,
    spki: Vec<u8>,
    pin: Pin,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keep the private key out of every log.
        f.debug_struct("Identity").field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl Identity {
    /// Loads the key and the certificate from `identity/` in `state_dir`. Creates both if neither exists.
    ///
    /// Peers pin the key, so a lost key is never replaced while its certificate shows that there was one. A lost
    /// certificate is created again from the key, which changes nothing for peers: a first start that is killed after the
    /// key was written leaves the same state.
    ///
    /// Errors: [`IdentityError`].
    pub fn load_or_create(state_dir: &Path, disk: &Disk) -> Result<Self, IdentityError> {
        let folder = state_dir.join(FOLDER);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        disk.create_dir(&folder).map_err(failed(&folder))?;
        let (key_path, cert_path) = (folder.join("key.pem"), folder.join("cert.pem"));
        let key_pem = match read_key(&key_path)? {
            Some(pem) => pem,
            // Also a dangling link counts: an operator put it there.
            None if cert_path.symlink_metadata().is_ok() => {
                return Err(IdentityError::KeyMissing { path: key_path, folder });
            }
            None => {
                let pem =
                    KeyPair::generate_for(&PKCS_ED25519).map_err(|error| random(&key_path, error))?.serialize_pem();
                disk.replace(&key_path, pem.as_bytes()).map_err(failed(&key_path))?;
                pem.into_bytes()
            }
        };
        let malformed = |path: &Path, expected| {
            let (path, folder) = (path.to_owned(), folder.clone());
            move || IdentityError::Malformed { path, expected, folder }
        };
        let not_a_key = malformed(&key_path, "an Ed25519 private key in PEM (PKCS #8)");
        let key_der = PrivatePkcs8KeyDer::from_pem_slice(&key_pem).ok();
        let parsed = key_der.and_then(|der| {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).ok()?;
            let signer = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).ok()?;
            Some((der.clone_key(), key, signer))
        });
        let (key_der, key, signer) = parsed.ok_or_else(not_a_key)?;

        let cert_pem = match read_at_most(&cert_path, OFlags::empty()) {
            Ok((_, pem)) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = CertificateParams::new(vec!["modelferry".to_owned()])
                    .and_then(|params| params.self_signed(&signer))
                    .map_err(|error| random(&cert_path, error))?
                    .pem();
                disk.replace(&cert_path, pem.as_bytes()).map_err(failed(&cert_path))?;
                pem.into_bytes()
            }
            Err(error) => return Err(failed(&cert_path)(error)),
        };
        let certificate = CertificateDer::from_pem_slice(&cert_pem).ok();
        let certificate = certificate.ok_or_else(malformed(&cert_path, "a certificate in PEM"))?;
        let spki = spki_of_key(key.public_key().as_ref());
        match spki_of(&certificate) {
            Ok(found) if found == spki => {}
            Ok(_) => return Err(IdentityError::Foreign { path: cert_path }),
            Err(_) => return Err(malformed(&cert_path, "an Ed25519 certificate")()),
        }
        Ok(Self { pin: pin_of(&spki), key, key_der, certificate, spki })
    }

    /// Returns this agent's pin: SHA-256 of the SubjectPublicKeyInfo.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Returns the SubjectPublicKeyInfo, for [`crate::link::verify_signature`].
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the Ed25519 public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes")
    }

    /// Signs `bytes` with Ed25519.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    /// Returns the key and the certificate for TLS.
    pub(in crate::link) fn certified_key(&self) -> Arc<rustls::sign::CertifiedKey> {
        let key = rustls::crypto::ring::sign::any_eddsa_type(&self.key_der).expect("the key was parsed before");
        Arc::new(rustls::sign::CertifiedKey::new(vec![self.certificate.clone()], key))
    }

    /// Derives a secret for `purpose`. It is the same at every start.
    pub(in crate::link) fn secret_for(&self, purpose: &[u8]) -> [u8; 32] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.key_der.secret_pkcs8_der());
        let tag = ring::hmac::sign(&key, purpose);
        tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }
}

fn random(path: &Path, error: rcgen::Error) -> IdentityError {
    IdentityError::Io { path: path.to_owned(), source: io::Error::other(error) }
}

/// Reads the key file, if it exists. Errors unless only its owner can access it.
fn read_key(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    let path_owned = || path.to_owned();
    let (metadata, bytes) = match read_at_most(path, OFlags::NOFOLLOW) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(IdentityError::NotPlain { path: path_owned(), what: "a symbolic link" });
        }
        Err(source) => return Err(IdentityError::Io { path: path_owned(), source }),
    };
    let user = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(IdentityError::NotPlain { path: path_owned(), what: "no regular file" });
    }
    if metadata.uid() != user {
        return Err(IdentityError::Owner { path: path_owned(), owner: metadata.uid(), user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Mode { path: path_owned(), mode });
    }
    if metadata.nlink() != 1 {
        return Err(IdentityError::NotPlain { path: path_owned(), what: "a file with a second name (a hard link)" });
    }
    Ok(Some(bytes))
}

/// Reads a small file. Checks and reads go through one descriptor, so that the file cannot be exchanged in between.
fn read_at_most(path: &Path, flags: OFlags) -> io::Result<(Metadata, Vec<u8>)> {
    // NONBLOCK: a named pipe in place of the file must not block the start.
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if metadata.is_file() {
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok((metadata, bytes))
}
