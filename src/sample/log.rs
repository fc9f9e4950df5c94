//! The sample's log, as `juju debug-log --date --utc` would have told it.

use std::fs;
use std::io;
use std::path::Path;

use super::seed::Seed;

/// When the first line was written, Unix seconds: some day in 2026.
const FIRST_S: i64 = 1_772_000_000;
/// Lines of a piece.
const LINES: i64 = 40;
/// Seconds between two lines.
const STEP_S: i64 = 13;

/// Writes piece `number` into `dir`, under the name that an export gives it.
pub(super) fn piece(dir: &Path, number: u64, seed: &mut Seed) -> io::Result<()> {
    const UNITS: [&str; 3] = ["unit-postgresql-0", "unit-shop-0", "machine-1"];
    const TEXTS: [&str; 3] = [
        "juju.worker.uniter: ran \"update-status\" hook (via hook dispatching script: dispatch)",
        "juju.worker.leadership: leadership renewed",
        "juju.worker.provisioner: machine instance is running",
    ];
    let first = FIRST_S + number as i64 * LINES * STEP_S;
    let mut text = String::new();
    for line in 0..LINES {
        let time = jiff::Timestamp::from_second(first + line * STEP_S).map_err(io::Error::other)?;
        let (unit, said) = (UNITS[seed.below(3) as usize], TEXTS[seed.below(3) as usize]);
        text.push_str(&format!("{time} INFO {unit} {said}\n"));
    }
    fs::create_dir_all(dir)?;
    fs::write(dir.join(format!("{:04}.log", number + 1)), text)
}
