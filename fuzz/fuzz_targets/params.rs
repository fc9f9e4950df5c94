//! Whatever parameters a client of Juju's API sends are read by Go's rules, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry::juju::logstream::{LogMessage, LogRecord};
use modelferry::juju::params::admin::{LoginRequest, LoginResult, RedirectErrorInfo};
use modelferry::juju::params::{Entities, ErrorResults, from_value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What was read is written and read again as it was.
fn settles<T: DeserializeOwned + Serialize>(value: &Value) {
    let Ok(read) = from_value::<T>(value) else { return };
    let written = serde_json::to_value(&read).expect("parameters are JSON");
    let again: T = from_value(&written).expect("what we write we read");
    assert_eq!(serde_json::to_value(&again).expect("parameters are JSON"), written);
}

/// Floats are not written as they were read: their last digit may differ.
fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if has_float(&value) {
        return;
    }
    settles::<LoginRequest>(&value);
    settles::<LoginResult>(&value);
    settles::<RedirectErrorInfo>(&value);
    settles::<Entities>(&value);
    settles::<ErrorResults>(&value);
    settles::<LogRecord>(&value);
    settles::<LogMessage>(&value);
});
