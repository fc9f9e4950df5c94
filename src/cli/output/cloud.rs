//! Clouds, as Juju's tables name them.

/// Returns a cloud and its region as Juju's tables have them.
pub(in crate::cli) fn cloud_region(cloud: &str, region: &str) -> String {
    if region.is_empty() { cloud.to_owned() } else { format!("{cloud}/{region}") }
}
