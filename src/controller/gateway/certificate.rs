//! The certificate that the gateway shows.
//!
//! Best is one that the destination's CA has signed, as agents and consumers keep the CA that they were given. Without it the
//! gateway makes a CA of its own: agents from 3.6.9 on and masters take that, as they are sent on with the destination's CA; older
//! agents, and consumers of offers in other controllers, would be left with a CA that is nobody's.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::read_text;
use crate::disk::Disk;
use crate::juju::csr::days_left;
use crate::juju::tls::{Authority, Leaf, TlsError};

/// The certificate of the gateway's own CA, PEM.
const CA_CERT: &str = "ca.pem";
/// Its private key and the certificate once more, PEM.
const CA_KEY: &str = "ca-key.pem";
const CERTIFICATE_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the key.
    #[error("{0} can be read by others; type `chmod 0600 {0}`")]
    Exposed(PathBuf),
    /// What a file holds cannot be used.
    #[error("{path}: {source}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// The destination's clients would not take it.
    #[error(
        "{0} is not signed by the destination's CA, or has expired; type `modelferry gateway csr --key FILE` \
         here, and `sudo modelferry gateway sign FILE` on a machine of the destination controller"
    )]
    Untrusted(PathBuf),
    /// One of the two files of the gateway's own CA is missing.
    #[error(
        "{missing} is missing, but {present} is there: it belongs to the CA by which source controllers and their agents \
         know this gateway. Put {missing} back from a backup. If no migration uses this gateway, type `sudo rm {command}` \
         instead: the agent then makes a new CA when it starts"
    )]
    Incomplete {
        /// The file that is missing.
        missing: PathBuf,
        /// The file that is left.
        present: PathBuf,
        /// The file that is left, as a shell reads it.
        command: String,
    },
}

/// What a server shows, and the CA that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Certificate, CA and key.
    pub leaf: Leaf,
    /// The CA, PEM: `ca-cert` of the `target-info`.
    pub ca_cert: String,
    /// For how many days it holds, if the destination's CA has signed it; none for one of ours.
    pub days_left: Option<u64>,
}

impl Certificate {
    /// Reads the certificate that `modelferry gateway sign` has printed, and its key. `destination_ca`: PEM. `now_s`: Unix seconds.
    ///
    /// Errors: [`CertificateError`].
    pub fn given(chain: &Path, key: &Path, destination_ca: &str, now_s: u64) -> Result<Self, CertificateError> {
        let read =
            |path: &Path| read_text(path).map_err(|source| CertificateError::Io { path: path.to_owned(), source });
        let metadata = fs::metadata(key);
        let mode = metadata.map_err(|source| CertificateError::Io { path: key.to_owned(), source })?.mode();
        if mode & 0o077 != 0 {
            return Err(CertificateError::Exposed(key.to_owned()));
        }
        let leaf = Leaf { chain_pem: read(chain)?, key_pem: read(key)? };
        let unusable = |source| CertificateError::Unusable { path: chain.to_owned(), source };
        // A key that is not the certificate's is refused here.
        crate::juju::tls::server_config(&leaf).map_err(unusable)?;
        let days = days_left(&leaf.chain_pem, destination_ca, now_s).map_err(unusable)?;
        let days = days.ok_or_else(|| CertificateError::Untrusted(chain.to_owned()))?;
        Ok(Self { leaf, ca_cert: destination_ca.to_owned(), days_left: Some(days) })
    }

    /// Makes a certificate by the gateway's own CA in `dir`, which is made once and stays: a source keeps it for as long as the
    /// migration runs. `hosts`: names and addresses that the certificate is for, besides the one that clients of Juju verify.
    ///
    /// Errors: [`CertificateError::Io`], [`CertificateError::Unusable`], [`CertificateError::Incomplete`].
    pub fn own(dir: &Path, disk: &Disk, hosts: &[String]) -> Result<Self, CertificateError> {
        let authority = own_authority(dir, disk)?;
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => names.push(host.clone()),
            }
        }
        let unusable = |source| CertificateError::Unusable { path: dir.join(CA_CERT), source };
        let leaf = authority.issue(&names, &addresses).map_err(unusable)?;
        Ok(Self { leaf, ca_cert: authority.cert_pem, days_left: None })
    }
}

