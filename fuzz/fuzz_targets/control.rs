//! Whatever a local user, or a peer's operator, sends to the control socket is a request or is refused; what is written is read again as it was.
#![no_main]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use modelferry::agent::control::wire::read_line;
use modelferry::agent::control::{REQUEST_BYTES_MAX, Request, Response};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        // All bytes are here: nothing is waited for.
        let reading = pin!(read_line(&mut rest, REQUEST_BYTES_MAX));
        let Poll::Ready(line) = reading.poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
        let Ok(line) = line else { break };
        if let Ok(request) = serde_json::from_slice::<Request>(&line) {
            let text = serde_json::to_string(&request).expect("requests have text for keys");
            assert_eq!(serde_json::from_str::<Request>(&text).expect("what we write we read"), request);
            assert!(!request.verb().is_empty());
            assert!(!(request.peer_may_ask() && request.changes()), "{text}");
        }
        if let Ok(response) = serde_json::from_slice::<Response>(&line) {
            let text = serde_json::to_string(&response).expect("responses have text for keys");
            let again: Response = serde_json::from_str(&text).expect("what we write we read");
            assert_eq!(serde_json::to_string(&again).unwrap(), text);
        }
    }
});
