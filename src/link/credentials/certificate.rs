//! Reads the Ed25519 public key of a certificate. The link trusts nothing else in it.
//!
//! Names, issuers and validity dates carry no trust. The key identifies a peer and is pinned at pairing, so a wrong
//! clock cannot lock two agents out of each other.

use modelferry_protocol::ids::Pin;
use modelferry_protocol::proof::ED25519_SPKI_BEGIN;
use ring::{digest, signature};
use rustls::pki_types::CertificateDer;

/// Bytes of an Ed25519 public key.
const ED25519_KEY_BYTES: usize = 32;

/// A certificate that cannot identify an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It does not parse.
    #[error("the certificate does not parse")]
    Malformed,
    /// Its key is not Ed25519.
    #[error("the certificate's key is not Ed25519")]
    NotEd25519,
    /// The peer presented no certificate, or a chain of several.
    #[error("{0} certificates were presented, an agent presents exactly one")]
    Count(usize),
}

/// Returns the SubjectPublicKeyInfo of a certificate with an Ed25519 key.
///
/// Errors: [`CertificateError`].
pub(in crate::link) fn spki_of(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, CertificateError> {
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Malformed)?;
    let spki = parsed.subject_public_key_info().to_vec();
    ed25519_key(&spki).ok_or(CertificateError::NotEd25519)?;
    Ok(spki)
}

/// Returns the SubjectPublicKeyInfo of a chain of exactly one certificate.
///
/// Errors: [`CertificateError`].
pub(in crate::link) fn spki_of_chain(chain: &[CertificateDer<'_>]) -> Result<Vec<u8>, CertificateError> {
    match chain {
        [certificate] => spki_of(certificate),
        other => Err(CertificateError::Count(other.len())),
    }
}

/// Returns the pin of a public key: SHA-256 of its SubjectPublicKeyInfo.
pub fn pin_of(spki: &[u8]) -> Pin {
    let digest = digest::digest(&digest::SHA256, spki);
    Pin(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// Reports whether the Ed25519 key in `spki` made `signature` over `bytes`.
pub fn verify_signature(spki: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    ed25519_key(spki)
        .is_some_and(|key| signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(bytes, signature).is_ok())
}

fn ed25519_key(spki: &[u8]) -> Option<&[u8]> {
    spki.strip_prefix(&ED25519_SPKI_BEGIN).filter(|key| key.len() == ED25519_KEY_BYTES)
}

/// Returns the SubjectPublicKeyInfo of an Ed25519 public key.
pub(super) fn spki_of_key(key: &[u8]) -> Vec<u8> {
    [&ED25519_SPKI_BEGIN[..], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};

    fn certificate(key: &KeyPair) -> CertificateDer<'static> {
        CertificateParams::new(vec!["test".to_owned()]).unwrap().self_signed(key).unwrap().der().clone()
    }

    #[test]
    fn the_pin_covers_the_whole_public_key_info() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let spki = spki_of(&certificate(&key)).unwrap();
        assert_eq!(spki, key.subject_public_key_info());
        assert_eq!(spki, spki_of_key(key.public_key_raw()));
        assert_ne!(pin_of(&spki), pin_of(key.public_key_raw()));
    }

    #[test]
    fn a_key_of_another_kind_identifies_no_agent() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(spki_of(&certificate(&key)), Err(CertificateError::NotEd25519));
    }

    #[test]
    fn a_chain_or_no_certificate_at_all_identifies_no_agent() {
        let one = certificate(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
        assert_eq!(spki_of_chain(&[one.clone(), one]), Err(CertificateError::Count(2)));
        assert_eq!(spki_of_chain(&[]), Err(CertificateError::Count(0)));
        assert_eq!(spki_of_chain(&[CertificateDer::from(vec![0x30, 0x00])]), Err(CertificateError::Malformed));
    }
}
