//! Connections that never log in.

use std::collections::VecDeque;

use tokio::net::TcpStream;

use super::*;

const LIMITS: Limits = Limits { strangers_max: 16, clients_max: 2 };

#[tokio::test]
async fn a_thousand_connections_that_never_log_in_leave_room_for_one_that_does() {
    let rig = Rig::with(LIMITS).await;
    let early = rig.client().await;
    let mut silent = VecDeque::new();
    let mut greeted = VecDeque::new();
    for number in 0..1000 {
        silent.push_back(TcpStream::connect(rig.server.address()).await.unwrap());
        if number % 50 == 0 {
            greeted.push_back(rig.dial().await);
        }
        // The client's own descriptors are bounded as well.
        if silent.len() > 100 {
            silent.pop_front();
        }
        assert!(rig.server.connections().0 <= LIMITS.strangers_max);
    }
    let late = rig.client().await;
    for client in [&early, &late] {
        assert!(client.call("ModelManager", &[10], "Echo", json!({})).await.is_ok());
    }
    assert_eq!(rig.server.connections().1, 2);
    drop((silent, greeted));
}

#[tokio::test]
async fn a_login_beyond_the_clients_that_there_may_be_is_to_try_again() {
    let rig = Rig::with(LIMITS).await;
    let first = rig.client().await;
    let _second = rig.client().await;
    let third = rig.dial().await;
    let Err(ClientError::Answer(error)) = third.login(&login("secret")).await else { panic!("it was let in") };
    assert_eq!(error.code, ErrorCode::TryAgain);
    first.close().await;
    while rig.server.connections().1 == 2 {
        tokio::task::yield_now().await;
    }
    third.login(&login("secret")).await.unwrap();
}
