//! Where `backup create` writes to: one rule for archives, directories and peers.

use std::path::{Path, PathBuf};

use crate::agent::control::{Failure, FailureKind, Request, Response, nearest};
use crate::cli::Context;
use crate::cli::base::client;

/// What the name of an archive ends with that is named by the model.
pub(super) const SUFFIX: &str = ".tar.zst";

/// Where a backup goes.
pub(super) enum Target {
    /// Into this archive; with `--all` into this directory.
    Path(PathBuf),
    /// To this peer.
    Peer(String),
}

impl Target {
    /// Returns what `text` names: a peer, if one has that name; else a path, if it has a slash or a dot in it, or if a file or
    /// directory of that name is there; and otherwise nothing, as a peer's name with a typo looks the same.
    ///
    /// `all`: whether it is to hold every model, so that a path is a directory's.
    /// Errors: [`FailureKind::NotFound`] for a name of nothing; [`FailureKind::Refused`] for a directory in the place of an
    /// archive, or the other way round.
    pub(super) fn of(context: &Context, text: &str, all: bool) -> Result<Self, Failure> {
        let path = Path::new(text);
        if !text.contains('/') {
            let Response::Peers(peers) = context.ask(&Request::Peers {})? else { return Err(client::unexpected()) };
            if peers.iter().any(|peer| peer.name == text) {
                return Ok(Self::Peer(text.to_owned()));
            }
            if !text.contains('.') && !path.exists() {
                return Err(nothing(text, all, nearest(text, peers.iter().map(|peer| peer.name.as_str()))));
            }
        }
        let refused = |message: String, hint: String| {
            Err(Failure::new(FailureKind::Refused, message).state("nothing has changed").hint(hint))
        };
        let slashless = text.trim_end_matches('/');
        match (all, path.is_dir()) {
            (false, true) => refused(
                format!("{text} is a directory, and a backup of one model is one file"),
                format!(
                    "name a file in it, such as {slashless}/MODEL{}; --all backs up every model into {text}",
                    SUFFIX
                ),
            ),
            (true, false) if path.exists() => refused(
                format!("{text} is no directory, and with --all each model has an archive of its own"),
                "name a directory that is there".to_owned(),
            ),
            _ => Ok(Self::Path(path.to_owned())),
        }
    }
}

/// Returns the failure for a word that names neither a peer nor anything that is there.
fn nothing(text: &str, all: bool, meant: Option<&str>) -> Failure {
    let meant = meant.map_or_else(String::new, |peer| format!("did you mean \"{peer}\"?\n"));
    let next = match all {
        true => format!("for a directory make it first: `mkdir {text}`"),
        false => format!("for a file write ./{text}"),
    };
    Failure::new(FailureKind::NotFound, format!("\"{text}\" is no peer, and nothing of that name is here"))
        .state("nothing has changed")
        .hint(format!("{meant}see `modelferry peers`; {next}"))
}
