//! Whatever parameters a client of Juju's API sends are read by Go's rules, or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry::juju::logstream::{LogMessage, LogRecord};
use modelferry::juju::params::admin::{LoginRequest, LoginResult, RedirectErrorInfo};
use modelferry::juju::params::migration_target::{MigrationModelInfo, SerializedModel};
use modelferry::juju::params::model_manager::{ModelInfo, ModelSummary};
use modelferry::juju::params::serialized_model::SerializedModelV2;
use modelferry::juju::params::{Entities, ErrorResults};
use modelferry_fuzz::{has_float, settles};
use serde_json::Value;

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
    settles::<MigrationModelInfo>(&value);
    settles::<SerializedModel>(&value);
    settles::<SerializedModelV2>(&value);
    settles::<ModelInfo>(&value);
    settles::<ModelSummary>(&value);
});
