//! Sessions between paired agents: what they carry, and how they come back.

use std::time::Duration;

use bytes::Bytes;
use modelferry::disk::Disk;
use modelferry::link::{CloseCode, Double, Identity, Timing, Urgency};
use modelferry_protocol::limits::ALPN_LINK;
use modelferry_protocol::message::{ChunkHeader, Encoding, Message};

use tempfile::TempDir;

use crate::raw::{Raw, closed_with, read};
use crate::support::{Agent, Process, hello, joined, loopback, pair, paired, quick, soon};

fn chunk(index: u32, wire_bytes: u32) -> ChunkHeader {
    ChunkHeader::of(1, 0, &[index], wire_bytes, Encoding::Stored)
}

#[tokio::test]
async fn control_messages_arrive_in_order_and_chunks_as_they_were_sent() {
    let (mut east, mut west) = paired().await;
    let (left, mut right) = joined(&mut east, &mut west).await;
    assert_eq!(*left.session.hello(), hello(west.link.pin()));
    let send = async {
        for number in 0..1000 {
            left.session.send(Message::BlobDone(number)).await.unwrap();
        }
        for stream in 0..4 {
            let mut bulk = left.session.open_bulk(Urgency::Due).await.unwrap();
            for index in 0..16 {
                let bytes = Bytes::from(vec![stream as u8; 100_000]);
                bulk.send(chunk(stream * 16 + index, 100_000), bytes).await.unwrap();
            }
        }
    };
    let receive = async {
        for number in 0..1000 {
            assert_eq!(right.inbox.recv().await, Some(Message::BlobDone(number)));
        }
        let mut seen = [false; 64];
        for _ in 0..64 {
            let (header, bytes) = right.chunks.recv().await.unwrap();
            assert_eq!(bytes, vec![(header.index / 16) as u8; 100_000]);
            assert!(!std::mem::replace(&mut seen[header.index as usize], true));
        }
    };
    soon(async { tokio::join!(send, receive) }).await;
}

#[tokio::test]
async fn a_sender_that_is_dropped_inside_a_chunk_leaves_the_session_whole() {
    let (mut east, mut west) = paired().await;
    let (left, mut right) = joined(&mut east, &mut west).await;
    // Nobody reads the chunks, so that the windows fill up and a send gets stuck.
    let stuck = async {
        let mut bulk = left.session.open_bulk(Urgency::Due).await.unwrap();
        loop {
            bulk.send(chunk(0, 200_000), Bytes::from(vec![0; 200_000])).await.unwrap();
        }
    };
    let filled = async {
        while left.session.udp_tx_bytes() < 2_500_000 {
            tokio::task::yield_now().await;
        }
    };
    soon(async {
        tokio::select! {
            () = stuck => {}
            () = filled => {}
        }
    })
    .await;
    soon(async { while right.chunks.recv().await.is_some_and(|(header, _)| header.index != 0) {} }).await;
    left.session.send(Message::BlobDone(7)).await.unwrap();
    assert_eq!(soon(right.inbox.recv()).await, Some(Message::BlobDone(7)));
}

#[tokio::test]
async fn both_inboxes_end_with_the_session() {
    let (mut east, mut west) = paired().await;
    let (left, mut right) = joined(&mut east, &mut west).await;
    left.session.close(CloseCode::Violation, "enough");
    assert_eq!(soon(right.inbox.recv()).await, None);
    assert!(soon(right.chunks.recv()).await.is_none());
    assert!(right.session.closed().await.contains("enough"));
    assert!(right.session.send(Message::BlobDone(0)).await.is_err());
    assert!(left.session.open_bulk(Urgency::Due).await.is_err());
}

#[tokio::test]
async fn agents_that_dial_each_other_at_once_meet_in_one_session() {
    let (mut left, mut right) = (Process::new("east").await, Process::new("west").await);
    right.pair_with(&left.agent).await;
    for _ in 0..10 {
        let (east, west) = (left.kill(), right.kill());
        (left, right) = tokio::join!(Process::on(east, "east"), Process::on(west, "west"));
        soon(joined(&mut left.agent, &mut right.agent)).await;
    }
    left.kill();
    right.kill();
}

