//! A server of Juju's API: one TLS port for the API, uploads and streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::answer::Answerer;
use super::guests::{Guest, Guests};
use super::service::Service;
use crate::juju::wire::limits::{HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, HEAD_BYTES_MAX, Limits};

/// Wait after the system could not give a connection, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Seconds without a byte after which the system asks whether the peer is still there.
const KEEPALIVE_SECONDS: Duration = Duration::from_secs(60);

/// A running server. It stops when it is dropped; [`Server::stop`] also waits for its connections.
pub struct Server {
    address: SocketAddr,
    guests: Arc<Guests>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).field("guests", &self.guests.count()).finish()
    }
}

impl Server {
    /// Serves `service` on `listener`, with the certificate of `tls`.
    pub fn start(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        service: Arc<dyn Service>,
        limits: Limits,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let guests = Guests::new(limits, stop.clone());
        let tasks = TaskTracker::new();
        let doorman = Doorman {
            tls: TlsAcceptor::from(tls),
            answerer: Answerer::new(service, tasks.clone()),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
        };
        let accepting = accept(listener, doorman, guests.clone(), stop.clone(), tasks.clone());
        tasks.spawn(accepting);
        Ok(Self { address, guests, stop, tasks })
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections have not logged in, and how many have.
    pub fn connections(&self) -> (usize, usize) {
        self.guests.count()
    }

    /// Closes the port and every connection, and waits until that is done.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What every new connection passes.
#[derive(Clone)]
struct Doorman {
    tls: TlsAcceptor,
    answerer: Answerer,
    handshakes: Arc<Semaphore>,
}

async fn accept(
    listener: TcpListener,
    doorman: Doorman,
    guests: Arc<Guests>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let (doorman, guest) = (doorman.clone(), guests.admit());
                tasks.spawn(async move {
                    tokio::select! {
                        () = doorman.receive(tcp, peer, guest.clone()) => {}
                        () = guest.ended() => debug!(%peer, "connection ended: it has not logged in, or the server stops"),
                    }
                });
            }
            Err(error) => {
                warn!(%error, "the API cannot accept a connection; it goes on trying");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Reports whether HTTP has a date for a moment. The library panics where it has none, whatever headers are asked for.
fn has_http_date(moment: SystemTime) -> bool {
    moment >= SystemTime::UNIX_EPOCH
}

impl Doorman {
    /// Speaks TLS and HTTP until the connection ends or becomes a WebSocket.
    async fn receive(self, tcp: TcpStream, peer: SocketAddr, guest: Arc<Guest>) {
        if !has_http_date(SystemTime::now()) {
            return warn!(%peer, "the API serves nobody while the host's clock is before 1970: set the clock");
        }
        set_up(&tcp);
        let handshake = async {
            let _permit = self.handshakes.acquire().await;
            timeout(HANDSHAKE_TIMEOUT, self.tls.accept(guest.meter(tcp))).await
        };
        let tls = match handshake.await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => return debug!(%peer, "a TLS handshake took too long"),
        };
        let answering = service_fn(|request| self.answerer.answer(peer, guest.clone(), request));
        let serving = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(tls), answering)
            .with_upgrades();
        // Clients keep a connection between uploads for as long as they like: one that is closed just when the next begins
        // costs a migration master its migration.
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    debug!(%peer, %error, "an HTTP connection ended early");
                }
            }
            () = guest.overstayed() => debug!(%peer, "nobody has logged in by this connection, in time"),
        }
    }
}

/// A peer that is gone without a word is noticed by the system; replies leave at once.
fn set_up(tcp: &TcpStream) {
    // Neither is worth a connection: without them it only is slower, or ends later.
    let _ = tcp.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(tcp, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(tcp, KEEPALIVE_SECONDS);
    let _ = rustix::net::sockopt::set_tcp_keepintvl(tcp, KEEPALIVE_SECONDS / 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_has_no_date_for_http() {
        let second = Duration::from_secs(1);
        assert!(!has_http_date(SystemTime::UNIX_EPOCH - second) && has_http_date(SystemTime::UNIX_EPOCH));
    }
}
