//! Tags: how Juju names things on the wire.

use modelferry_protocol::ids::ModelUuid;

/// The user that nobody is: consumers of offers log in as it.
pub const ANONYMOUS: &str = "jujuanonymous";
/// The domain that local users may be written with.
const LOCAL: &str = "@local";

/// Returns a user's tag.
pub fn user(name: &str) -> String {
    format!("user-{name}")
}

/// Returns a model's tag.
pub fn model(uuid: &str) -> String {
    format!("model-{uuid}")
}

/// Returns a controller's tag.
pub fn controller(uuid: &str) -> String {
    format!("controller-{uuid}")
}

/// Returns a cloud's tag.
pub fn cloud(name: &str) -> String {
    format!("cloud-{name}")
}

/// Returns a cloud credential's tag.
pub fn credential(cloud: &str, owner: &str, name: &str) -> String {
    // Underscores separate the three, so inside they are written otherwise, as in Juju.
    let part = |text: &str| text.replace('%', "%25").replace('_', "%5f");
    format!("cloudcred-{}_{}_{}", part(cloud), part(owner), part(name))
}

/// Returns a unit's tag: of `db/0` `unit-db-0`.
pub fn unit(name: &str) -> String {
    dashed("unit", name)
}

/// Returns an application's tag.
pub fn application(name: &str) -> String {
    format!("application-{name}")
}

/// Returns a machine's or container's tag: of `0/lxd/1` `machine-0-lxd-1`.
pub fn machine(id: &str) -> String {
    dashed("machine", id)
}

/// Returns the tag of something that is numbered: storage, a volume, a filesystem.
pub fn dashed(kind: &str, id: &str) -> String {
    format!("{kind}-{}", id.replace('/', "-"))
}

/// Returns the name in a user's tag, without `@local`; nothing for another kind of tag.
pub fn user_of(tag: &str) -> Option<&str> {
    let name = tag.strip_prefix("user-")?;
    let name = name.strip_suffix(LOCAL).unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// Returns the UUID in a model's tag; nothing for another kind of tag.
pub fn model_of(tag: &str) -> Option<ModelUuid> {
    tag.strip_prefix("model-")?.parse().ok()
}

/// Returns the UUID in a controller's tag; nothing for another kind of tag.
pub fn controller_of(tag: &str) -> Option<ModelUuid> {
    tag.strip_prefix("controller-")?.parse().ok()
}

/// Juju's words for what is no tag of the kind that was asked for.
pub fn not_a(kind: &str, tag: &str) -> String {
    format!("{tag:?} is not a valid {kind} tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_juju_writes_them() {
        assert_eq!(unit("postgresql-k8s/12"), "unit-postgresql-k8s-12");
        assert_eq!(machine("0/lxd/1"), "machine-0-lxd-1");
        assert_eq!(dashed("storage", "pgdata/0"), "storage-pgdata-0");
        assert_eq!(credential("my_cloud", "admin", "default"), "cloudcred-my%5fcloud_admin_default");
    }

    #[test]
    fn a_user_tag_is_read_with_and_without_its_domain() {
        assert_eq!(user_of("user-admin@local"), Some("admin"));
        assert_eq!(user_of("user-carol@external"), Some("carol@external"));
        assert_eq!((user_of("user-"), user_of("machine-0")), (None, None));
        assert_eq!(not_a("user", "machine-0"), "\"machine-0\" is not a valid user tag");
    }
}
