//! Storage, in Juju's table.

use std::cmp::Ordering;

use crate::cli::output::{Paint, Table};
use crate::controller::status::named::natural;
use crate::controller::status::storage::{StorageInfo, StorageStatus};

/// Returns the storage, by the units it is attached to; what is attached to none comes last.
pub(super) fn storage(storage: &StorageStatus) -> Table {
    let mut rows: Vec<(&str, &str, &StorageInfo)> = Vec::new();
    for (id, info) in storage.storage.iter() {
        rows.extend(info.attachments.units.iter().map(|(unit, _)| (unit, id, info)));
        if info.attachments.units.is_empty() {
            rows.push(("", id, info));
        }
    }
    rows.sort_by(|(unit_a, id_a, _), (unit_b, id_b, _)| by_unit(unit_a, unit_b).then_with(|| natural(id_a, id_b)));
    // Juju leaves the column out where no pool is known.
    let pools = rows.iter().any(|(_, id, _)| !storage.pool(id).is_empty());
    let mut columns = vec!["Storage Unit", "Storage ID", "Type"];
    if pools {
        columns.push("Pool");
    }
    columns.extend(["Mountpoint", "Size", "Status", "Message"]);
    let mut table = Table::new(&columns).paint(&[("Status", Paint::Status)]);
    for (unit, id, info) in rows {
        let size = storage.size(id).map(size).unwrap_or_default();
        let mut cells = vec![unit, id, &info.kind];
        if pools {
            cells.push(storage.pool(id));
        }
        cells.extend([storage.mount_point(id, unit), &size, &info.status.current, &info.status.message]);
        table.row(cells);
    }
    table
}

fn by_unit(a: &str, b: &str) -> Ordering {
    a.is_empty().cmp(&b.is_empty()).then_with(|| natural(a, b))
}

/// Returns a size of so many MiB as Juju's table has it: one digit behind the point below ten.
fn size(mebibytes: u64) -> String {
    const UNITS: [&str; 4] = ["MiB", "GiB", "TiB", "PiB"];
    let (mut number, mut unit) = (mebibytes as f64, 0);
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    if number < 10.0 { format!("{number:.1} {}", UNITS[unit]) } else { format!("{number:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_figures_that_matter() {
        for (mebibytes, text) in
            [(10, "10 MiB"), (5, "5.0 MiB"), (1024, "1.0 GiB"), (10_240, "10 GiB"), (1 << 20, "1.0 TiB")]
        {
            assert_eq!(size(mebibytes), text);
        }
    }
}
