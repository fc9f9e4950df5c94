//! Whether the target has what the model uses: credential, secret back-ends, storage pools.

use modelferry_protocol::plan::{Finding, ModelFacts};

use crate::controller::checks::facts::{CONFIGURATION, Kind, Target};
use crate::controller::checks::{fail, pass, warn};

pub(super) fn credential(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "credential";
    let mut parts = facts.credential.splitn(3, '/');
    let (Some(owner), Some(cloud), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return pass(check, "the model uses no cloud credential");
    };
    // Juju writes a credential's id with its cloud first.
    let id = format!("{cloud}/{owner}/{name}");
    match target.credentials.iter().find(|known| known.owner == owner && known.name == name) {
        Some(known) if known.revoked => {
            let fix = target.fix(
                |controller| format!("juju update-credential --controller {controller} {cloud} {name}"),
                || format!("set revoked = false for it under [[embedded.credentials]] {CONFIGURATION}"),
            );
            fail(check, format!("credential \"{id}\" is revoked"), fix)
        }
        Some(known) if !known.valid => {
            let text =
                format!("credential \"{id}\" is not valid: the model would be suspended on the target controller");
            warn(check, text, format!("juju update-credential -c {} {cloud} {name}", target.name))
        }
        Some(_) => pass(check, format!("credential \"{id}\" is known and valid")),
        None => {
            let text = format!("credential \"{id}\" is not known, and is made from the model description");
            let fix = target.fix(
                |controller| format!("juju update-credential --controller {controller} {cloud} {name} # if it should be known before"),
                || {
                    format!(
                        "if it should be known before, add {{ name = \"{name}\", owner = \"{owner}\" }} to credentials under \
                         [embedded] {CONFIGURATION}"
                    )
                },
            );
            warn(check, text, fix)
        }
    }
}

pub(super) fn secret_backends(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "secret-backends";
    let known = |id: &str| target.secret_backends.iter().any(|known| known == id);
    let absent: Vec<String> =
        facts.secret_backends.iter().filter(|id| !known(id)).map(|id| format!("\"{}\"", &**id)).collect();
    if absent.is_empty() {
        return pass(check, format!("{} secret back-ends are known by their ids", facts.secret_backends.len()));
    }
    let ids = absent.join(", ");
    if target.kind == Kind::Juju && *facts.cloud_type == *"kubernetes" {
        let text = format!(
            "the target controller does not know secret back-end {ids}: it takes it for the model's own, which is in its cluster"
        );
        return warn(check, text, format!("juju secret-backends --controller {}", target.name));
    }
    let text = format!("cannot load secret backend {ids}: the target controller must have it under the same id");
    let fix = target.fix(
        |name| {
            format!(
                "juju add-secret-backend --controller {name} NAME vault --import-id ID --config FILE # for each: {ids}"
            )
        },
        || format!("add {ids} to secret-backends under [embedded] {CONFIGURATION}"),
    );
    fail(check, text, fix)
}

/// Reports whether a cloud of this type has pools of this provider without anybody making one.
fn is_built_in(provider: &str, cloud_type: &str) -> bool {
    matches!(provider, "loop" | "rootfs" | "tmpfs")
        || matches!(
            (cloud_type, provider),
            ("openstack", "cinder")
                | ("ec2", "ebs" | "ebs-ssd")
                | ("azure", "azure" | "azure-premium")
                | ("gce", "gce")
                | ("maas", "maas")
                | ("lxd", "lxd" | "lxd-zfs" | "lxd-btrfs")
                | ("kubernetes", "kubernetes")
                | ("oci", "oci" | "iscsi")
        )
}

pub(super) fn storage_pools(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "storage-pools";
    let known = |pool: &str, provider: &str| {
        is_built_in(provider, &target.cloud_type)
            || target.storage_pools.iter().any(|known| known.name == pool || known.provider == provider)
    };
    let pools = facts.storage_pools.iter().map(|pool| pool.rsplit_once(':').unwrap_or((pool, pool)));
    let absent: Vec<(&str, &str)> = pools.filter(|(pool, provider)| !known(pool, provider)).collect();
    if absent.is_empty() {
        return pass(check, format!("{} storage pools can be served", facts.storage_pools.len()));
    }
    let named = absent.iter().map(|(pool, provider)| format!("\"{pool}\" of provider {provider}"));
    let tables = absent.iter().map(|(pool, provider)| format!("{{ name = \"{pool}\", provider = \"{provider}\" }}"));
    let fix =
        format!("add {} to storage-pools under [embedded] {CONFIGURATION}", tables.collect::<Vec<_>>().join(", "));
    fail(check, format!("storage pool not found: {}", named.collect::<Vec<_>>().join(", ")), fix)
}
