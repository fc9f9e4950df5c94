//! Parameters and results of Juju's API are read by Go's rules, or are refused: every type that a client or a controller sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modelferry::juju::logstream::{LogMessage, LogRecord};
use modelferry::juju::params::admin::{
    DeviceLogin, LoginRequest, LoginResult, RedirectErrorInfo, RedirectInfoResult, SessionTokenRequest,
};
use modelferry::juju::params::controller::{
    ApiInfo, ConfigResult, InitiateMigrationArgs, InitiateMigrationResult, ModelStatusResults, StringResult, UserAccess,
    VersionResult,
};
use modelferry::juju::params::migration_target::{
    BytesResult, CreateMigrationMacaroonResult, MigrationModelInfo, ModelArgs, SerializedModel,
};
use modelferry::juju::params::model_config::ConfigResults;
use modelferry::juju::params::model_manager::{ModelInfo, ModelSummariesRequest, ModelSummary, UserModelList};
use modelferry::juju::params::offers::{OfferDetails, OfferFilters};
use modelferry::juju::params::serialized_model::SerializedModelV2;
use modelferry::juju::params::status::{FullStatus, StatusParams};
use modelferry::juju::params::storage::{FilesystemDetails, StorageDetails, VolumeDetails};
use modelferry::juju::params::user_manager::{UserInfo, UserInfoRequest};
use modelferry::juju::params::watcher::{NextResults, WatcherId};
use modelferry::juju::params::{Entities, ErrorResults};
use modelferry_fuzz::{has_float, settles};
use serde_json::Value;

/// Reads the value as each type.
macro_rules! settle {
    ($value:expr, $($type:ty),+ $(,)?) => { $(settles::<$type>($value);)+ };
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if has_float(&value) {
        return;
    }
    settle!(&value, LoginRequest, LoginResult, SessionTokenRequest, DeviceLogin, RedirectErrorInfo, RedirectInfoResult);
    settle!(&value, Entities, ErrorResults, LogRecord, LogMessage, UserInfoRequest, UserInfo, WatcherId, NextResults);
    settle!(&value, InitiateMigrationArgs, InitiateMigrationResult, ModelStatusResults, ConfigResult, StringResult);
    settle!(&value, VersionResult, ApiInfo, UserAccess, ConfigResults, OfferFilters, OfferDetails);
    settle!(&value, MigrationModelInfo, SerializedModel, SerializedModelV2, ModelArgs, BytesResult);
    settle!(&value, CreateMigrationMacaroonResult, ModelSummariesRequest, ModelInfo, ModelSummary, UserModelList);
    settle!(&value, StatusParams, FullStatus, StorageDetails, FilesystemDetails, VolumeDetails);
});
