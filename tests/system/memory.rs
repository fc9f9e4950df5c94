//! Memory does not grow with what is moved, and what is moved is written about once.

use modelferry::sample::Sample;

use super::host::ready;

/// Far more than the agents may use.
const MODEL_BYTES: u64 = 320 << 20;
/// What either side may use at most, whatever the size.
const MEMORY_BYTES_MAX: u64 = 96 << 20;
/// What the target may have written to its disk for each byte of the binaries: them, the database, the journals.
const DISK_SHARE_MAX: f64 = 1.1;

#[test]
fn a_large_model_moves_in_little_memory() {
    let sample = Sample { size_bytes: MODEL_BYTES, ..Sample::default() };
    let (src, dst, files) = ready(&sample);
    assert!(files.blob_bytes >= MODEL_BYTES);
    let before = dst.bytes_to_disk();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    if let Some((before, after)) = before.zip(dst.bytes_to_disk()) {
        let share = (after - before) as f64 / files.blob_bytes as f64;
        println!("written to the target's disk: {share:.3} times the binaries");
        assert!(share <= DISK_SHARE_MAX, "the target had {share:.3} times the binaries written to its disk");
    }
    for host in [&src, &dst] {
        let peak = host.peak_memory_bytes();
        assert!(peak <= MEMORY_BYTES_MAX, "{} used {} MiB", host.name, peak >> 20);
    }
}
