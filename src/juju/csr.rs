//! A certificate that a controller's CA signs for another server: the request, and the signature.
//!
//! The key never leaves the host that asks, and the CA's key never leaves the controller's machine.

use std::time::Duration;

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, ServerName, UnixTime};

use super::tls::{SERVER_NAME, TlsError, first_certificate, pem_of, without_headers};

/// Days for which a signed certificate holds.
pub const VALID_DAYS: u64 = 30;
/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;
/// The request's and the certificate's common name.
const NAME: &str = "modelferry-gateway";

/// A key, and the request to certify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request, PEM: it is no secret.
    pub request_pem: String,
    /// The private key, PEM. The caller keeps it with mode 0600.
    pub key_pem: String,
}

/// Makes a key and the request to certify it.
pub fn ask() -> Result<Asked, TlsError> {
    let key = KeyPair::generate()?;
    let request_pem = request(&key)?;
    Ok(Asked { request_pem, key_pem: key.serialize_pem() })
}

/// Makes the request to certify a key that is there already.
pub fn ask_again(key_pem: &str) -> Result<String, TlsError> {
    request(&KeyPair::from_pem(key_pem)?)
}

fn request(key: &KeyPair) -> Result<String, TlsError> {
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, NAME);
    Ok(params.serialize_request(key)?.pem()?)
}

/// Signs a request with a controller's CA, for [`VALID_DAYS`] from `now_s`, Unix seconds, and returns the chain, PEM: the certificate and the CA.
///
/// Only the key is taken from the request: the certificate has the name that every client of a controller verifies, is for
/// servers, and is no CA, whatever was asked for.
/// Errors: [`TlsError::Pem`]; [`TlsError::OtherKey`] if the CA's key does not belong to its certificate; [`TlsError::Make`] for a
/// request that does not prove that its sender has the key.
pub fn sign(request_pem: &str, ca_cert_pem: &str, ca_key_pem: &str, now_s: u64) -> Result<String, TlsError> {
    let asked = CertificateSigningRequestParams::from_pem(request_pem)?;
    let ca = first_certificate(ca_cert_pem)?;
    let key = ca_key(ca_key_pem)?;
    if !belongs(&key, &ca)? {
        return Err(TlsError::OtherKey);
    }
    let issuer = Issuer::from_ca_cert_der(&ca, key)?;
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned(), "localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A day of grace for a client whose clock is behind.
    let begin = date_time_ymd(1970, 1, 1);
    params.not_before = begin + Duration::from_secs(now_s.saturating_sub(DAY_SECONDS));
    params.not_after = begin + Duration::from_secs(now_s + VALID_DAYS * DAY_SECONDS);
    let certificate = params.signed_by(&asked.public_key, &issuer)?;
    Ok(certificate.pem() + &pem_of(&ca))
}

fn belongs(key: &KeyPair, ca: &rustls::pki_types::CertificateDer<'_>) -> Result<bool, TlsError> {
    use rcgen::PublicKeyData;
    let anchor = webpki::anchor_from_trusted_cert(ca).map_err(|_| TlsError::Pem { what: "CA certificate" })?;
    Ok(key.subject_public_key_info().ends_with(&anchor.subject_public_key_info))
}

/// Returns for how many days from `now_s`, Unix seconds, a client that trusts `ca_pem` alone takes the first certificate of a chain
/// for a controller's; none if it does not take it now. At most [`VALID_DAYS`] are looked at.
///
/// Errors: [`TlsError::Pem`].
pub fn days_left(chain_pem: &str, ca_pem: &str, now_s: u64) -> Result<Option<u64>, TlsError> {
    let unusable = |_| TlsError::Pem { what: "certificate" };
    let certificate = first_certificate(chain_pem)?;
    let leaf = webpki::EndEntityCert::try_from(&certificate).map_err(unusable)?;
    let name = ServerName::try_from(SERVER_NAME).expect("the name is a DNS name");
    let ca = first_certificate(ca_pem)?;
    let anchors = [webpki::anchor_from_trusted_cert(&ca).map_err(unusable)?];
    let holds = |days: u64| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(now_s + days * DAY_SECONDS));
        let (usage, all) = (webpki::KeyUsage::server_auth(), webpki::ALL_VERIFICATION_ALGS);
        leaf.verify_for_usage(all, &anchors, &[], at, usage, None, None).is_ok()
    };
    let named = leaf.verify_is_valid_for_subject_name(&name).is_ok();
    Ok((0..=VALID_DAYS).take_while(|days| named && holds(*days)).last())
}

