//! What the process itself takes of the host's memory, and the controller that tests of it start.

use std::fs;

use modelferry::config::EmbeddedConfig;

fn status_bytes(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Returns the bytes of memory that this process has resident.
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// Returns the most bytes that this process has had resident since its peak was reset.
pub fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// Returns the configuration of an embedded controller that has nothing of its own.
pub fn embedded_config() -> EmbeddedConfig {
    EmbeddedConfig {
        name: "here".to_owned(),
        cloud: "nimbus".to_owned(),
        region: "north-1".to_owned(),
        cloud_type: "openstack".to_owned(),
        version: "3.6.23".to_owned(),
        addresses: Vec::new(),
        identity_url: String::new(),
        accept_live_models: false,
        spaces: Vec::new(),
        storage_pools: Vec::new(),
        secret_backends: Vec::new(),
        credentials: Vec::new(),
        api: None,
        refusals: Vec::new(),
    }
}
