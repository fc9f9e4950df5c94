//! The `modelferry` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    if let Ok(spec) = std::env::var("MODELFERRY_FAILPOINT")
        && let Err(text) = modelferry::engine::failpoint::arm(&spec)
    {
        eprintln!("MODELFERRY_FAILPOINT: {text}");
        return ExitCode::from(2);
    }
    modelferry::cli::main(modelferry::demo::run)
}
