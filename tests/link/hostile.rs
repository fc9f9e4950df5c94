//! Whoever is no peer gets nowhere; a peer that breaks the protocol loses its connection, and no more.

use std::time::Duration;

use modelferry::link::{CloseCode, Timing};
use modelferry_protocol::codec::Text;
use modelferry_protocol::limits::{ALPN_LINK, ALPN_PAIR, CHUNK_WIRE_BYTES_MAX, PROTOCOL_VERSION};
use modelferry_protocol::message::{ChunkHeader, Encoding, FRAME_VERSION, Hello, Message};
use modelferry_protocol::version::{Feature, FeatureNames, Versions};
use quinn::{Connection, ConnectionError, SendStream};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

use crate::raw::{Raw, closed_with, read};
use crate::support::{Agent, hello, quick, soon};

/// What a peer that keeps an agent waiting is given in these tests.
const BRIEF: Duration = Duration::from_millis(200);

/// TLS 1.3 lets a client believe that it is done before the server has looked at its certificate.
async fn handshake_fails(raw: &Raw, agent: &Agent, alpn: &[u8]) -> bool {
    let error = match soon(raw.dial(agent.link.local_addr(), alpn)).await {
        Ok(connection) => soon(connection.closed()).await,
        Err(error) => error,
    };
    matches!(error, ConnectionError::ConnectionClosed(close) if (0x100..0x200).contains(&u64::from(close.error_code)))
}

#[tokio::test]
async fn an_unpaired_key_fails_in_the_handshake() {
    let agent = Agent::new("east").await;
    for alpn in [ALPN_LINK, ALPN_PAIR] {
        assert!(handshake_fails(&Raw::new(), &agent, alpn).await);
    }
}

#[tokio::test]
async fn while_an_offer_is_open_an_unpaired_key_gets_in_to_pair_only() {
    let agent = Agent::new("east").await;
    agent.link.offer(None).await.unwrap();
    let stranger = Raw::new();
    assert!(handshake_fails(&stranger, &agent, ALPN_LINK).await);
    let connection = soon(stranger.dial(agent.link.local_addr(), ALPN_PAIR)).await.unwrap();
    // It may say one thing, and has no second stream to say another.
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&[0; 2048]).await.unwrap();
    assert_eq!(soon(closed_with(&connection)).await.0, CloseCode::Malformed as u64);
}

#[tokio::test]
async fn a_certificate_that_is_not_one_ed25519_key_fails_in_the_handshake() {
    let agent = Agent::new("east").await;
    agent.link.offer(None).await.unwrap();
    for raw in
        [Raw::with_key(&PKCS_ECDSA_P256_SHA256, 1), Raw::with_key(&PKCS_ED25519, 2), Raw::with_key(&PKCS_ED25519, 0)]
    {
        assert!(handshake_fails(&raw, &agent, ALPN_PAIR).await);
    }
}

/// A paired peer, and its connection to an agent after both Hellos.
async fn greeted() -> (Agent, Raw, Connection, SendStream) {
    greeted_by(quick()).await
}

async fn greeted_by(timing: Timing) -> (Agent, Raw, Connection, SendStream) {
    let raw = Raw::new();
    let agent = Agent::beside(raw.pin, raw.address(), true, timing).await;
    let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (send, mut recv) = raw.greet(&connection).await;
    assert!(matches!(soon(read(&mut recv)).await, Message::Hello(_)));
    agent.up(raw.pin).await;
    (agent, raw, connection, send)
}

async fn closes(connection: &Connection, code: CloseCode) {
    let (number, reason) = soon(closed_with(connection)).await;
    assert_eq!(CloseCode::from_number(number), Some(code), "{reason}");
}

#[tokio::test]
async fn a_frame_that_claims_too_much_ends_the_connection_before_its_body_comes() {
    let (_agent, _raw, connection, mut send) = greeted().await;
    send.write_all(&[0x10, FRAME_VERSION, 0xff, 0xff, 0xff, 0xff]).await.unwrap();
    closes(&connection, CloseCode::Malformed).await;
}

#[tokio::test]
async fn a_frame_of_an_unknown_kind_or_version_ends_the_connection() {
    for header in [[0xee, FRAME_VERSION], [0x10, FRAME_VERSION + 1]] {
        let (_agent, _raw, connection, mut send) = greeted().await;
        send.write_all(&[header[0], header[1], 0, 0, 0, 0]).await.unwrap();
        closes(&connection, CloseCode::Malformed).await;
    }
}

