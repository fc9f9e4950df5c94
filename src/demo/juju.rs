//! How Juju's own client looks at what the demo leaves running.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::stage::Stage;
use super::trouble::Trouble;

/// Gives both controllers' administrators a password, writes a store for Juju's client that knows both controllers, and
/// returns the lines to type.
///
/// Errors: [`Trouble`] if an agent refuses.
pub(super) async fn lines(stage: &Stage, scratch: &Path) -> Result<Vec<String>, Trouble> {
    let (password, store) = (scratch.join("juju-password"), scratch.join("juju"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&password)?;
    writeln!(file, "{}", uuid::Uuid::new_v4().simple())?;
    let (password, shown) = (password.to_string_lossy(), store.to_string_lossy());
    for agent in [&stage.src, &stage.dst] {
        let set = ["embedded", "user", "set-password", "admin", "--password-file", &password];
        let known = ["embedded", "client-config", "--juju-data", &shown, "--merge", "--password-file", &password];
        for arguments in [&set[..], &known[..]] {
            let told = agent.run(arguments).await?;
            if !told.status.success() {
                let text = String::from_utf8_lossy(&told.stderr);
                return Err(Trouble::new(format!("`modelferry {}` failed: {}", arguments.join(" "), text.trim())));
            }
        }
    }
    let (owner, model) = (&stage.model.told.owner, &stage.model.name);
    let commands =
        ["juju models -c src".to_owned(), format!("juju status -m dst:{owner}/{model} --relations --storage")];
    Ok(commands.into_iter().map(|command| format!("JUJU_DATA={shown} {command}")).collect())
}
