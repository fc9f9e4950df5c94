//! One stream of QUIC, with the agent's windows and acknowledgements and quinn's own congestion control.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::CubicConfig;
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{AckFrequencyConfig, ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};

use crate::{Failure, busy};

/// Name in the certificate.
const NAME: &str = "bare";
/// As the agent's: one stream's window, a connection's, and packets after which there is an acknowledgement.
const STREAM_WINDOW_BYTES: u32 = 2_500_000;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
const ACK_THRESHOLD: u32 = 10;
const INITIAL_WINDOW_BYTES: u64 = 128 << 10;
/// Bytes handed to QUIC at once.
const PIECE_BYTES: usize = 256 << 10;

fn transport() -> Arc<TransportConfig> {
    let (mut acks, mut cubic) = (AckFrequencyConfig::default(), CubicConfig::default());
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_THRESHOLD));
    cubic.initial_window(INITIAL_WINDOW_BYTES);
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(CONNECTION_WINDOW_BYTES.into())
        .ack_frequency_config(Some(acks))
        .congestion_controller_factory(Arc::new(cubic));
    Arc::new(transport)
}

/// Takes one connection and one stream; returns the processor seconds that it took.
#[tokio::main]
pub async fn serve(address: &str, certificate: &str) -> Result<String, Failure> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut server = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key)?;
    server.transport_config(transport());
    let endpoint = Endpoint::server(server, address.parse()?)?;
    // Under its name only when it is whole: the sender waits for it.
    fs::write(format!("{certificate}.part"), made.cert.der())?;
    fs::rename(format!("{certificate}.part"), certificate)?;
    let connection = endpoint.accept().await.ok_or("no connection")?.await?;
    let before = busy();
    let mut stream = connection.accept_uni().await?;
    while stream.read_chunk(usize::MAX, true).await?.is_some() {}
    let after = busy();
    connection.closed().await;
    Ok(format!("{:.4}", after - before))
}

/// Sends `bytes`; returns seconds by the clock and of processor.
#[tokio::main]
pub async fn send(address: &str, certificate: &str, bytes: &str) -> Result<String, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(fs::read(certificate)?))?;
    let mut client = ClientConfig::with_root_certificates(Arc::new(roots))?;
    client.transport_config(transport());
    let (address, mut left): (SocketAddr, usize) = (address.parse()?, bytes.parse()?);
    let mut endpoint = Endpoint::client((address.ip(), 0).into())?;
    endpoint.set_default_client_config(client);
    let connection = endpoint.connect(address, NAME)?.await?;
    let (begun, before, piece) = (Instant::now(), busy(), vec![0x5a; PIECE_BYTES]);
    let mut stream = connection.open_uni().await?;
    while left > 0 {
        let length = left.min(PIECE_BYTES);
        stream.write_all(&piece[..length]).await?;
        left -= length;
    }
    stream.finish()?;
    stream.stopped().await?;
    let (took, took_busy) = (begun.elapsed().as_secs_f64(), busy() - before);
    connection.close(VarInt::from_u32(0), b"");
    endpoint.wait_idle().await;
    Ok(format!("{took:.4} {took_busy:.4}"))
}
