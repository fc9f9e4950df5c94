//! `modelferry gateway sign`: the destination controller's CA certifies the gateway's key.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::csr::PEM_BYTES_MAX;
use crate::agent::control::{Failure, FailureKind, Request};
use crate::cli::Context;
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::cli::base::spool;
use crate::clock::now_ms;
use crate::config::words;
use crate::juju::csr::{DAY_SECONDS, VALID_DAYS, sign};
use crate::juju::tls::fingerprint;

const HELP: Help = Help {
    examples: &[
        "sudo modelferry gateway sign gateway.csr > gateway.pem",
        "sudo modelferry gateway sign gateway.csr --agent-conf /var/lib/juju/agents/machine-0/agent.conf",
    ],
    exits: exit::ASKING,
    juju: None,
};

/// Where Juju's agents keep their configuration.
const AGENTS: &str = "/var/lib/juju/agents";

/// Sign the gateway's request with the destination controller's CA
///
/// Type it on a machine of the destination controller, as root: the CA's key is in the configuration of the machine's own Juju agent,
/// and is only read. The certificate that it prints holds for 30 days, has the name that clients of a controller verify, and can sign
/// nothing. Copy it to the source agent's host, and name it in the agent's configuration. The agent beside the destination controller
/// records who has signed what, and until when: see `modelferry events`.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct SignArgs {
    /// The request, as `modelferry gateway csr --key FILE` printed it
    #[arg(value_name = "FILE")]
    request: PathBuf,
    /// The configuration of a Juju agent of the controller, if not the one that is found on this machine
    #[arg(long, value_name = "FILE")]
    agent_conf: Option<PathBuf>,
    /// Sign although no agent of modelferry on this machine records it: its audit trail will not tell of the certificate
    #[arg(long)]
    unrecorded: bool,
}

/// What is read of a Juju agent's configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AgentConf {
    /// The controller's CA, PEM.
    cacert: String,
    /// Its key, PEM; only agents of the controller itself have it.
    caprivatekey: String,
}

impl SignArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let request = text(&self.request)?;
        let (path, conf) = match &self.agent_conf {
            Some(path) => (path.clone(), read(path)?),
            None => found(Path::new(AGENTS))?,
        };
        if conf.caprivatekey.is_empty() {
            return Err(no_key(&format!("{} has no CA key", path.display())));
        }
        let now_s = now_ms() / 1000;
        let chain = sign(&request, &conf.cacert, &conf.caprivatekey, now_s).map_err(|error| {
            let text = format!("{} is not signed with the CA of {}: {error}", self.request.display(), path.display());
            Failure::new(FailureKind::Refused, text)
                .state("nothing was signed")
                .hint("the request is what `modelferry gateway csr --key FILE` printed, whole and unchanged")
        })?;
        let ca = fingerprint(&conf.cacert).unwrap_or_default();
        let certificate = fingerprint(&chain).unwrap_or_default();
        if !self.unrecorded {
            // Before it is shown: nothing poses as the controller that its agent does not know of.
            let until_s = now_s + VALID_DAYS * DAY_SECONDS;
            let noted = Request::NoteSigned { certificate: certificate.clone(), ca: ca.clone(), until_s };
            context.ask(&noted).map_err(unrecorded)?;
        }
        let shown = json!({ "chain": chain, "days": VALID_DAYS, "ca-fingerprint": ca, "fingerprint": certificate });
        context.print(&shown, || chain.clone());
        context.remark(&format!(
            "signed for {VALID_DAYS} days with the CA {ca}; next: copy this to the source agent's host, and name it in the agent's \
             configuration"
        ));
        Ok(Exit::Done)
    }
}

/// Says what follows if the agent cannot record the signature.
fn unrecorded(failure: Failure) -> Failure {
    let hint = format!(
        "start the agent beside the destination controller on this machine, and sign again; or sign with --unrecorded, and note the \
         certificate's fingerprint yourself{}{}",
        if failure.hint.is_empty() { "" } else { ". " },
        failure.hint
    );
    failure.state("nothing was signed: the audit trail must tell of it first").hint(hint)
}

fn text(path: &Path) -> Result<String, Failure> {
    spool::small_text(path, PEM_BYTES_MAX)?.map_err(|error| unreadable(path, &words::of_text(&error)))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Refused, format!("cannot read {}: {error}", path.display())).state("nothing was signed")
}

fn no_key(text: &str) -> Failure {
    Failure::new(FailureKind::NotFound, text)
        .state("nothing was signed")
        .hint("type it with sudo on a machine of the destination controller, or name its agent.conf with --agent-conf")
}

fn read(path: &Path) -> Result<AgentConf, Failure> {
    let text = text(path)?;
    serde_saphyr::from_str(&text).map_err(|error| unreadable(path, &error))
}

/// Looks for an agent of a controller: one that has the CA's key.
fn found(agents: &Path) -> Result<(PathBuf, AgentConf), Failure> {
    let folders =
        fs::read_dir(agents).map_err(|error| no_key(&format!("cannot read {}: {error}", agents.display())))?;
    let mut paths: Vec<PathBuf> = folders.filter_map(|entry| Some(entry.ok()?.path().join("agent.conf"))).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.exists()) {
        let conf = read(&path)?;
        if !conf.caprivatekey.is_empty() {
            return Ok((path, conf));
        }
    }
    Err(no_key(&format!("no Juju agent below {} has the key of a controller's CA", agents.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::juju::csr::ask;
    use crate::juju::tls::Authority;

    fn indented(pem: &str) -> String {
        pem.lines().map(|line| format!("  {line}\n")).collect()
    }

    #[test]
    fn the_cas_key_is_found_in_the_agent_of_the_controller() {
        let dir = tempfile::TempDir::new().unwrap();
        let put = |agent: &str, text: &str| {
            fs::create_dir(dir.path().join(agent)).unwrap();
            fs::write(dir.path().join(agent).join("agent.conf"), text).unwrap();
        };
        assert!(found(dir.path()).is_err());
        put("machine-7", "# format 2.0\ntag: machine-7\ncacert: |\n  a certificate\n");
        assert!(found(dir.path()).unwrap_err().hint.contains("sudo"));
        let authority = Authority::make().unwrap();
        let (cert, key) = (indented(&authority.cert_pem), indented(&authority.key_pem));
        put(
            "machine-8",
            &format!(
                "# format 2.0\ntag: machine-8\njobs:\n- JobManageModel\ncacert: |\n{cert}caprivatekey: |\n{key}apiport: 17070\n"
            ),
        );
        let (path, conf) = found(dir.path()).unwrap();
        assert!(path.ends_with("machine-8/agent.conf"));
        sign(&ask().unwrap().request_pem, &conf.cacert, &conf.caprivatekey, now_ms() / 1000).unwrap();
    }
}
