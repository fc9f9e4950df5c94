//! A running controller, behind relays that can be cut or grow deaf: one for each of its addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::{Api, CONTROLLER, Fake};
use crate::juju::rpc::{Limits, Server};
use crate::juju::tls::{Authority, server_config};

/// A running controller behind a relay that can be cut.
pub(in super::super) struct Running {
    pub fake: Arc<Fake>,
    pub address: SocketAddr,
    pub ca_cert: String,
    server: Server,
}

impl Running {
    pub async fn start() -> Self {
        let fake = Arc::new(Fake {
            state: Mutex::default(),
            version: Mutex::new("4.1.0".to_owned()),
            uuid: Mutex::new(CONTROLLER.to_owned()),
            password: Mutex::new("secret".to_owned()),
            proof: Mutex::default(),
            access: Mutex::new("superuser".to_owned()),
            migration_target: Mutex::new(vec![4, 5, 6, 7, 8]),
            users: Mutex::new(vec!["admin".to_owned(), "bob".to_owned()]),
            servers: Mutex::default(),
            cut: Notify::new(),
            down: AtomicBool::new(false),
            refuses: AtomicUsize::new(0),
        });
        let authority = Authority::make().unwrap();
        let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(listener, tls, Arc::new(Api(fake.clone())), Limits::default()).unwrap();
        let (_, never) = watch::channel(false);
        let address = relay(server.address(), fake.clone(), never).await;
        Self { fake, address, ca_cert: authority.cert_pem, server }
    }

    /// Opens another address of the controller. Bytes to and from it stop where they are once `deaf` says so.
    pub async fn another_address(&self, deaf: watch::Receiver<bool>) -> SocketAddr {
        relay(self.server.address(), self.fake.clone(), deaf).await
    }
}

async fn relay(server: SocketAddr, fake: Arc<Fake>, deaf: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(relay_to(listener, server, fake, deaf));
    address
}

async fn relay_to(listener: TcpListener, server: SocketAddr, fake: Arc<Fake>, deaf: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let refuses = fake.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fake.down.load(Ordering::SeqCst) || refuses.is_ok() {
            continue;
        }
        let (fake, mut deaf) = (fake.clone(), deaf.clone());
        tokio::spawn(async move {
            let Ok(mut there) = TcpStream::connect(server).await else { return };
            let deafened = async {
                if deaf.wait_for(|deaf| *deaf).await.is_err() {
                    // It never will be.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                // Both ends stay open, and hear nothing any more.
                () = deafened => fake.cut.notified().await,
                _ = copy_bidirectional(&mut client, &mut there) => {}
                () = fake.cut.notified() => {}
            }
        });
    }
}
