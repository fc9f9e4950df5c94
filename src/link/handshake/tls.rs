//! TLS between agents: version 1.3, one Ed25519 certificate on each side, pins instead of certificate authorities.
//!
//! Early data and session tickets are off. Every connection proves both keys anew, so an unpairing takes effect at the
//! next handshake. Validity dates are ignored, see [`crate::link::credentials::certificate`].

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::{ALPN_LINK, ALPN_PAIR};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, PeerIncompatible, SignatureScheme};

use super::admission::{Admission, PairingAsked};
use crate::link::credentials::certificate::{pin_of, spki_of};

/// The only signature algorithm that agents use.
const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519])],
};

/// A fixed time for TLS. Validity dates are ignored, and a host with a clock before 1970 must not panic.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}

/// Builds TLS configurations for one identity.
#[derive(Debug, Clone)]
pub(in crate::link) struct Tls {
    key: Arc<CertifiedKey>,
    admission: Arc<Admission>,
    provider: Arc<CryptoProvider>,
}

impl Tls {
    /// `key`: this agent's identity. `admission`: decides which keys to accept.
    pub fn new(key: Arc<CertifiedKey>, admission: Arc<Admission>) -> Self {
        Self { key, admission, provider: Arc::new(rustls::crypto::ring::default_provider()) }
    }

    /// Builds the configuration for accepting pinned keys, and with `asked` a stranger that asks to pair, which it notes.
    pub fn server(&self, asked: Option<Arc<PairingAsked>>) -> Arc<QuicServerConfig> {
        let mut alpn = vec![ALPN_LINK.to_vec()];
        alpn.extend(asked.is_some().then(|| ALPN_PAIR.to_vec()));
        let verifier = Arc::new(PeerCert::Dialling { admission: self.admission.clone(), asked: asked.clone() });
        let builder = rustls::ServerConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider speaks TLS 1.3")
            .with_client_cert_verifier(verifier);
        let mut config = match asked {
            Some(asked) => builder.with_cert_resolver(Arc::new(PairResolver { key: self.key.clone(), asked })),
            None => builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(self.key.clone()))),
        };
        config.alpn_protocols = alpn;
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Arc::new(QuicServerConfig::try_from(config).expect("the provider has QUIC's initial suite"))
    }

    /// Builds the configuration for dialling the peer `pin`.
    pub fn client(&self, pin: Pin) -> Arc<QuicClientConfig> {
        self.client_with(Some(pin), ALPN_LINK)
    }

    /// Builds the configuration for dialling a stranger in order to pair.
    pub fn pairing_client(&self) -> Arc<QuicClientConfig> {
        self.client_with(None, ALPN_PAIR)
    }

    fn client_with(&self, expected: Option<Pin>, alpn: &[u8]) -> Arc<QuicClientConfig> {
        let mut config = rustls::ClientConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider speaks TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PeerCert::Dialled { expected }))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.key.clone())));
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Arc::new(QuicClientConfig::try_from(config).expect("the provider has QUIC's initial suite"))
    }
}

/// Returns the pin of the presented certificate. Errors unless there is exactly one, with an Ed25519 key.
fn sole_pin(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<Pin, rustls::Error> {
    if !intermediates.is_empty() {
        return Err(rustls::CertificateError::BadEncoding.into());
    }
    let spki = spki_of(end_entity).map_err(|_| rustls::CertificateError::BadEncoding)?;
    Ok(pin_of(&spki))
}

/// Verifies the other side's certificate.
#[derive(Debug)]
enum PeerCert {
    /// The side that dialled this agent: accepts pinned keys, and a stranger that asks to pair.
    Dialling { admission: Arc<Admission>, asked: Option<Arc<PairingAsked>> },
    /// The side that this agent dialled: accepts only `expected`. A pairing expects no pin, because its proofs cover
    /// the key.
    Dialled { expected: Option<Pin> },
}

impl PeerCert {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        let pin = sole_pin(end_entity, intermediates)?;
        let admitted = match self {
            Self::Dialling { admission, asked } => {
                asked.as_ref().is_some_and(|asked| asked.is_asked()) || admission.is_pinned(pin)
            }
            Self::Dialled { expected } => expected.is_none_or(|expected| expected == pin),
        };
        // Use one error for unknown and for formerly pinned keys, so that it does not reveal the pins.
        let refused = rustls::CertificateError::ApplicationVerificationFailure;
        if admitted { Ok(()) } else { Err(refused.into()) }
    }
}

/// Checks signatures in the same way for both traits that rustls requires.
macro_rules! ed25519_in_tls13 {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            verify_tls13_signature(message, cert, dss, &ALGORITHMS)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    };
}

impl ClientCertVerifier for PeerCert {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    ed25519_in_tls13!();
}

impl ServerCertVerifier for PeerCert {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    ed25519_in_tls13!();
}

/// Presents the certificate. Notes whether the client asks for pairing, because the certificate verifier, which runs
/// later, does not know the requested protocol.
#[derive(Debug)]
struct PairResolver {
    key: Arc<CertifiedKey>,
    asked: Arc<PairingAsked>,
}

impl ResolvesServerCert for PairResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|protocols| protocols.eq([ALPN_PAIR])) {
            self.asked.ask();
        }
        Some(self.key.clone())
    }
}
