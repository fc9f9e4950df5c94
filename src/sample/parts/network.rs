//! Spaces, subnets, devices, addresses, the firewall.

use crate::sample::facts::SPACES;
use crate::sample::kit::Sample;
use crate::sample::layout::{CONTAINER, Layout, address_of};
use crate::sample::seed::Seed;
use crate::sample::yaml::{Node, map};

const ZONES: [&str; 2] = ["zone-a", "zone-b"];

/// Returns the wrapped list of spaces.
pub(in crate::sample) fn spaces(sample: &Sample) -> Node {
    let spaces = SPACES.iter().enumerate().map(|(id, space)| {
        map! {
            "id": id.to_string(),
            "uuid": (sample.document > 12).then(|| space_uuid(sample, id)),
            "name": space.name,
            "public": space.name == "public",
            "provider-id": (id > 0).then(|| format!("space-{}", space.name)),
        }
    });
    Node::wrapped(if sample.document > 12 { 3 } else { 2 }, "spaces", spaces.collect())
}

fn space_uuid(sample: &Sample, id: usize) -> String {
    Seed::new(sample.seed, &format!("space {id}")).uuid()
}

/// Returns the wrapped list of subnets, one in every space.
pub(in crate::sample) fn subnets(sample: &Sample) -> Node {
    let mut seed = Seed::new(sample.seed, "subnets");
    let subnets = SPACES.iter().enumerate().map(|(id, space)| {
        map! {
            "subnet-id": id.to_string(),
            "uuid": (sample.document > 12).then(|| seed.uuid()),
            "provider-id": format!("subnet-{}", space.name),
            "provider-network-id": format!("net-{}", space.name),
            "cidr": space.cidr,
            "vlan-tag": 0u32,
            "availability-zones": ZONES,
            "is-public": space.name == "public",
            "space-id": id.to_string(),
            "space-uuid": (sample.document > 12).then(|| space_uuid(sample, id)),
            "space-name": "",
        }
    });
    Node::wrapped(6, "subnets", subnets.collect())
}

fn device_of(host: &str) -> &'static str {
    if host == CONTAINER { "eth0" } else { "ens3" }
}

/// Returns the wrapped list of network devices, one on every host.
pub(in crate::sample) fn devices(sample: &Sample, layout: &Layout) -> Node {
    let mut seed = Seed::new(sample.seed, "devices");
    let devices = layout.hosts().into_iter().map(|host| {
        let [a, b, c] = seed.bytes::<3>();
        map! {
            "name": device_of(&host),
            "mtu": 1500u32,
            "provider-id": seed.uuid(),
            "machine-id": &host,
            "type": "ethernet",
            "mac-address": format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}"),
            "is-autostart": true,
            "is-up": true,
            "parent-name": "",
        }
    });
    Node::wrapped(1, "link-layer-devices", devices.collect())
}

/// Returns the wrapped list of addresses, one on every host.
pub(in crate::sample) fn addresses(layout: &Layout) -> Node {
    let addresses = layout.hosts().into_iter().map(|host| {
        map! {
            "provider-id": format!("ip-{host}"),
            "device-name": device_of(&host),
            "machine-id": &host,
            "subnet-cidr": SPACES[1].cidr,
            "config-method": "dhcp",
            "value": address_of(&host),
            "dns-servers": ["10.64.0.1"],
            "dns-search-domains": ["drill.example"],
            "gateway-address": "10.64.0.1",
            "is-default-gateway": true,
            "provider-network-id": "net-internal",
            "provider-subnet-id": "subnet-internal",
            "origin": "provider",
            "is-shadow": false,
            "is-secondary": false,
        }
    });
    Node::wrapped(5, "ip-addresses", addresses.collect())
}

/// Returns the wrapped list of firewall rules.
pub(in crate::sample) fn firewall() -> Node {
    let rule = map! { "id": "ssh", "well-known-service": "ssh", "whitelist-cidrs": ["192.0.2.0/24"] };
    Node::wrapped(1, "firewall-rules", vec![rule])
}
