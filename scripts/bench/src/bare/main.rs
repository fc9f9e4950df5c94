//! What an agent is measured against: QUIC alone, and the work on the bytes alone.
//!
//! `bare serve ADDRESS CERTIFICATE`: takes one connection with one stream, and writes its certificate where the sender finds it.
//! `bare send ADDRESS CERTIFICATE BYTES`: sends that many bytes, and waits until all are acknowledged.
//! `bare parts FILE`: hashes, cuts, and compresses and unpacks the bytes of a file, one after the other.
//!
//! Each prints seconds of processor; `parts` behind them what zstd left of the bytes, `send` before them seconds by the clock, from an established connection on.

mod parts;
mod stream;

use std::process::ExitCode;

/// What is told to whoever started this.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["serve", address, certificate] => stream::serve(address, certificate),
        ["send", address, certificate, bytes] => stream::send(address, certificate, bytes),
        ["parts", file] => parts::measure(file),
        _ => Err("give serve ADDRESS CERTIFICATE, send ADDRESS CERTIFICATE BYTES, or parts FILE".into()),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the seconds of processor that this process has had.
fn busy() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
