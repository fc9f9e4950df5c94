//! Whatever a client of Juju's API sends is a message or is refused; a message that is written is read again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry::juju::rpc::{Message, REQUEST_NODES_MAX};
use modelferry_fuzz::has_float;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(message) = Message::parse(text, REQUEST_NODES_MAX) else { return };
    let written = message.to_json();
    if serde_json::from_str::<Value>(&written).is_ok_and(|value| has_float(&value)) {
        return;
    }
    let again = Message::parse(&written, usize::MAX).expect("what we write is an envelope");
    assert_eq!(again.to_json(), written);
});
