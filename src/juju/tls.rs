//! TLS as Juju's controllers have it: a CA of their own, and a leaf whose names every client knows.
//!
//! Clients verify the name [`SERVER_NAME`] whatever address they dial, and trust the first certificate of the CA's PEM alone.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use ring::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;

/// The name that every client verifies.
pub const SERVER_NAME: &str = "juju-apiserver";
/// The CA's common name.
const CA_NAME: &str = "juju-ca";
/// Years for which certificates hold, as Juju's do. Nobody renews a controller's CA: agents never learn a new one.
const VALID_YEARS: i32 = 10;

/// Certificates or keys that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The text holds no certificate or key.
    #[error("the PEM text holds no usable {what}")]
    Pem {
        /// What was looked for.
        what: &'static str,
    },
    /// The CA's key is another's.
    #[error("the CA's key does not belong to its certificate")]
    OtherKey,
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// A certificate or key is refused.
    #[error("the certificate or key cannot be used: {0}")]
    Use(#[from] rustls::Error),
}

/// A controller's CA. The caller keeps both texts; the key with mode 0600.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The certificate, PEM: what clients and agents are given.
    pub cert_pem: String,
    /// The private key, PEM.
    pub key_pem: String,
}

/// A server's certificate and key. The caller keeps both texts; the key with mode 0600.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf and the CA, PEM. `juju login` takes the CA from the chain, to show its fingerprint.
    pub chain_pem: String,
    /// The leaf's private key, PEM.
    pub key_pem: String,
}

impl Authority {
    /// Makes a CA.
    pub fn make() -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = authority_params().self_signed(&key)?;
        Ok(Self { cert_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// Makes a leaf with the names of every controller, and with `names` and `addresses`.
    pub fn issue(&self, names: &[String], addresses: &[IpAddr]) -> Result<Leaf, TlsError> {
        let issuer = Issuer::new(authority_params(), self.key()?);
        let mut dns = vec![SERVER_NAME.to_owned(), "localhost".to_owned()];
        dns.extend(names.iter().filter(|name| *name != SERVER_NAME && *name != "localhost").cloned());
        let mut params = CertificateParams::new(dns)?;
        params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        params.distinguished_name.push(DnType::CommonName, "juju-server");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python 3.13 and later refuse a leaf without it.
        params.use_authority_key_identifier_extension = true;
        hold_for_years(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf { chain_pem: certificate.pem() + &self.cert_pem, key_pem: key.serialize_pem() })
    }

    /// Reads the key and proves that it is the certificate's.
    fn key(&self) -> Result<KeyPair, TlsError> {
        let key = KeyPair::from_pem(&self.key_pem)?;
        let certificate = first_certificate(&self.cert_pem)?;
        let anchor =
            webpki::anchor_from_trusted_cert(&certificate).map_err(|_| TlsError::Pem { what: "CA certificate" })?;
        use rcgen::PublicKeyData;
        let ours = key.subject_public_key_info().ends_with(&anchor.subject_public_key_info);
        if ours { Ok(key) } else { Err(TlsError::OtherKey) }
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    hold_for_years(&mut params);
    params
}

/// From the last year on, so that a client whose clock is behind takes it.
fn hold_for_years(params: &mut CertificateParams) {
    let year = i32::from(Timestamp::now().to_zoned(TimeZone::UTC).year());
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + VALID_YEARS, 12, 31);
}

/// Writes a certificate as PEM.
pub fn pem_of(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: String = lines.flat_map(|line| [line, "\n".into()]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

/// Returns PEM without the header lines that Juju's own blocks can have.
pub(super) fn without_headers(pem: &str) -> String {
    pem.lines().filter(|line| !line.contains(": ")).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the first certificate of `pem`: Juju looks at no other.
pub fn first_certificate(pem: &str) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(without_headers(pem).as_bytes()).map_err(|_| TlsError::Pem { what: "certificate" })
}

/// Returns the last certificate of a chain, as PEM: the CA's, where whoever signed has put it behind.
pub fn last_certificate(chain_pem: &str) -> Result<String, TlsError> {
    let unusable = || TlsError::Pem { what: "certificate" };
    let last = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).last().ok_or_else(unusable)?;
    Ok(pem_of(&last.map_err(|_| unusable())?))
}

/// Returns the fingerprint of the first certificate of `pem` as Juju prints it: SHA-256, `AB:CD:…`.
pub fn fingerprint(pem: &str) -> Result<String, TlsError> {
    let hash = digest::digest(&digest::SHA256, &first_certificate(pem)?);
    Ok(hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
}

/// Makes a server's configuration: TLS 1.2 or later, HTTP/1.1.
pub fn server_config(leaf: &Leaf) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Pem { what: "certificate" })?;
    let key =
        PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).map_err(|_| TlsError::Pem { what: "private key" })?;
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(HostClock))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A ticket costs a signature at each end and saves little on connections that stay open.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Makes a client's configuration that trusts the first certificate of `ca_pem` and nothing else.
pub fn client_config(ca_pem: &str) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(first_certificate(ca_pem)?)?;
    let config = ClientConfig::builder_with_details(provider(), Arc::new(HostClock))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The host's clock. One before 1970 is an error of the handshake, and no panic as with the library's own.
#[derive(Debug)]
struct HostClock;

impl TimeProvider for HostClock {
    fn current_time(&self) -> Option<UnixTime> {
        unix_time(SystemTime::now())
    }
}

/// Returns a moment as certificates have it, or nothing for one before 1970.
fn unix_time(moment: SystemTime) -> Option<UnixTime> {
    moment.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    fn verifies(ca_pem: &str, leaf: &Leaf, name: &str) -> bool {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
        let anchor_der = first_certificate(ca_pem).unwrap();
        let anchors = [webpki::anchor_from_trusted_cert(&anchor_der).unwrap()];
        let leaf = webpki::EndEntityCert::try_from(&chain[0]).unwrap();
        let usage = webpki::KeyUsage::server_auth();
        let algorithms = webpki::ALL_VERIFICATION_ALGS;
        let chains = leaf.verify_for_usage(algorithms, &anchors, &chain[1..], UnixTime::now(), usage, None, None);
        chains.is_ok() && leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).is_ok()
    }

