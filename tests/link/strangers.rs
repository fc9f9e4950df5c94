//! Strangers in numbers.

use std::sync::Arc;
use std::time::Duration;

use modelferry::disk::Disk;
use modelferry::link::Timing;
use modelferry_protocol::limits::{ALPN_LINK, ALPN_PAIR};
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use tempfile::TempDir;

use crate::deaf::Deaf;
use crate::raw::Raw;
use crate::support::{Agent, Process, loopback, quick, soon};

/// Half-open handshakes, each from a network of its own.
const HALF_OPEN: u8 = 200;

/// No handshake ends by itself, and the agent dials nobody.
fn patient() -> Timing {
    let never = Duration::from_secs(600);
    Timing { handshake: never, retry_min: never, retry_max: never, ..quick() }
}

/// 64 of them kept every paired peer out.
#[tokio::test]
async fn two_hundred_half_open_handshakes_keep_no_paired_peer_out() {
    let east = Agent::with(&Disk::real(), patient(), TempDir::new().unwrap(), "east", loopback()).await;
    let west = Process::new("west").await;
    west.pair_with(&east).await;
    let pin = west.agent.link.pin();
    east.up(pin).await;
    let remains = west.stop().await;
    east.down(pin, "").await;
    let mut strangers = Vec::new();
    for network in 1..=HALF_OPEN {
        let socket = Deaf::bind(format!("127.0.{network}.1:0").parse().unwrap());
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket.clone(), runtime).unwrap();
        let raw = Raw::new().on(endpoint);
        let address = east.link.local_addr();
        let dialling = tokio::spawn(async move { raw.dial(address, ALPN_LINK).await.map(drop) });
        strangers.push((socket, dialling));
    }
    // Each has a place, or was refused one.
    soon(async {
        while !strangers.iter().all(|(socket, _)| socket.is_answered()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let west = Process::on(remains, "west").await;
    assert_eq!(east.up(pin).await.peer(), pin);
    assert!(strangers.iter().all(|(_, dialling)| !dialling.is_finished()), "their handshakes are still half-open");
    strangers.iter().for_each(|(_, dialling)| dialling.abort());
    west.kill();
}

/// The first stranger took the only ticket when it had said its first word, and kept it for ten seconds.
#[tokio::test]
async fn strangers_who_connect_to_pair_and_say_nothing_keep_nobody_from_pairing() {
    let east = Agent::with(&Disk::real(), patient(), TempDir::new().unwrap(), "east", loopback()).await;
    let west = Agent::new("west").await;
    let (code, _) = east.link.offer(None).await.unwrap();
    let mut silent = Vec::new();
    for network in 1..=5 {
        let endpoint = Endpoint::client(format!("127.0.{network}.1:0").parse().unwrap()).unwrap();
        let raw = Raw::new().on(endpoint);
        let connection = soon(raw.dial(east.link.local_addr(), ALPN_PAIR)).await.unwrap();
        let stream = soon(connection.open_bi()).await.unwrap();
        silent.push((raw, connection, stream));
    }
    soon(west.link.accept(code, &east.address(), None)).await.unwrap();
    assert_eq!(east.link.peers().len(), 1);
    drop(silent);
}

#[tokio::test]
async fn a_stranger_with_an_unpaired_key_is_shown_by_its_address() {
    let east = Agent::new("east").await;
    let stranger = Raw::new();
    for _ in 0..2 {
        if let Ok(connection) = soon(stranger.dial(east.link.local_addr(), ALPN_LINK)).await {
            soon(connection.closed()).await;
        }
    }
    let tried = soon(async {
        loop {
            match east.link.strangers().pop() {
                Some(tried) if tried.count == 2 => return tried,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(tried.address, stranger.address().ip());
}
