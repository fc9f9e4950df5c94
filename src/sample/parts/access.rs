//! Who may do what, and what only some may read: users, secrets, keys, the cloud's credential.

use super::relations::logs_model;
use crate::sample::facts::{CREDENTIAL, OWNER};
use crate::sample::kit::Sample;
use crate::sample::layout::Layout;
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

/// Returns the wrapped list of users.
pub(in crate::sample) fn users(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "users");
    let mut user = |name: &str, display: Option<&str>, creator: &str, access: &str, seen: bool| {
        map! {
            "name": name,
            "display-name": display,
            "created-by": creator,
            "date-created": seed.time(0),
            "access": access,
            "last-connection": seen.then(|| seed.time(300)),
        }
    };
    let mut users = vec![user(OWNER, Some(OWNER), OWNER, "admin", true)];
    if sample.home.has_guests {
        users.push(user("bob", Some("Bob"), OWNER, "write", false));
        users.push(user("carol@external", None, "everyone@external", "read", false));
    }
    Node::wrapped(1, "users", users)
}

/// Returns the cloud's credential.
pub(in crate::sample) fn credential(sample: &Sample) -> Node {
    map! {
        "version": 2u32,
        "owner": OWNER,
        "cloud": sample.home.cloud,
        "name": CREDENTIAL,
        "auth-type": "userpass",
        "attributes": map! {
            "domain-name": "default",
            "password": "not-a-real-password",
            "tenant-name": "drill",
            "username": "juju",
        },
    }
}

/// Returns the wrapped list of secrets: one kept by the model itself, one in a back-end if there is one.
pub(in crate::sample) fn secrets(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "secrets");
    let mut secrets = vec![internal(&mut seed)];
    secrets.extend(sample.home.secret_backend.map(|backend| in_backend(backend, &mut seed)));
    Node::wrapped(2, "secrets", secrets)
}

fn internal(seed: &mut Seed) -> Node {
    let revision = map! {
        "number": 1u32,
        "create-time": seed.time(200),
        "update-time": seed.time(201),
        "content": map! { "password": "ZHJpbGwtcGFzc3dvcmQ=", "username": "cmVsYXRpb24tMQ==" },
    };
    let consumer = map! { "consumer": "application-shop", "label": "db", "current-revision": 1u32 };
    map! {
        "id": seed.secret_id(),
        "secret-version": 1u32,
        "description": "",
        "label": "database.1.user.secret",
        "owner": "application-postgresql",
        "create-time": seed.time(200),
        "update-time": seed.time(201),
        "revisions": [revision],
        "acl": map! {
            "application-shop": map! { "scope": "relation-shop.db#postgresql.database", "role": "view" },
        },
        "consumers": [consumer],
        "latest-revision-checksum": seed.hex::<32>(),
    }
}

fn in_backend(backend: &str, seed: &mut Seed) -> Node {
    let id = seed.secret_id();
    let reference = map! { "backend-id": backend, "revision-id": format!("{id}-1") };
    let revision = map! {
        "number": 1u32,
        "create-time": seed.time(210),
        "update-time": seed.time(211),
        "value-ref": reference,
        "expire-time": Node::Plain("2027-01-01T00:00:00Z".into()),
    };
    map! {
        "id": id,
        "secret-version": 1u32,
        "description": "kept by vault",
        "label": "tls",
        "rotate-policy": "monthly",
        "owner": "application-postgresql",
        "create-time": seed.time(210),
        "update-time": seed.time(211),
        "revisions": [revision],
        "next-rotate-time": Node::Plain("2026-09-20T00:00:00Z".into()),
        "latest-revision-checksum": seed.hex::<32>(),
    }
}

/// Returns the wrapped list of other models' secrets that this one reads.
pub(in crate::sample) fn remote_secrets(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "remote secrets");
    let secret = map! {
        "id": seed.secret_id(),
        "source-uuid": logs_model(sample),
        "consumer": "application-shop",
        "label": "logs-token",
        "current-revision": 1u32,
        "latest-revision": 1u32,
    };
    Node::wrapped(1, "remote-secrets", vec![secret])
}

/// Returns the wrapped list of the hosts' public SSH keys.
pub(in crate::sample) fn ssh_host_keys(sample: &Sample, layout: &Layout) -> Node {
    let mut seed = Seed::new(sample.seed, "ssh host keys");
    let keys = layout.hosts().into_iter().map(|host| {
        map! { "machine-id": host, "keys": [format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{}", seed.hex::<22>())] }
    });
    Node::wrapped(1, "ssh-host-keys", keys.collect())
}

/// Returns the wrapped list of the virtual hosts' keys.
pub(in crate::sample) fn virtual_host_keys(layout: &Layout) -> Node {
    let unit = &layout.database[0].name;
    let key = map! { "id": format!("unit-{}", unit.replace('/', "-")), "host-key": "Tk9ULUEtS0VZ" };
    Node::wrapped(1, "virtual-host-keys", vec![key])
}
