//! Peers that speak QUIC and TLS, and otherwise do as they like.

use std::net::SocketAddr;
use std::sync::Arc;

use modelferry::link::pin_of;
use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::FRAME_HEADER_BYTES;
use modelferry_protocol::message::{FrameHeader, Message};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PublicKeyData, SignatureAlgorithm};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::support::{hello, loopback};

pub struct Raw {
    pub endpoint: Endpoint,
    pub pin: Pin,
    chain: Vec<CertificateDer<'static>>,
    pub key: PrivatePkcs8KeyDer<'static>,
}

impl Raw {
    pub fn new() -> Self {
        Self::with_key(&PKCS_ED25519, 1)
    }

    /// Presents a chain of `certificates` around a key of some kind.
    pub fn with_key(algorithm: &'static SignatureAlgorithm, certificates: usize) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let own = CertificateParams::new(vec!["raw".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pin = pin_of(&key.subject_public_key_info());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let chain = vec![own.der().clone(); certificates];
        Self { endpoint: Endpoint::client(loopback()).unwrap(), pin, chain, key }
    }

    /// Dials by another socket.
    pub fn on(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Takes connections under `alpn` as well, from anybody.
    pub fn listening(self, alpn: &[u8]) -> Self {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Anybody))
            .with_single_cert(self.chain.clone(), PrivateKeyDer::Pkcs8(self.key.clone_key()))
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        let config = QuicServerConfig::try_from(config).unwrap();
        self.endpoint.set_server_config(Some(quinn::ServerConfig::with_crypto(Arc::new(config))));
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    /// Dials and presents its certificates; with none of them it presents nothing.
    pub async fn dial(&self, address: SocketAddr, alpn: &[u8]) -> Result<Connection, ConnectionError> {
        let builder = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = if self.chain.is_empty() {
            builder.with_no_client_auth()
        } else {
            let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
            builder.with_client_auth_cert(self.chain.clone(), key).unwrap()
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
        self.endpoint.connect_with(config, address, "raw").unwrap().await
    }

    pub async fn accept(&self) -> Connection {
        self.endpoint.accept().await.unwrap().await.unwrap()
    }

    /// Opens the control stream and says Hello.
    pub async fn greet(&self, connection: &Connection) -> (SendStream, RecvStream) {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&Message::Hello(hello(self.pin)).to_frame()).await.unwrap();
        (send, recv)
    }

    /// Takes the control stream and says Hello.
    pub async fn greet_back(&self, connection: &Connection) -> (SendStream, RecvStream) {
        let (mut send, recv) = connection.accept_bi().await.unwrap();
        send.write_all(&Message::Hello(hello(self.pin)).to_frame()).await.unwrap();
        (send, recv)
    }
}

/// Reads one control message.
pub async fn read(stream: &mut RecvStream) -> Message {
    try_read(stream).await.expect("a message before the end")
}

/// Reads one control message; nothing once the connection has ended.
pub async fn try_read(stream: &mut RecvStream) -> Option<Message> {
    let mut header = [0; FRAME_HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let header = FrameHeader::parse(header, 1 << 20).unwrap();
    let mut body = vec![0; header.body_bytes as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some(Message::from_body(header.kind, &body).unwrap())
}

/// Returns the application code and reason with which the other side closes.
pub async fn closed_with(connection: &Connection) -> (u64, String) {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8(close.reason.to_vec()).unwrap())
        }
        other => panic!("not closed by the peer: {other}"),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn schemes() -> Vec<SignatureScheme> {
    provider().signature_verification_algorithms.supported_schemes()
}

/// Trusts everybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}