#[tokio::test]
async fn a_chunk_that_claims_too_much_ends_the_connection() {
    let (_agent, _raw, connection, _send) = greeted().await;
    let mut bulk = soon(connection.open_uni()).await.unwrap();
    let header = ChunkHeader::of(0, 0, &[0], CHUNK_WIRE_BYTES_MAX + 1, Encoding::Stored);
    bulk.write_all(&header.to_frame()).await.unwrap();
    closes(&connection, CloseCode::Malformed).await;
}

#[tokio::test]
async fn a_frame_that_trickles_ends_the_connection() {
    let (_agent, _raw, connection, mut send) = greeted_by(Timing { frame: BRIEF, ..quick() }).await;
    send.write_all(&[0x10, FRAME_VERSION]).await.unwrap();
    closes(&connection, CloseCode::TooSlow).await;
}

#[tokio::test]
async fn a_second_hello_or_a_second_control_stream_ends_the_connection() {
    let (_agent, raw, connection, mut send) = greeted().await;
    send.write_all(&Message::Hello(hello(raw.pin)).to_frame()).await.unwrap();
    closes(&connection, CloseCode::Violation).await;

    // Where byte streams are allowed, a second control stream is a broken one of them.
    let (_agent, raw, connection, _send) = greeted().await;
    let _second = soon(raw.greet(&connection)).await;
    closes(&connection, CloseCode::Malformed).await;
}

#[tokio::test]
async fn a_peer_that_says_no_hello_is_not_waited_for() {
    let raw = Raw::new();
    let agent = Agent::beside(raw.pin, raw.address(), true, Timing { first_frame: BRIEF, ..quick() }).await;
    let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    closes(&connection, CloseCode::TooSlow).await;
    agent.down(raw.pin, "no Hello").await;
}

#[tokio::test]
async fn a_peer_of_the_next_version_with_a_feature_nobody_knows_here_is_talked_to_in_the_version_of_both() {
    let raw = Raw::new();
    let mut agent = Agent::beside(raw.pin, raw.address(), true, quick()).await;
    let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let names = ["patches", "teleport"].map(Text::cut).to_vec();
    let next = Hello {
        versions: Versions { oldest: PROTOCOL_VERSION, newest: PROTOCOL_VERSION + 1 },
        features: FeatureNames::new(names).unwrap(),
        ..hello(raw.pin)
    };
    send.write_all(&Message::Hello(next).to_frame()).await.unwrap();
    let Message::Hello(own) = soon(read(&mut recv)).await else { panic!("no Hello") };
    assert_eq!(own.versions.newest, PROTOCOL_VERSION);
    let mut new = soon(agent.sessions.recv()).await.expect("a session");
    assert_eq!(new.session.agreed().version, PROTOCOL_VERSION);
    assert!(new.session.agreed().has(Feature::Patches));
    // They talk, both ways.
    send.write_all(&Message::BlobDone(7).to_frame()).await.unwrap();
    assert_eq!(soon(new.inbox.recv()).await, Some(Message::BlobDone(7)));
    new.session.send(Message::BlobDone(8)).await.unwrap();
    assert_eq!(soon(read(&mut recv)).await, Message::BlobDone(8));
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_and_both_are_named() {
    let newer = Versions { oldest: PROTOCOL_VERSION + 1, newest: PROTOCOL_VERSION + 3 };
    let backwards = Versions { oldest: PROTOCOL_VERSION, newest: PROTOCOL_VERSION - 1 };
    for theirs in [Versions { oldest: 0, newest: 0 }, newer, Versions { oldest: u16::MAX, newest: u16::MAX }, backwards]
    {
        let raw = Raw::new();
        let agent = Agent::beside(raw.pin, raw.address(), true, quick()).await;
        let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        let other = Hello { versions: theirs, agent: Text::cut("9.9"), ..hello(raw.pin) };
        send.write_all(&Message::Hello(other).to_frame()).await.unwrap();
        let (code, reason) = soon(closed_with(&connection)).await;
        assert_eq!(code, CloseCode::Version as u64);
        for named in [format!("version {PROTOCOL_VERSION}"), format!("9.9 speaks {theirs};")] {
            assert!(reason.contains(&named), "{reason} lacks {named}");
        }
        agent.down(raw.pin, &theirs.to_string()).await;
    }
}
