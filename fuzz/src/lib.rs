//! What several targets have in common.

use modelferry::juju::params::from_value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reports whether a value holds a float: these are not written as they were read, since their last digit may differ.
pub fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

/// Checks that what was read is written, and read again as it was.
///
/// # Panics
///
/// If it is not.
pub fn settles<T: DeserializeOwned + Serialize>(value: &Value) {
    let Ok(read) = from_value::<T>(value) else { return };
    let written = serde_json::to_value(&read).expect("parameters are JSON");
    let again: T = from_value(&written).expect("what we write we read");
    assert_eq!(serde_json::to_value(&again).expect("parameters are JSON"), written);
}
