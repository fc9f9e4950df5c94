//! The commands that let the agents of a restored model dial another controller.
//!
//! In a migration Juju tells them where the model went. Where the old controller is lost nobody does: their configuration on each
//! machine names it, and they dial it for ever.

use super::connection::Live;
use crate::controller::description::machine::Machine;
use crate::controller::description::{Description, ModelKind};

/// What every agent has to know of its controller.
pub(super) struct ControllerAddress {
    /// `controller-UUID`.
    pub tag: String,
    /// `host:port` each.
    pub addresses: Vec<String>,
    /// PEM.
    pub ca_cert: String,
}

impl ControllerAddress {
    /// Reads it from a connection: the addresses that the controller names, or those that were dialled.
    pub fn of(live: &Live) -> Self {
        let named = live.result.servers.iter().flatten().filter(|node| node.scope != "local-machine");
        let mut addresses: Vec<String> = named.map(ToString::to_string).collect();
        if addresses.is_empty() {
            addresses.clone_from(&live.target.addresses);
        }
        let (tag, ca_cert) = (live.result.controller_tag.clone(), live.target.ca_cert.clone());
        Self { tag, addresses, ca_cert }
    }
}

/// Returns the lines that an operator types, on a host that reaches the model's machines.
pub(super) fn commands(told: &Description, place: &ControllerAddress) -> Vec<String> {
    match told.kind {
        ModelKind::Caas => of_pods(told, place),
        ModelKind::Iaas => of_machines(told, place),
    }
}

/// The agents' configuration is a file on each machine; one service runs the agents of a machine and of its units.
fn of_machines(told: &Description, place: &ControllerAddress) -> Vec<String> {
    let hosts: Vec<String> = told.all_machines().map(host).collect();
    if hosts.is_empty() {
        return Vec::new();
    }
    let quoted = place.addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ");
    let mut lines =
        vec!["cat > repoint.py <<'END'".to_owned(), "import glob, yaml".to_owned(), "ca = \"\"\"\\".to_owned()];
    lines.extend(place.ca_cert.trim_end().lines().map(str::to_owned));
    lines.extend([
        "\"\"\"".to_owned(),
        "for path in glob.glob(\"/var/lib/juju/agents/*/agent.conf\"):".to_owned(),
        "    first, conf = open(path).read().split(\"\\n\", 1)".to_owned(),
        "    conf = yaml.safe_load(conf)".to_owned(),
        format!("    conf.update(controller=\"{}\", apiaddresses=[{quoted}], cacert=ca)", place.tag),
        "    open(path, \"w\").write(first + \"\\n\" + yaml.safe_dump(conf))".to_owned(),
        "END".to_owned(),
        format!("for host in {}; do", hosts.join(" ")),
        "  ssh ubuntu@$host \"sudo python3 - && sudo systemctl restart 'jujud-machine-*'\" < repoint.py".to_owned(),
        "done".to_owned(),
    ]);
    lines
}

/// Returns the address by which an operator reaches a machine; a word to be replaced where the description has none.
fn host(machine: &Machine) -> String {
    let address = machine.preferred_public_address.as_ref().or(machine.preferred_private_address.as_ref());
    let address = address.or_else(|| machine.provider_addresses.first().or_else(|| machine.machine_addresses.first()));
    match address.map(|address| address.value.as_str()).filter(|value| !value.is_empty()) {
        Some(address) => address.to_owned(),
        None => format!("ADDRESS-OF-MACHINE-{}", machine.id.replace('/', "-")),
    }
}

/// A pod's agent takes the controller from a secret of its application when it starts.
fn of_pods(told: &Description, place: &ControllerAddress) -> Vec<String> {
    let secret = serde_json::json!({ "stringData": {
        "JUJU_K8S_CONTROLLER_ADDRESSES": place.addresses.join(","),
        "JUJU_K8S_CONTROLLER_CA_CERT": place.ca_cert,
    } });
    let of = |name: &str| {
        [
            format!("kubectl -n {} patch secret {name}-application-config --type merge -p '{secret}'", told.name),
            format!("kubectl -n {} delete pod -l app.kubernetes.io/name={name}", told.name),
        ]
    };
    told.applications.iter().flat_map(|application| of(&application.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::description::application::Application;
    use crate::controller::description::machine::Address;

    fn place() -> ControllerAddress {
        let ca_cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
        ControllerAddress { tag: "controller-u".to_owned(), addresses: vec!["10.0.0.4:17070".to_owned()], ca_cert }
    }

    #[test]
    fn every_machine_and_container_is_named_by_an_address_of_its_own() {
        let at = |value: &str| Some(Address { value: value.to_owned(), ..Address::default() });
        let container = Machine { preferred_private_address: at("10.1.1.9"), ..Machine::default() };
        let machine = Machine {
            preferred_public_address: at("192.0.2.7"),
            preferred_private_address: at("10.1.1.7"),
            containers: vec![container],
            ..Machine::default()
        };
        let unknown = Machine { id: "2/lxd/0".to_owned(), ..Machine::default() };
        let mut told = Description::default();
        told.machines = vec![machine, unknown];
        let lines = commands(&told, &place());
        assert!(
            lines.contains(&"for host in 192.0.2.7 10.1.1.9 ADDRESS-OF-MACHINE-2-lxd-0; do".to_owned()),
            "{lines:?}"
        );
        let script = lines.join("\n");
        for part in [
            "controller=\"controller-u\"",
            "apiaddresses=[\"10.0.0.4:17070\"]",
            "\nAAAA\n",
            "restart 'jujud-machine-*'",
        ] {
            assert!(script.contains(part), "{script}");
        }
        assert!(commands(&Description::default(), &place()).is_empty(), "it has no machines");
    }

    #[test]
    fn every_application_of_a_kubernetes_model_gets_a_secret_and_new_pods() {
        let mut application = Application::default();
        application.name = "db".to_owned();
        let mut told = Description::default();
        (told.kind, told.name, told.applications) = (ModelKind::Caas, "cos".to_owned(), vec![application]);
        let lines = commands(&told, &place());
        assert!(lines[0].starts_with("kubectl -n cos patch secret db-application-config"), "{lines:?}");
        assert!(lines[0].contains(r#""JUJU_K8S_CONTROLLER_ADDRESSES":"10.0.0.4:17070""#), "{lines:?}");
        assert_eq!(lines[1], "kubectl -n cos delete pod -l app.kubernetes.io/name=db");
    }
}
