//! Handles Ctrl-C while a migration is followed: the migration goes on, and the command says so.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::base::exit::Exit;
use crate::cli::output::plain;

/// From now on, lets Ctrl-C clear the bar, say that these go on, and end the command.
///
/// Errors: the host refuses a handler; Ctrl-C then ends the command without a word, as it always does.
pub(super) fn explain(ids: &[String], bar: Option<ProgressBar>) -> io::Result<()> {
    let text = text(ids);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut pressed = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(pressed.recv());
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let _ = writeln!(io::stderr(), "{text}");
        std::process::exit(Exit::Interrupted as i32);
    })?;
    Ok(())
}

/// Says that these go on, and what to type next.
fn text(ids: &[String]) -> String {
    let shown: Vec<_> = ids.iter().map(|id| plain(id)).collect();
    let (verb, first) = (if shown.len() == 1 { "goes" } else { "go" }, shown.first().map_or("ID", |id| id));
    let all = shown.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "\nInterrupted, but {all} {verb} on; nothing was stopped.\n\
         Follow it again with `modelferry wait {first}`. Until it is decided, `modelferry abort {first}` on its source gives it up."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_presses_ctrl_c_is_told_what_goes_on_and_how_to_end_it() {
        let one = text(&["u:0".to_owned()]);
        assert!(one.contains("\"u:0\" goes on") && one.contains("`modelferry abort u:0`"), "{one}");
        assert!(text(&["u:0".to_owned(), "v:0".to_owned()]).contains("\"u:0\", \"v:0\" go on"));
    }
}
