//! Frames that our client does not send: fragments, garbage, messages that are too large.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as RawFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::dial::{ClientSocket, secure, websocket};
use super::limits::{AGENT_SILENCE_MAX, REQUESTS_IN_FLIGHT_MAX};
use super::*;
use crate::juju::tls::client_config;

impl Rig {
    async fn socket(&self) -> ClientSocket {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-extensions", HeaderValue::from_static("permessage-deflate"));
        websocket(&self.target, "/api", &headers).await.unwrap().1
    }

    async fn logged_in_socket(&self) -> ClientSocket {
        self.socket_of("user-admin").await
    }

    async fn socket_of(&self, tag: &str) -> ClientSocket {
        let mut socket = self.socket().await;
        let text = r#"{"request-id":1,"type":"Admin","version":3,"request":"Login","params":{"auth-tag":"TAG",
            "credentials":"secret","macaroons":null}}"#;
        socket.send(Frame::text(text.replace("TAG", tag))).await.unwrap();
        let reply = text_of(&mut socket).await;
        assert!(reply.starts_with(r#"{"request-id":1,"response":{"controller-tag":"#), "{reply}");
        socket
    }
}

async fn text_of(socket: &mut ClientSocket) -> String {
    match socket.next().await {
        Some(Ok(Frame::Text(text))) => text.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Returns the code of the close frame that ends the socket, or none where it just ends.
async fn close_code(socket: &mut ClientSocket) -> Option<CloseCode> {
    loop {
        match socket.next().await {
            Some(Ok(Frame::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message() {
    let rig = Rig::start().await;
    let mut socket = rig.logged_in_socket().await;
    let long = "x".repeat(100_000);
    let text = format!(
        r#"{{"request-id":2,"type":"ModelManager","version":10,"request":"Echo","params":{{"long":"{long}"}}}}"#
    ) + "\n";
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(4096).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        let last = number + 1 == pieces.len();
        let frame = RawFrame::message(piece.to_vec(), OpCode::Data(kind), last);
        socket.send(Frame::Frame(frame)).await.unwrap();
    }
    assert_eq!(text_of(&mut socket).await, format!(r#"{{"request-id":2,"response":{{"long":"{long}"}}}}"#));
}

#[tokio::test]
async fn a_websocket_ping_is_answered_before_any_login() {
    let rig = Rig::start().await;
    let mut socket = rig.socket().await;
    socket.send(Frame::Ping(b"there?".as_slice().into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Frame::Pong(b"there?".as_slice().into()));
}

/// Lets time pass, and real bytes not be overtaken by it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn ping(socket: &mut ClientSocket) {
    let text = r#"{"request-id":2,"type":"Pinger","version":1,"request":"Ping","params":{}}"#;
    socket.send(Frame::text(text)).await.unwrap();
    assert_eq!(text_of(socket).await, r#"{"request-id":2,"response":{}}"#);
}

#[tokio::test]
async fn an_agent_that_sends_nothing_for_three_minutes_is_dropped_and_a_user_is_not() {
    let rig = Rig::start().await;
    let mut user = rig.logged_in_socket().await;
    let (mut pinging, mut silent) = (rig.socket_of("machine-0").await, rig.socket_of("machine-1").await);
    pass(AGENT_SILENCE_MAX * 2 / 3).await;
    ping(&mut pinging).await;
    assert_eq!(rig.server.connections().1, 3, "none has been silent for long enough");
    pass(AGENT_SILENCE_MAX * 2 / 3).await;
    assert_eq!(close_code(&mut silent).await, Some(CloseCode::Normal));
    ping(&mut pinging).await;
    ping(&mut user).await;
}

#[tokio::test]
async fn keys_in_any_case_reach_the_facade() {
    let rig = Rig::start().await;
    let mut socket = rig.logged_in_socket().await;
    let text = r#"{"Request-Id":2,"TYPE":"ModelManager","Version":10,"request":"Echo","Params":null,"trace-id":"x"}"#;
    socket.send(Frame::text(text)).await.unwrap();
    assert_eq!(text_of(&mut socket).await, r#"{"request-id":2,"response":{}}"#);
}

#[tokio::test]
async fn garbage_closes_its_connection_and_no_other() {
    let rig = Rig::start().await;
    let client = rig.client().await;
    for garbage in ["nonsense", "[]", r#"{"request-id":"one","type":"A"}"#, r#"{"request-id":1,"type":7}"#] {
        for mut socket in [rig.socket().await, rig.logged_in_socket().await] {
            socket.send(Frame::text(garbage)).await.unwrap();
            assert_eq!(close_code(&mut socket).await, Some(CloseCode::Normal), "{garbage}");
        }
    }
    assert!(client.call("ModelManager", &[10], "Echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn parameters_of_a_wrong_type_are_an_error_and_end_nothing() {
    let rig = Rig::start().await;
    let mut socket = rig.socket().await;
    let text = r#"{"request-id":1,"type":"Admin","version":3,"request":"Login","params":{"auth-tag":7}}"#;
    socket.send(Frame::text(text)).await.unwrap();
    let reply = text_of(&mut socket).await;
    assert!(reply.starts_with(r#"{"request-id":1,"error":"json: "#) && reply.ends_with(r#""response":{}}"#), "{reply}");
}

#[tokio::test]
async fn a_message_of_65_mib_is_refused() {
    let rig = Rig::start().await;
    let other = rig.client().await;
    let mut socket = rig.logged_in_socket().await;
    let piece = vec![b'x'; 1 << 20];
    for number in 0..65 {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        let frame = RawFrame::message(piece.clone(), OpCode::Data(kind), number == 64);
        if socket.send(Frame::Frame(frame)).await.is_err() {
            break;
        }
    }
    assert_eq!(close_code(&mut socket).await, Some(CloseCode::Size));
    assert!(other.call("ModelManager", &[10], "Echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn who_has_not_logged_in_may_send_a_mebibyte_and_no_more() {
    let rig = Rig::start().await;
    let mut socket = rig.socket().await;
    let text = format!(r#"{{"request-id":1,"type":"Admin","version":3,"request":"{}"}}"#, "x".repeat(2 << 20));
    let _ = socket.send(Frame::text(text)).await;
    while let Some(Ok(frame)) = socket.next().await {
        assert!(!matches!(frame, Frame::Text(_)), "it was answered");
    }
    rig.client().await;
}

#[tokio::test]
async fn compression_is_declined() {
    let rig = Rig::start().await;
    let mut stream = secure(&client_config(&rig.target.ca_cert).unwrap(), &rig.target.addresses[0]).await.unwrap();
    let request = concat!(
        "GET /api HTTP/1.1\r\nHost: juju\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
}

#[tokio::test]
async fn a_request_beyond_those_that_may_be_in_flight_is_to_try_again_and_a_ping_never_is() {
    let rig = Rig::start().await;
    let mut socket = rig.logged_in_socket().await;
    let last = REQUESTS_IN_FLIGHT_MAX + 2;
    for id in 2..=last {
        let text = format!(r#"{{"request-id":{id},"type":"ModelManager","version":10,"request":"Never"}}"#);
        socket.send(Frame::text(text)).await.unwrap();
    }
    let reply = text_of(&mut socket).await;
    assert!(reply.starts_with(&format!(r#"{{"request-id":{last},"error":"too many"#)), "{reply}");
    assert!(reply.contains(r#""error-code":"try again""#), "{reply}");
    socket.send(Frame::text(r#"{"request-id":9999,"type":"Pinger","version":1,"request":"Ping"}"#)).await.unwrap();
    assert_eq!(text_of(&mut socket).await, r#"{"request-id":9999,"response":{}}"#);
}
