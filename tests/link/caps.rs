//! Caps: what operators allow is never exceeded, and a pause lets nothing through.

use std::time::{Duration, Instant};

use bytes::Bytes;
use modelferry::link::{Limit, Session, Urgency};
use modelferry_protocol::message::{ChunkHeader, Encoding, Message};

use crate::support::{Agent, joined, paired, soon};

const CHUNK_BYTES: u32 = 50_000;

async fn send_chunks(session: &Session, count: u32) {
    let mut bulk = session.open_bulk(Urgency::Due).await.unwrap();
    for index in 0..count {
        let header = ChunkHeader::of(1, 0, &[index], CHUNK_BYTES, Encoding::Stored);
        bulk.send(header, Bytes::from(vec![7; CHUNK_BYTES as usize])).await.unwrap();
    }
}

async fn move_chunks(east: &mut Agent, west: &mut Agent, count: u32) {
    let (left, mut right) = joined(east, west).await;
    let received = async {
        for _ in 0..count {
            right.chunks.recv().await.unwrap();
        }
    };
    soon(async { tokio::join!(send_chunks(&left.session, count), received) }).await;
    left.session.close(modelferry::link::CloseCode::Shutdown, "");
}

#[tokio::test]
async fn a_cap_holds_also_across_connections() {
    let (mut east, mut west) = paired().await;
    east.link.limit(None, Limit::AtMost("4mbit".parse().unwrap())).await.unwrap();
    let begun = Instant::now();
    for _ in 0..2 {
        move_chunks(&mut east, &mut west, 10).await;
    }
    // A megabyte at half a megabyte each second; less what a cap may be late for, and one batch.
    assert!(begun.elapsed() >= Duration::from_millis(1_900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_peers_cap_is_for_that_peer_alone() {
    let (mut east, mut west) = paired().await;
    east.link.limit(Some("west"), Limit::AtMost("4mbit".parse().unwrap())).await.unwrap();
    let begun = Instant::now();
    move_chunks(&mut east, &mut west, 20).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_900), "{:?}", begun.elapsed());
    let caps = east.link.caps();
    assert_eq!((caps[0].now, caps[1].now.map(|rate| rate.to_string())), (None, Some("4mbit".to_owned())));
    assert!(east.link.limit(Some("south"), Limit::Any).await.is_err());
}

#[tokio::test]
async fn a_pause_stops_chunks_and_lets_messages_through() {
    let (mut east, mut west) = paired().await;
    let (left, mut right) = joined(&mut east, &mut west).await;
    east.link.limit(None, Limit::AtMost("0".parse().unwrap())).await.unwrap();
    let session = left.session.clone();
    let sending = tokio::spawn(async move { send_chunks(&session, 1).await });
    left.session.send(Message::BlobDone(7)).await.unwrap();
    assert_eq!(soon(right.inbox.recv()).await, Some(Message::BlobDone(7)));
    assert!(!sending.is_finished());
    east.link.limit(None, Limit::Any).await.unwrap();
    assert_eq!(soon(right.chunks.recv()).await.unwrap().1.len(), CHUNK_BYTES as usize);
    sending.await.unwrap();
}

#[tokio::test]
async fn what_a_connection_has_learned_of_a_link_is_kept() {
    let (mut east, mut west) = paired().await;
    let (path, pin) = (east.dir.path().join("capacities.toml"), west.link.pin().to_string());
    let is_kept = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&pin));
    // A connection that always had room for more has learned nothing; another may.
    soon(async {
        while !is_kept() {
            let (left, mut right) = joined(&mut east, &mut west).await;
            let received = async {
                for _ in 0..1600 {
                    right.chunks.recv().await.unwrap();
                }
            };
            let send = || send_chunks(&left.session, 400);
            tokio::join!(send(), send(), send(), send(), received);
            left.session.close(modelferry::link::CloseCode::Shutdown, "");
        }
    })
    .await;
}
