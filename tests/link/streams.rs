//! Byte streams: they carry what they are given, on credit, and no more of them than may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use modelferry::link::{ByteStream, CloseCode, IncomingStream, StreamRefused};
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::limits::{ALPN_LINK, STREAM_CREDIT_BYTES, STREAM_PIECE_BYTES_MAX, STREAMS_MAX};
use modelferry_protocol::message::{FrameHeader, Hello, Message};
use modelferry_protocol::stream::{Open, StreamFrame, StreamPurpose};
use modelferry_protocol::version::FeatureNames;
use quinn::{Connection, RecvStream, SendStream};

use crate::raw::{Raw, closed_with, read};
use crate::support::{Agent, hello, joined, paired, quick, soon};

const CREDIT: usize = STREAM_CREDIT_BYTES as usize;

fn open() -> Open {
    let head = Bytes::new(b"GET /migrate/logtransfer".to_vec()).unwrap();
    Open { purpose: StreamPurpose::Log, mid: MigrationId([1; 16]), model: ModelUuid([2; 16]), head }
}

/// Bytes that show where they belong.
fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7 % 251) as u8).collect()
}

async fn all(stream: &mut ByteStream) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.reader.read().await? {
        all.extend(bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn a_byte_stream_carries_both_directions_and_both_ends() {
    let (mut east, mut west) = paired().await;
    let (here, mut there) = joined(&mut east, &mut west).await;
    let stream = soon(here.session.open_stream(open())).await.unwrap();
    let IncomingStream { open: opened, stream: mut other } = soon(there.streams.recv()).await.unwrap();
    assert_eq!(opened, open());
    let asked = text(3 * CREDIT + 5);
    let ByteStream { reader, mut writer } = stream;
    let sent = asked.clone();
    let writing = tokio::spawn(async move {
        writer.write(&sent).await.unwrap();
        writer.end("").await;
    });
    assert_eq!(soon(all(&mut other)).await, Ok(asked));
    writing.await.unwrap();
    // The other direction goes on, and ends otherwise.
    let ByteStream { writer: mut back, reader: _kept } = other;
    back.write(b"answer").await.unwrap();
    back.end("the model is gone").await;
    let mut reader = reader;
    assert_eq!(soon(reader.read()).await, Ok(Some(b"answer".to_vec())));
    assert_eq!(soon(reader.read()).await, Err("the model is gone".to_owned()));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_stops_its_sender_and_holds_up_nothing_else() {
    let (mut east, mut west) = paired().await;
    let (mut here, mut there) = joined(&mut east, &mut west).await;
    let stream = soon(here.session.open_stream(open())).await.unwrap();
    let mut other = soon(there.streams.recv()).await.unwrap().stream;
    let written = Arc::new(AtomicUsize::new(0));
    let bytes = text(4 * CREDIT);
    let ByteStream { mut writer, reader: _kept } = stream;
    let (counted, sent) = (written.clone(), bytes.clone());
    let writing = tokio::spawn(async move {
        for piece in sent.chunks(STREAM_PIECE_BYTES_MAX) {
            writer.write(piece).await.unwrap();
            counted.fetch_add(piece.len(), Ordering::SeqCst);
        }
        writer.end("").await;
    });
    soon(async {
        while written.load(Ordering::SeqCst) < CREDIT {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for number in 1000..1100 {
        here.session.send(Message::BlobDone(number)).await.unwrap();
        while soon(there.inbox.recv()).await.unwrap() != Message::BlobDone(number) {}
        there.session.send(Message::BlobDone(number)).await.unwrap();
        while soon(here.inbox.recv()).await.unwrap() != Message::BlobDone(number) {}
    }
    assert_eq!(written.load(Ordering::SeqCst), CREDIT, "what is not taken is not followed by more");
    assert_eq!(soon(all(&mut other)).await, Ok(bytes));
    writing.await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_given_up_in_the_middle_is_not_taken_for_a_whole() {
    let (mut east, mut west) = paired().await;
    let (here, mut there) = joined(&mut east, &mut west).await;
    let mut stream = soon(here.session.open_stream(open())).await.unwrap();
    stream.writer.write(b"half").await.unwrap();
    let mut other = soon(there.streams.recv()).await.unwrap().stream;
    assert_eq!(soon(other.reader.read()).await, Ok(Some(b"half".to_vec())));
    drop(stream);
    assert!(soon(other.reader.read()).await.is_err());
}

#[tokio::test]
async fn no_more_streams_are_opened_than_may_be_and_one_that_ends_makes_room() {
    let (mut east, mut west) = paired().await;
    let (here, mut there) = joined(&mut east, &mut west).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..STREAMS_MAX {
        ours.push(soon(here.session.open_stream(open())).await.unwrap());
        theirs.push(soon(there.streams.recv()).await.unwrap());
    }
    let refused = soon(here.session.open_stream(open())).await.unwrap_err();
    assert_eq!(refused, StreamRefused::TooMany);
    let refused = soon(there.session.open_stream(open())).await.unwrap_err();
    assert_eq!(refused, StreamRefused::TooMany, "both sides' streams count");
    ours.pop();
    theirs.pop();
    let _again = soon(here.session.open_stream(open())).await.unwrap();
    soon(there.streams.recv()).await.unwrap();
}

/// A paired peer, and its connection to an agent after both Hellos.
async fn greeted(features: Option<FeatureNames>) -> (Agent, Raw, Connection, SendStream) {
    let raw = Raw::new();
    let agent = Agent::beside(raw.pin, raw.address(), true, quick()).await;
    let connection = raw.dial(agent.link.local_addr(), ALPN_LINK).await.unwrap();
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let own = hello(raw.pin);
    let said = Hello { features: features.unwrap_or(own.features.clone()), ..own };
    send.write_all(&Message::Hello(said).to_frame()).await.unwrap();
    assert!(matches!(soon(read(&mut recv)).await, Message::Hello(_)));
    agent.up(raw.pin).await;
    (agent, raw, connection, send)
}

async fn opened(connection: &Connection) -> (SendStream, RecvStream) {
    let (mut send, recv) = soon(connection.open_bi()).await.unwrap();
    send.write_all(&StreamFrame::Open(open()).to_frame()).await.unwrap();
    (send, recv)
}

async fn closes(connection: &Connection, code: CloseCode) {
    let (number, reason) = soon(closed_with(connection)).await;
    assert_eq!(CloseCode::from_number(number), Some(code), "{reason}");
}

#[tokio::test]
async fn data_beyond_the_credit_and_credit_beyond_the_data_end_the_connection() {
    let (mut agent, _raw, connection, _control) = greeted(None).await;
    let mut new = agent.session().await;
    let (mut send, _recv) = opened(&connection).await;
    let _unread = soon(new.streams.recv()).await.unwrap();
    let piece = StreamFrame::Data(Bytes::new(vec![0; STREAM_PIECE_BYTES_MAX]).unwrap()).to_frame();
    for _ in 0..=CREDIT / STREAM_PIECE_BYTES_MAX {
        let _ = send.write_all(&piece).await;
    }
    closes(&connection, CloseCode::Violation).await;

    for frame in [StreamFrame::Credit(1), StreamFrame::Credit(u32::MAX), StreamFrame::Open(open())] {
        let (mut agent, _raw, connection, _control) = greeted(None).await;
        let mut new = agent.session().await;
        let (mut send, _recv) = opened(&connection).await;
        let _taken = soon(new.streams.recv()).await.unwrap();
        send.write_all(&frame.to_frame()).await.unwrap();
        closes(&connection, CloseCode::Violation).await;
    }
}

#[tokio::test]
async fn one_stream_too_many_is_told_so_and_the_connection_stays() {
    let (mut agent, _raw, connection, mut control) = greeted(None).await;
    let mut new = agent.session().await;
    let mut held = Vec::new();
    for _ in 0..STREAMS_MAX {
        held.push((opened(&connection).await, soon(new.streams.recv()).await.unwrap()));
    }
    let (_send, mut recv) = opened(&connection).await;
    let mut header = [0; 6];
    soon(recv.read_exact(&mut header)).await.unwrap();
    let header = FrameHeader::parse(header, 1 << 20).unwrap();
    let mut body = vec![0; header.body_bytes as usize];
    soon(recv.read_exact(&mut body)).await.unwrap();
    let StreamFrame::End(cause) = StreamFrame::from_body(header.kind, &body).unwrap() else { panic!("not refused") };
    assert!(cause.contains("64 byte streams"), "{}", &*cause);
    control.write_all(&Message::BlobDone(3).to_frame()).await.unwrap();
    assert_eq!(soon(new.inbox.recv()).await, Some(Message::BlobDone(3)));
}

#[tokio::test]
async fn a_peer_without_the_feature_has_no_byte_streams() {
    let (mut agent, _raw, connection, _control) = greeted(Some(FeatureNames::default())).await;
    let new = agent.session().await;
    assert_eq!(soon(new.session.open_stream(open())).await.unwrap_err(), StreamRefused::NotThere);
    let _second = opened(&connection).await;
    closes(&connection, CloseCode::Stream).await;
}