/// An agent that dials `raw` and is greeted by it.
async fn dialled_by_agent(raw: &Raw, agent_is_lower: bool) -> (Agent, quinn::Connection, impl Sized) {
    let agent = Agent::beside(raw.pin, raw.address(), agent_is_lower, quick()).await;
    let connection = raw.accept().await;
    let streams = raw.greet_back(&connection).await;
    agent.up(raw.pin).await;
    (agent, connection, streams)
}

#[tokio::test]
async fn the_connection_that_the_lower_pin_dialled_takes_the_place_of_the_other() {
    let raw = Raw::new().listening(ALPN_LINK);
    let (agent, first, _streams) = soon(dialled_by_agent(&raw, false)).await;
    let second = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (_send, mut recv) = raw.greet(&second).await;
    assert_eq!(soon(closed_with(&first)).await.0, CloseCode::Replaced as u64);
    assert!(matches!(soon(read(&mut recv)).await, Message::Hello(_)));
}

#[tokio::test]
async fn the_connection_that_the_higher_pin_dialled_gives_way_to_one_that_lives() {
    let raw = Raw::new().listening(ALPN_LINK);
    let (agent, first, _streams) = soon(dialled_by_agent(&raw, true)).await;
    let second = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    assert_eq!(soon(closed_with(&second)).await.0, CloseCode::Duplicate as u64);
    assert!(first.close_reason().is_none());
}

#[tokio::test]
async fn a_newer_connection_by_the_same_side_takes_the_place_of_the_older() {
    let raw = Raw::new();
    let agent = Agent::beside(raw.pin, raw.address(), true, quick()).await;
    let first = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let _first_streams = raw.greet(&first).await;
    agent.up(raw.pin).await;
    let second = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (_send, mut recv) = raw.greet(&second).await;
    assert_eq!(soon(closed_with(&first)).await.0, CloseCode::Replaced as u64);
    assert!(matches!(soon(read(&mut recv)).await, Message::Hello(_)));
}

#[tokio::test]
async fn a_peer_that_was_killed_is_met_again_on_its_port() {
    let (mut east, mut west) = (Agent::new("east").await, Process::new("west").await);
    west.pair_with(&east).await;
    let (east_pin, west_pin) = (east.link.pin(), west.agent.link.pin());
    for _ in 0..3 {
        // Until nothing is under way any more that could pass for what comes after the kill.
        soon(joined(&mut east, &mut west.agent)).await;
        let last = east.up(west_pin).await.id();
        west = Process::on(west.kill(), "west").await;
        let mut states = east.link.watch(west_pin);
        let newer = states.wait_for(|state| state.session().is_some_and(|session| session.id() > last));
        soon(newer).await.unwrap();
        west.agent.up(east_pin).await;
    }
    west.kill();
}

#[tokio::test]
async fn a_peer_that_comes_from_elsewhere_is_believed_once_its_old_connection_is_silent() {
    let timing = Timing { probe: Duration::from_millis(100), ..quick() };
    let mut west = Process::new("west").await;
    // Where the lower pin dialled, the higher one's new connection has to wait for the proof.
    let east = loop {
        let east = Agent::with(&Disk::real(), timing, TempDir::new().unwrap(), "east", loopback()).await;
        if east.link.pin() < west.agent.link.pin() {
            break east;
        }
        // Close to the greatest pin there may be no higher one.
        std::mem::replace(&mut west, Process::new("west").await).kill();
    };
    pair(&west.agent, &east).await.unwrap();
    let (east_pin, west_pin) = (east.link.pin(), west.agent.link.pin());
    let last = east.up(west_pin).await.id();
    let (dir, _) = west.kill();
    let west = Process::on((dir, loopback()), "west").await;
    let mut states = east.link.watch(west_pin);
    let newer = states.wait_for(|state| state.session().is_some_and(|session| session.id() > last));
    soon(newer).await.unwrap();
    west.agent.up(east_pin).await;
    west.kill();
}

