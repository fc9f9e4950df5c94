//! What travels of a model's binaries: what the target has does not, and what does is made small on a slow link.

use std::io::{Cursor, Write};

use modelferry::engine::view::Stand;
use modelferry::link::Limit;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::controller::Held;
use super::engines::pair;
use super::memory_controller::noise;

/// Lines of code, in no order: deflate and zstd make a third of them, and less.
fn lines(seed: u64, bytes: usize) -> Vec<u8> {
    let line = |(n, byte): (usize, u8)| format!("    self.field_{byte} = config.get(\"{}\")\n", n % 7).into_bytes();
    noise(seed, bytes / 16).into_iter().enumerate().flat_map(line).take(bytes).collect()
}

/// A charm, packed in this year.
fn charm(year: u16) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..120_u8 {
        let time = DateTime::from_date_and_time(year, 1 + n % 12, 7, n % 24, 30, 0).unwrap();
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(time);
        writer.start_file(format!("lib/m{n}.py"), options).unwrap();
        writer.write_all(&lines(n.into(), 60_000)).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_charm_packed_again_only_the_headers_travel() {
    let (src, dst) = pair(&[b"version: 12\n".to_vec(), charm(2026)]).await;
    // It was here once, under another model.
    dst.controller.hold(&[charm(2025)]);
    dst.controller.inner().site.held = Held::Absent;
    let mid = src.migrate("dst").await;
    let bytes = src.ends(mid, Stand::Moved).await.bytes;
    assert!(bytes.reused * 100 >= bytes.total * 96, "{bytes:?}");
    assert!(bytes.sent_wire * 100 <= bytes.total, "{bytes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_link_fewer_bytes_travel_than_at_the_usual_level() {
    let payload = lines(1, 12 << 20);
    let frames = payload.chunks(256 << 10);
    let usual: usize = frames.map(|frame| zstd::bulk::compress(frame, 3).unwrap().len()).sum();
    let (src, dst) = pair(&[b"version: 12\n".to_vec(), payload]).await;
    src.link().limit(None, Limit::AtMost("8mbit".parse().unwrap())).await.unwrap();
    let mid = src.migrate("dst").await;
    let bytes = src.ends(mid, Stand::Moved).await.bytes;
    assert!(bytes.sent_wire < usual as u64, "{usual} at level 3, {bytes:?}");
    dst.ends(mid, Stand::Moved).await;
}
