//! What a command printed, and the exit codes that it may end with.

use serde_json::Value;

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Output {
    /// Expects success and returns what was printed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.out, self.err);
        self.out
    }

    /// Expects an exit code, and that the error says `text`.
    #[track_caller]
    pub fn fails(self, code: i32, text: &str) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(self.err.contains(text), "expected {text:?} in: {}", self.err);
        self.err
    }

    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Returns the exit codes that the help of a command tells of.
pub(super) fn documented_codes(args: &[&str]) -> Vec<i32> {
    let mut command = modelferry::cli::command();
    for arg in args {
        match command.find_subcommand(arg) {
            Some(inner) => command = inner.clone(),
            None if command.has_subcommands() => {}
            None => break,
        }
    }
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let codes = help.lines().skip_while(|line| *line != "EXIT CODES:").skip(1).take_while(|line| !line.is_empty());
    codes.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
