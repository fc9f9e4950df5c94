//! Which units stand on which machines, worked out once for every part of the description.

/// The machine charm with storage, resources, an offer and a peer relation.
pub(super) const DATABASE: &str = "postgresql";
/// The local charm: its web tier, one unit of which lives in a container.
pub(super) const SHOP: &str = "shop";
/// The subordinate.
pub(super) const TELEMETRY: &str = "telemetry";
/// The consumed offer of another model.
pub(super) const LOGS: &str = "logs";
/// The container on machine 0.
pub(super) const CONTAINER: &str = "0/lxd/0";

/// A unit and where it is.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// `postgresql/0`.
    pub(super) name: String,
    /// Its number within the application.
    pub(super) number: usize,
    /// The id of its machine or container.
    pub(super) machine: String,
    /// That machine's address.
    pub(super) address: String,
}

/// The model's units and machines.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// How many machines there are, the container not counted.
    pub(super) machines: usize,
    /// One on every machine but the last; on the only one where there is but one.
    pub(super) database: Vec<Unit>,
    /// One in the container, one on the last machine.
    pub(super) shop: Vec<Unit>,
    /// One beside every database unit.
    pub(super) telemetry: Vec<Unit>,
}

impl Layout {
    /// Spreads the applications over `machines` machines.
    pub(super) fn new(machines: usize) -> Self {
        let unit = |application: &str, number: usize, machine: &str| Unit {
            name: format!("{application}/{number}"),
            number,
            machine: machine.to_owned(),
            address: address_of(machine),
        };
        let databases = machines.saturating_sub(1).max(1);
        let on_databases = |application| (0..databases).map(|at| unit(application, at, &at.to_string())).collect();
        let mut shop = vec![unit(SHOP, 0, CONTAINER)];
        if machines > 1 {
            shop.push(unit(SHOP, 1, &(machines - 1).to_string()));
        }
        Self { machines, database: on_databases(DATABASE), shop, telemetry: on_databases(TELEMETRY) }
    }

    /// Returns the units of an application, none for one that is not the model's.
    pub(super) fn units(&self, application: &str) -> &[Unit] {
        match application {
            DATABASE => &self.database,
            SHOP => &self.shop,
            TELEMETRY => &self.telemetry,
            _ => &[],
        }
    }

    /// Returns the ids of all machines, the container among them.
    pub(super) fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = (0..self.machines).map(|machine| machine.to_string()).collect();
        hosts.push(CONTAINER.to_owned());
        hosts
    }
}

/// Returns the address of a machine, within the internal space.
pub(super) fn address_of(machine: &str) -> String {
    match machine.parse::<usize>() {
        Ok(number) => format!("10.64.{}.{}", number / 250, 4 + number % 250),
        Err(_) => "10.64.255.4".to_owned(),
    }
}