/// A peer at its second address was dialled once the first had been silent for a whole handshake's time.
#[tokio::test]
async fn a_peer_is_met_at_any_of_its_addresses_though_the_others_are_silent() {
    let timing = Timing { handshake: Duration::from_secs(600), ..quick() };
    let (east_dir, west_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pin = |dir: &TempDir| Identity::load_or_create(dir.path(), &Disk::real()).unwrap().pin();
    let (east_pin, west_pin) = (pin(&east_dir), pin(&west_dir));
    let write = |dir: &TempDir, pin, addresses: &[String]| {
        let text = format!("[[peer]]\nname = \"raw\"\npin = \"{pin}\"\naddresses = {addresses:?}\npaired_ms = 1\n");
        std::fs::write(dir.path().join("peers.toml"), text).unwrap();
    };
    write(&west_dir, east_pin, &[]);
    let west = Agent::on(west_dir, "west", loopback()).await;
    let silent: Vec<_> = (0..3).map(|_| std::net::UdpSocket::bind(loopback()).unwrap()).collect();
    let mut addresses: Vec<_> = silent.iter().map(|socket| socket.local_addr().unwrap().to_string()).collect();
    addresses.push(west.address());
    write(&east_dir, west_pin, &addresses);
    let east = Agent::with(&Disk::real(), timing, east_dir, "east", loopback()).await;
    assert_eq!(east.up(west_pin).await.remote_address().to_string(), west.address());
}

/// The address that a peer had called from was forgotten with the next start.
#[tokio::test]
async fn where_a_peer_has_called_from_is_known_after_a_restart() {
    let (east, west) = (Process::new("east").await, Process::new("west").await);
    west.pair_with(&east.agent).await;
    let (east_pin, west_pin) = (east.agent.link.pin(), west.agent.link.pin());
    let last = east.agent.up(west_pin).await.id();
    // First one moves, and calls; then the other, which has to know where the first is.
    let (dir, _) = west.stop().await;
    let west = Process::on((dir, loopback()), "west").await;
    let mut states = east.agent.link.watch(west_pin);
    let newer = states.wait_for(|state| state.session().is_some_and(|session| session.id() > last));
    soon(newer).await.unwrap();
    let learned = async {
        while east.agent.link.peer("west").unwrap().learned != [west.agent.address()] {
            tokio::task::yield_now().await;
        }
    };
    soon(learned).await;
    let (dir, _) = east.stop().await;
    let east = Process::on((dir, loopback()), "east").await;
    assert_eq!(east.agent.up(west_pin).await.remote_address().to_string(), west.agent.address());
    west.agent.up(east_pin).await;
    east.kill();
    west.kill();
}

/// Two agents with one identity, as a machine and its clone are, took the link from each other five times a second, at INFO.
#[tokio::test]
async fn two_agents_with_one_identity_are_told_so_and_held_back_until_somebody_acknowledges_it() {
    let raw = Raw::new();
    let agent = Agent::beside(raw.pin, raw.address(), true, quick()).await;
    let mut held = Vec::new();
    let told = soon(async {
        loop {
            let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
            let mut streams = raw.greet(&connection).await;
            // An agent dials again once its connection was kept or refused, and not before.
            let _ = streams.1.read_exact(&mut [0; 1]).await;
            if agent.link.doubles().borrow().contains_key(&raw.pin) {
                return connection;
            }
            // It goes on living, as the machine that was cloned does.
            held.push((connection, streams));
        }
    })
    .await;
    assert!(matches!(agent.link.doubles().borrow()[&raw.pin], Double::Met(_)));
    assert_eq!(soon(closed_with(&told)).await.0, CloseCode::TwoAgents as u64);
    let refused = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    assert_eq!(soon(closed_with(&refused)).await.0, CloseCode::TwoAgents as u64);
    held.clear();
    agent.link.release(raw.pin);
    let welcome = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (_send, mut recv) = raw.greet(&welcome).await;
    assert!(matches!(soon(read(&mut recv)).await, Message::Hello(_)));
}
