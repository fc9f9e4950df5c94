//! Colours, where Juju has them.

/// What a column's cells are, as far as it decides on their colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Statuses, by whether they are good.
    Status,
    /// Addresses.
    Address,
    /// Opened ports.
    Ports,
    /// `yes` or `no`.
    Answer,
    /// A number of units; `2/3` if some are not there.
    Scale,
    /// What deserves to be read first.
    Alarm,
}

/// Begins what is bold.
pub const BOLD: &str = "\u{1b}[1m";
/// Ends whatever was begun.
pub const RESET: &str = "\u{1b}[0m";

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const CYAN: &str = "\u{1b}[36m";
const MAGENTA: &str = "\u{1b}[95m";

impl Paint {
    /// Returns what begins the colour of a cell; nothing if it has none.
    pub fn of(self, text: &str) -> Option<&'static str> {
        match self {
            _ if text.is_empty() => None,
            Self::Status => of_status(text),
            Self::Address => Some(CYAN),
            Self::Ports => Some(MAGENTA),
            Self::Answer => (text == "yes").then_some(GREEN),
            Self::Scale => text.contains('/').then_some(YELLOW),
            Self::Alarm => Some(RED),
        }
    }
}

/// Juju's words, in Juju's colours; links of peers are `up` or `down` with a reason.
fn of_status(status: &str) -> Option<&'static str> {
    match status.split([',', ':']).next().unwrap_or(status) {
        "active" | "running" | "idle" | "started" | "executing" | "attaching" | "attached" | "available" | "up" => {
            Some(GREEN)
        }
        "allocating" | "lost" | "maintenance" | "pending" | "rebooting" | "stopped" | "unknown" | "detaching"
        | "detached" | "waiting" | "busy" => Some(YELLOW),
        "blocked" | "down" | "error" | "failed" | "terminated" => Some(RED),
        _ => None,
    }
}

/// Returns `text` in colour, if it is to have one.
pub fn painted(text: &str, paint: Paint, color: bool) -> String {
    match paint.of(text).filter(|_| color) {
        Some(begin) => format!("{begin}{text}{RESET}"),
        None => text.to_owned(),
    }
}
