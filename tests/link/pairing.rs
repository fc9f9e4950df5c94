//! Two agents become peers, and nobody else does.

use modelferry::link::{BadPeerName, CloseCode, PairError};
use modelferry_protocol::limits::ALPN_PAIR;
use modelferry_protocol::pairing::Code;
use tempfile::TempDir;

use crate::raw::{Raw, closed_with};
use crate::support::{Agent, Process, pair, paired, soon};

#[tokio::test]
async fn a_pairing_connects_both_sides_under_the_names_they_suggest() {
    let (east, west) = paired().await;
    assert_eq!(west.up(east.link.pin()).await.peer_name(), "east");
    assert_eq!(east.up(west.link.pin()).await.peer_name(), "west");
    assert_eq!(west.link.peer("east").unwrap().pin, east.link.pin());
    assert_eq!(east.link.peer_by_pin(west.link.pin()).unwrap().addresses, [west.address()]);
}

#[tokio::test]
async fn a_name_given_on_either_side_is_what_that_side_calls_the_other() {
    let (east, west) = (Agent::new("east").await, Agent::new("west").await);
    let (code, _) = east.link.offer(Some("left".to_owned())).await.unwrap();
    let peer = west.link.accept(code, &east.address(), Some("right".to_owned())).await.unwrap();
    assert_eq!(peer.name, "right");
    assert_eq!(east.link.peer("left").unwrap().pin, west.link.pin());
}

#[tokio::test]
async fn a_pairing_survives_a_restart_of_both() {
    let (east, west) = (Process::new("east").await, Process::new("west").await);
    west.pair_with(&east.agent).await;
    let pins = (east.agent.link.pin(), west.agent.link.pin());
    let (east, west) = tokio::join!(east.stop(), west.stop());
    let (east, west) = tokio::join!(Process::on(east, "east"), Process::on(west, "west"));
    assert_eq!((east.agent.link.pin(), west.agent.link.pin()), pins);
    assert_eq!(east.agent.up(pins.1).await.peer(), pins.1);
    assert_eq!(west.agent.up(pins.0).await.peer(), pins.0);
    east.kill();
    west.kill();
}

/// Any stranger voided an offer, and three wrong proofs locked pairing.
#[tokio::test]
async fn a_wrong_code_costs_the_network_that_sent_it_and_not_the_offer() {
    let (east, west) = (Agent::new("east").await, Agent::new("west").await);
    let (right, _) = east.link.offer(None).await.unwrap();
    for network in 1..=5 {
        let listen = format!("127.0.{network}.1:0").parse().unwrap();
        let stranger = Agent::on(TempDir::new().unwrap(), "stranger", listen).await;
        for code in [Code::new([7; 10]), right] {
            let wrong = stranger.link.accept(code, &east.address(), None).await;
            assert!(matches!(wrong, Err(PairError::WrongCode { .. })), "{wrong:?}");
        }
        let tried = east.link.strangers().into_iter().next().expect("it is remembered");
        assert_eq!((tried.address, tried.count), (listen.ip(), 2));
        assert!(tried.reason.contains("the pairing code was wrong"), "{tried:?}");
    }
    assert_eq!(east.link.peers(), []);
    west.link.accept(right, &east.address(), None).await.unwrap();
    assert_eq!(east.link.peers().len(), 1);
}

#[tokio::test]
async fn a_code_pairs_once() {
    let (east, west, north) = (Agent::new("east").await, Agent::new("west").await, Agent::new("north").await);
    let (code, _) = east.link.offer(None).await.unwrap();
    west.link.accept(code, &east.address(), None).await.unwrap();
    let again = north.link.accept(code, &east.address(), None).await;
    assert!(matches!(again, Err(PairError::NoOffer { .. })), "{again:?}");
}

#[tokio::test]
async fn a_name_that_another_peer_has_is_refused_before_the_code_is_used_up() {
    let (east, west, north) = (Agent::new("east").await, Agent::new("west").await, Agent::new("north").await);
    pair(&east, &west).await.unwrap();
    let (code, _) = north.link.offer(None).await.unwrap();
    let taken = west.link.accept(code, &north.address(), Some("east".to_owned())).await;
    assert!(matches!(taken, Err(PairError::Name(BadPeerName::Taken { .. }))), "{taken:?}");
    west.link.accept(code, &north.address(), None).await.unwrap();
}

#[tokio::test]
async fn a_suggested_name_that_is_taken_there_is_told_to_who_accepts() {
    let (east, west, twin) = (Agent::new("east").await, Agent::new("west").await, Agent::new("west").await);
    pair(&east, &west).await.unwrap();
    let taken = pair(&east, &twin).await;
    assert!(matches!(taken, Err(PairError::NameThere { .. })), "{taken:?}");
    assert_eq!(twin.link.peers(), []);
}

#[tokio::test]
async fn pairing_anew_renames_a_peer() {
    let (east, west) = paired().await;
    let (code, _) = east.link.offer(Some("occident".to_owned())).await.unwrap();
    west.link.accept(code, &east.address(), None).await.unwrap();
    assert_eq!(east.link.peers().len(), 1);
    assert_eq!(east.link.peer("occident").unwrap().pin, west.link.pin());
    assert_eq!(west.link.peers().len(), 1);
}

#[tokio::test]
async fn an_agent_does_not_pair_with_itself() {
    let east = Agent::new("east").await;
    let own = pair(&east, &east).await;
    assert!(matches!(own, Err(PairError::Oneself { .. })), "{own:?}");
}

/// Whoever ends TLS in between has other keys and other keying material on either side, so that neither
/// proof fits, although both sides know the code.
#[tokio::test]
async fn a_proof_does_not_pass_through_a_man_in_the_middle() {
    let (east, west) = (Agent::new("east").await, Agent::new("west").await);
    let middle = Raw::new().listening(ALPN_PAIR);
    let (code, _) = east.link.offer(None).await.unwrap();
    let address = middle.address().to_string();
    let relay = async {
        let near = middle.accept().await;
        let far = middle.dial(east.link.local_addr(), ALPN_PAIR).await.unwrap();
        let ((mut near_send, mut near_recv), (mut far_send, _)) =
            (near.accept_bi().await.unwrap(), far.open_bi().await.unwrap());
        let request = near_recv.read_to_end(1024).await.unwrap();
        far_send.write_all(&request).await.unwrap();
        far_send.finish().unwrap();
        let (code, _) = closed_with(&far).await;
        // Made up, since east gives none away.
        near_send.write_all(&request).await.unwrap();
        near_send.finish().unwrap();
        near.closed().await;
        code
    };
    let (accepted, code_to_middle) = soon(async { tokio::join!(west.link.accept(code, &address, None), relay) }).await;
    assert!(matches!(accepted, Err(PairError::Impostor { .. })), "{accepted:?}");
    assert_eq!(code_to_middle, CloseCode::PairWrongProof as u64);
    assert_eq!((east.link.peers(), west.link.peers()), (vec![], vec![]));
}

#[tokio::test]
async fn an_unpaired_peer_is_cut_off_and_stays_out() {
    let (east, west) = paired().await;
    let (east_pin, west_pin) = (east.link.pin(), west.link.pin());
    west.up(east_pin).await;
    let session = east.up(west_pin).await;
    east.link.unpair("west").await.unwrap();
    soon(session.closed()).await;
    west.down(east_pin, "does not know this agent's key").await;
    assert_eq!(east.link.peers(), []);
    let unknown = east.link.unpair("west").await;
    assert!(matches!(unknown, Err(PairError::UnknownPeer { .. })), "{unknown:?}");
}
