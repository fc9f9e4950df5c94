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
    /// Errors: [`CertificateError::Io`], [`CertificateError::Unusable`].
    pub fn own(dir: &Path, disk: &Disk, hosts: &[String]) -> Result<Self, CertificateError> {
        let (cert_path, key_path) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CertificateError::Io { path, source }
        };
        let unusable = |source| CertificateError::Unusable { path: cert_path.clone(), source };
        let authority = match fs::read_to_string(&cert_path) {
            Ok(cert_pem) => {
                let key_pem = fs::read_to_string(&key_path).map_err(failed(&key_path))?;
                Authority { cert_pem, key_pem }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Authority::make().map_err(unusable)?;
                disk.create_dir(dir).map_err(failed(dir))?;
                // The certificate is last: without it the key counts for nothing, and is made again.
                disk.replace(&key_path, made.key_pem.as_bytes()).map_err(failed(&key_path))?;
                disk.replace(&cert_path, made.cert_pem.as_bytes()).map_err(failed(&cert_path))?;
                made
            }
            Err(error) => return Err(failed(&cert_path)(error)),
        };
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => names.push(host.clone()),
            }
        }
        let leaf = authority.issue(&names, &addresses).map_err(unusable)?;
        Ok(Self { leaf, ca_cert: authority.cert_pem, days_left: None })
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
}