/// Reads the gateway's own CA, or makes it if neither of its files is there.
///
/// The file of the key holds the certificate as well, and is written first: one atomic write makes the CA, and the
/// certificate's own file is written again from it, byte for byte, if it is missing.
fn own_authority(dir: &Path, disk: &Disk) -> Result<Authority, CertificateError> {
    let (cert_path, key_path) = (dir.join(CA_CERT), dir.join(CA_KEY));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Io { path, source }
    };
    let incomplete = |missing: &Path, present: &Path| {
        let command = crate::disk::quoted(present);
        CertificateError::Incomplete { missing: missing.to_owned(), present: present.to_owned(), command }
    };
    match (found(&cert_path).map_err(failed(&cert_path))?, found(&key_path).map_err(failed(&key_path))?) {
        (Some(cert_pem), Some(key_pem)) => Ok(Authority { cert_pem, key_pem }),
        (Some(_), None) => Err(incomplete(&key_path, &cert_path)),
        (None, Some(key_pem)) => {
            // Agents before this one have written the key alone.
            let begin = key_pem.find(CERTIFICATE_BEGIN).ok_or_else(|| incomplete(&cert_path, &key_path))?;
            let cert_pem = key_pem[begin..].to_owned();
            disk.replace(&cert_path, cert_pem.as_bytes()).map_err(failed(&cert_path))?;
            Ok(Authority { cert_pem, key_pem })
        }
        (None, None) => {
            let made =
                Authority::make().map_err(|source| CertificateError::Unusable { path: cert_path.clone(), source })?;
            disk.create_dir(dir).map_err(failed(dir))?;
            let both = made.key_pem.clone() + &made.cert_pem;
            disk.replace(&key_path, both.as_bytes()).map_err(failed(&key_path))?;
            disk.replace(&cert_path, made.cert_pem.as_bytes()).map_err(failed(&cert_path))?;
            Ok(made)
        }
    }
}

/// Reads a file that may be missing.
fn found(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::juju::csr::{VALID_DAYS, ask, sign};

    const NOW: u64 = 1_790_000_000;
    const DAY: u64 = 86_400;

    #[test]
    fn a_certificate_of_the_destinations_ca_is_shown_until_it_expires_and_another_never() {
        let dir = tempfile::TempDir::new().unwrap();
        let (chain, key) = (dir.path().join("gateway.pem"), dir.path().join("gateway.key"));
        let (destination, other) = (Authority::make().unwrap(), Authority::make().unwrap());
        let asked = ask().unwrap();
        let signed = sign(&asked.request_pem, &destination.cert_pem, &destination.key_pem, NOW).unwrap();
        fs::write(&chain, signed).unwrap();
        fs::write(&key, &asked.key_pem).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let given = |ca: &str, now| Certificate::given(&chain, &key, ca, now);
        assert!(matches!(given(&destination.cert_pem, NOW), Err(CertificateError::Exposed(_))));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(given(&destination.cert_pem, NOW).unwrap().days_left, Some(VALID_DAYS));
        let later = NOW + (VALID_DAYS + 1) * DAY;
        for refused in [given(&destination.cert_pem, later), given(&other.cert_pem, NOW)] {
            assert!(refused.unwrap_err().to_string().contains("gateway sign"));
        }
        fs::write(&key, ask().unwrap().key_pem).unwrap();
        assert!(matches!(given(&destination.cert_pem, NOW), Err(CertificateError::Unusable { .. })), "another's key");
    }

    #[test]
    fn the_gateways_own_ca_is_made_once() {
        let dir = tempfile::TempDir::new().unwrap();
        let own = || Certificate::own(&dir.path().join("gateway"), &Disk::real(), &[]).unwrap();
        let first = own();
        assert_eq!(own().ca_cert, first.ca_cert, "a source that has it goes on trusting this gateway after a restart");
        assert_eq!(first.days_left, None);
        let key = fs::metadata(dir.path().join("gateway/ca-key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_missing_certificate_of_the_gateways_own_ca_is_written_again_byte_for_byte() {
        let dir = tempfile::TempDir::new().unwrap();
        let own = || Certificate::own(dir.path(), &Disk::real(), &[]).unwrap();
        let first = own();
        fs::remove_file(dir.path().join(CA_CERT)).unwrap();
        let second = own();
        assert_eq!(second.ca_cert, first.ca_cert);
        assert_eq!(fs::read_to_string(dir.path().join(CA_CERT)).unwrap(), first.ca_cert);
        crate::juju::tls::server_config(&second.leaf).unwrap();
    }

    #[test]
    fn a_ca_of_which_half_is_missing_is_never_replaced_and_the_operator_learns_what_to_type() {
        let dir = tempfile::TempDir::new().unwrap();
        let (cert, key) = (dir.path().join(CA_CERT), dir.path().join(CA_KEY));
        let own = || Certificate::own(dir.path(), &Disk::real(), &[]);
        let made = Authority::make().unwrap();
        // An agent before this one has made the CA: the key's file has the key alone.
        fs::write(&key, &made.key_pem).unwrap();
        let refused = own().unwrap_err();
        assert!(matches!(&refused, CertificateError::Incomplete { missing, .. } if *missing == cert), "{refused}");
        assert!(refused.to_string().contains(&format!("sudo rm {}", key.display())), "{refused}");
        fs::write(&cert, &made.cert_pem).unwrap();
        assert_eq!(own().unwrap().ca_cert, made.cert_pem);
        fs::remove_file(&key).unwrap();
        let refused = own().unwrap_err();
        assert!(matches!(&refused, CertificateError::Incomplete { missing, .. } if *missing == key), "{refused}");
        assert_eq!(fs::read_to_string(&cert).unwrap(), made.cert_pem);
        fs::remove_file(&cert).unwrap();
        assert_ne!(own().unwrap().ca_cert, made.cert_pem, "with both removed a new CA is made");
    }
}
