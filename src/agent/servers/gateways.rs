//! The gateways of the configuration: their ports, their certificates, and their servers beside the engine.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::agent::AgentError;
use crate::agent::answer::RequestHandler;
use crate::clock::now_ms;
use crate::config::{GatewayConfig, read_text};
use crate::controller::gateway::{Certificate, CertificateError, Gateway};
use crate::disk::{Disk, blocking};
use crate::engine::{Destinations, Engine, GatewayAddress, RelayedSource, Visitors};
use crate::juju::rpc::Server;
use crate::juju::tls::{Leaf, last_certificate, server_config};
use crate::store::Store;

/// The directory of the gateways' own CAs in the state directory.
const DIR: &str = "gateways";

/// A gateway whose port is open already: a source controller that calls now waits until the engine has started.
pub(in crate::agent) struct Opened {
    listener: TcpListener,
    certificate: Certificate,
    address: GatewayAddress,
}

/// Opens the gateways' ports and reads, or makes, their certificates.
///
/// Errors: [`AgentError::Gateway`].
pub(in crate::agent) async fn open(state_dir: &Path, configs: &[GatewayConfig]) -> Result<Vec<Opened>, AgentError> {
    let mut opened = Vec::with_capacity(configs.len());
    for config in configs {
        let failed = |source: std::io::Error| AgentError::Gateway { peer: config.peer.clone(), source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let mut addresses = config.addresses.clone();
        if addresses.is_empty() {
            addresses.push(listen.to_string());
        }
        let (dir, told, hosts) = (state_dir.join(DIR).join(&config.peer), config.clone(), addresses.clone());
        let certificate = blocking(move || certificate(&dir, &told, &hosts)).await.map_err(failed)?;
        let (peer, route_shown) = (config.peer.clone(), config.route_shown);
        let signed = config.certificate.is_some().then(|| certificate.leaf.chain_pem.clone());
        // Where the destination's CA has signed, the source is told the CA that the destination names.
        let ca_cert = config.certificate.is_none().then(|| certificate.ca_cert.clone());
        opened.push(Opened {
            listener,
            certificate,
            address: GatewayAddress { peer, addresses, ca_cert, signed, route_shown },
        });
    }
    Ok(opened)
}

/// Returns the certificate that a gateway shows.
///
/// One that the destination's CA has signed is checked against the CA that stands behind it. One that has expired is shown all the
/// same, and said: a migration that runs must not lose its agent.
fn certificate(dir: &Path, config: &GatewayConfig, addresses: &[String]) -> std::io::Result<Certificate> {
    if let Some((chain, key)) = &config.certificate {
        let chain_pem = read_text(chain)?;
        let ca = last_certificate(&chain_pem).map_err(std::io::Error::other)?;
        return match Certificate::given(chain, key, &ca, now_ms() / 1000) {
            Ok(given) => Ok(given),
            Err(expired @ CertificateError::Untrusted(_)) => {
                tracing::error!(peer = config.peer, "sources refuse this gateway: {expired}");
                let leaf = Leaf { chain_pem, key_pem: read_text(key)? };
                Ok(Certificate { leaf, ca_cert: ca, days_left: None })
            }
            Err(error) => Err(std::io::Error::other(error)),
        };
    }
    let hosts = addresses.iter().filter_map(|address| address.rsplit_once(':'));
    let hosts: Vec<_> = hosts.map(|(host, _)| host.trim_start_matches('[').trim_end_matches(']').to_owned()).collect();
    Certificate::own(dir, &Disk::real(), &hosts).map_err(std::io::Error::other)
}

/// Returns the controller as a source, with its gateways; nothing for one inside the agent.
pub(in crate::agent) fn source(handler: &RequestHandler, opened: &[Opened]) -> Option<RelayedSource> {
    Some(RelayedSource {
        controller: handler.local.relayed()?,
        gateways: opened.iter().map(|opened| opened.address.clone()).collect(),
        destinations: Destinations::new(&handler.state_dir, Disk::real()),
        visitors: Arc::new(Visitors::new(&handler.state_dir, Disk::real())),
        freeze_max: handler.freeze_max,
    })
}

/// Starts the gateways. Dropping the returned servers ends them.
///
/// Errors: [`AgentError::Gateway`] for a certificate that cannot be used.
pub(in crate::agent) fn start(opened: Vec<Opened>, engine: &Engine, store: &Store) -> Result<Vec<Server>, AgentError> {
    let mut servers = Vec::with_capacity(opened.len());
    for Opened { listener, certificate, address } in opened {
        let failed = |source: std::io::Error| AgentError::Gateway { peer: address.peer.clone(), source };
        let listen = listener.local_addr().map_err(failed)?;
        let tls = server_config(&certificate.leaf).map_err(|error| failed(std::io::Error::other(error)))?;
        let relay = Arc::new(engine.relay_to(&address.peer));
        let gateway = Gateway::new(relay, store.clone(), listen, &address.addresses, certificate.ca_cert);
        servers.push(Server::start(listener, tls, Arc::new(gateway), Gateway::limits()).map_err(failed)?);
        tracing::info!(peer = address.peer, %listen, "gateway");
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::juju::csr::{ask, sign};
    use crate::juju::tls::{Authority, fingerprint};

    const LONG_AGO_S: u64 = 1_000_000_000;

    #[test]
    fn a_signed_certificate_is_shown_with_the_cas_behind_it_also_when_it_has_expired() {
        let dir = tempfile::TempDir::new().unwrap();
        let (chain, key) = (dir.path().join("gateway.pem"), dir.path().join("gateway.key"));
        let (destination, asked) = (Authority::make().unwrap(), ask().unwrap());
        fs::write(&key, &asked.key_pem).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let config = GatewayConfig {
            peer: "west".to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            addresses: Vec::new(),
            certificate: Some((chain.clone(), key.clone())),
            route_shown: false,
        };
        for signed_s in [now_ms() / 1000, LONG_AGO_S] {
            fs::write(&chain, sign(&asked.request_pem, &destination.cert_pem, &destination.key_pem, signed_s).unwrap())
                .unwrap();
            let shown = certificate(dir.path(), &config, &[]).unwrap();
            assert_eq!(fingerprint(&shown.ca_cert).unwrap(), fingerprint(&destination.cert_pem).unwrap());
            assert_eq!(shown.days_left.is_some(), signed_s != LONG_AGO_S);
        }
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = certificate(dir.path(), &config, &[]).unwrap_err();
        assert!(exposed.to_string().contains("chmod 0600"), "{exposed}");
    }
}