    #[test]
    fn a_leaf_has_the_names_of_every_controller_and_those_that_were_asked_for() {
        let authority = Authority::make().unwrap();
        let leaf = authority.issue(&["juju.example".to_owned()], &["10.0.0.7".parse().unwrap()]).unwrap();
        for name in ["juju-apiserver", "localhost", "juju.example", "10.0.0.7"] {
            assert!(verifies(&authority.cert_pem, &leaf, name), "{name}");
        }
        assert!(!verifies(&authority.cert_pem, &leaf, "elsewhere.example"));
        assert!(!verifies(&Authority::make().unwrap().cert_pem, &leaf, "localhost"));
        assert!(leaf.chain_pem.ends_with(&authority.cert_pem), "the CA is in the chain");
        server_config(&leaf).unwrap();
        client_config(&authority.cert_pem).unwrap();
    }

    #[test]
    fn a_fingerprint_looks_as_juju_prints_it() {
        let authority = Authority::make().unwrap();
        let printed = fingerprint(&authority.cert_pem).unwrap();
        assert_eq!(printed.len(), 32 * 3 - 1);
        assert!(printed.split(':').all(|pair| pair.len() == 2 && u8::from_str_radix(pair, 16).is_ok()));
        assert_eq!(printed, printed.to_uppercase());
        let with_another_behind = authority.cert_pem.clone() + &Authority::make().unwrap().cert_pem;
        assert_eq!(fingerprint(&with_another_behind).unwrap(), printed);
    }

    #[test]
    fn a_pem_block_with_header_lines_is_read() {
        let plain = Authority::make().unwrap().cert_pem;
        let with_header = plain.replacen("CERTIFICATE-----", "CERTIFICATE-----\nGroup: controller\n", 1);
        assert_ne!(with_header, plain);
        assert_eq!(first_certificate(&with_header).unwrap(), first_certificate(&plain).unwrap());
    }

    #[test]
    fn the_key_of_another_ca_issues_nothing() {
        let mut authority = Authority::make().unwrap();
        authority.key_pem = Authority::make().unwrap().key_pem;
        assert!(matches!(authority.issue(&[], &[]), Err(TlsError::OtherKey)));
        assert!(matches!(fingerprint("no certificate"), Err(TlsError::Pem { .. })));
    }

    #[test]
    fn a_clock_before_1970_is_no_time_and_no_panic() {
        let day = Duration::from_secs(86_400);
        assert_eq!(unix_time(SystemTime::UNIX_EPOCH - day), None);
        assert_eq!(unix_time(SystemTime::UNIX_EPOCH + day), Some(UnixTime::since_unix_epoch(day)));
    }
}