/// Reads a CA's private key in either form that controllers of Juju keep it in.
fn ca_key(pem: &str) -> Result<KeyPair, TlsError> {
    let read = PrivateKeyDer::from_pem_slice(without_headers(pem).as_bytes())
        .map_err(|_| TlsError::Pem { what: "private key" })?;
    let key = match read {
        PrivateKeyDer::Pkcs1(key) => PrivateKeyDer::Pkcs8(pkcs8(&key).into()),
        other => other,
    };
    Ok(KeyPair::try_from(&key)?)
}

/// Wraps an RSA key in the envelope that names its algorithm (RFC 5208), which is all that the library reads.
fn pkcs8(key: &PrivatePkcs1KeyDer<'_>) -> Vec<u8> {
    /// `rsaEncryption`, without parameters.
    const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let version = [0x02, 0x01, 0x00];
    let inner = [&version[..], &RSA, &element(0x04, key.secret_pkcs1_der())].concat();
    element(0x30, &inner)
}

/// Writes a DER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let count = content.len();
    let length = match count {
        0..=0x7f => vec![u8::try_from(count).unwrap_or(0)],
        _ => {
            let digits: Vec<u8> = count.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            [&[0x80 | u8::try_from(digits.len()).unwrap_or(0)][..], &digits].concat()
        }
    };
    [&[tag][..], &length, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::juju::tls::{Authority, Leaf, server_config};

    /// An RSA CA, as controllers have them, in the form of older ones: made by `openssl req -x509` for this test alone.
    const RSA_CA: &str = include_str!("testdata/rsa-ca.pem");
    const RSA_KEY: &str = include_str!("testdata/rsa-ca-key.pem");

    #[test]
    fn a_signed_request_is_a_controllers_certificate_for_thirty_days() {
        let now = UnixTime::now().as_secs();
        let asked = ask().unwrap();
        let ours = Authority::make().unwrap();
        for (cert, key) in [(ours.cert_pem.as_str(), ours.key_pem.as_str()), (RSA_CA, RSA_KEY)] {
            let chain_pem = sign(&asked.request_pem, cert, key, now).unwrap();
            assert_eq!(days_left(&chain_pem, cert, now).unwrap(), Some(VALID_DAYS));
            assert_eq!(days_left(&chain_pem, cert, now + 10 * DAY_SECONDS).unwrap(), Some(VALID_DAYS - 10));
            assert_eq!(days_left(&chain_pem, cert, now + (VALID_DAYS + 1) * DAY_SECONDS).unwrap(), None);
            let other = Authority::make().unwrap().cert_pem;
            assert_eq!(days_left(&chain_pem, &other, now).unwrap(), None, "another controller's CA");
            assert_eq!(days_left(cert, cert, now).unwrap(), None, "the CA's own certificate is no controller's");
            server_config(&Leaf { chain_pem, key_pem: asked.key_pem.clone() }).unwrap();
        }
    }

    #[test]
    fn a_request_that_was_changed_and_a_key_of_another_ca_sign_nothing() {
        let now = UnixTime::now().as_secs();
        let (asked, ours, other) = (ask().unwrap(), Authority::make().unwrap(), Authority::make().unwrap());
        assert!(matches!(sign(&asked.request_pem, &ours.cert_pem, &other.key_pem, now), Err(TlsError::OtherKey)));
        for bad in ["", "nonsense", &ours.cert_pem] {
            assert!(sign(bad, &ours.cert_pem, &ours.key_pem, now).is_err());
        }
        let again = ask_again(&asked.key_pem).unwrap();
        assert!(sign(&again, &ours.cert_pem, &ours.key_pem, now).is_ok());
    }
}
