//! Memory does not grow with what is moved.

use modelferry::cli::demo::sample::Sample;

use super::host::ready;

/// Far more than the agents may use.
const MODEL_BYTES: u64 = 320 << 20;
/// What either side may use at most, whatever the size.
const MEMORY_BYTES_MAX: u64 = 96 << 20;

#[test]
fn a_large_model_moves_in_little_memory() {
    let sample = Sample { size_bytes: MODEL_BYTES, ..Sample::default() };
    let (src, dst, files) = ready(&sample);
    assert!(files.blob_bytes >= MODEL_BYTES);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    for host in [&src, &dst] {
        let peak = host.peak_memory_bytes();
        assert!(peak <= MEMORY_BYTES_MAX, "{} used {} MiB", host.name, peak >> 20);
    }
}
