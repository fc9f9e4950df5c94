//! Whether the agent can do with its real controller what a migration needs: asked by `modelferry doctor`.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use hyper::header::DATE;
use modelferry_protocol::plan::{Finding, Level};

use super::Juju;
use super::connection::Live;
use super::facades::{CLOUD, MIGRATION_TARGET, MODEL_MANAGER};
use crate::controller::checks::finding;
use crate::juju::http::UploadBody;

/// How far the clocks may be apart: certificates and macaroons are judged by them.
const CLOCKS_APART_SECONDS: i64 = 30;
/// What is called, and in which versions.
const FACADES: [(&str, &[u32]); 5] = [
    ("MigrationTarget", MIGRATION_TARGET),
    ("ModelManager", MODEL_MANAGER),
    ("UserManager", &[3]),
    ("Controller", &[11, 12, 13, 14]),
    ("Cloud", CLOUD),
];

impl Juju {
    /// Checks reach, TLS, login, rights, versions, facades and clock. Changes nothing. What cannot be checked because something
    /// before it fails is not reported.
    pub async fn doctor(&self) -> Vec<Finding> {
        let name = self.inner.connector.name().to_owned();
        let mut findings = self.restores_under_way().await;
        let live = match self.connect().await {
            Ok(live) => live,
            Err(error) => {
                let text = error.to_string();
                let fix = remedy(&text, &name);
                findings.push(finding(Level::Fail, "connection", text, fix));
                return findings;
            }
        };
        let told = &live.result.server_version;
        findings.extend([
            finding(
                Level::Pass,
                "connection",
                format!("{} answers, and proves that it is \"{name}\"", live.http().address),
                "",
            ),
            finding(Level::Pass, "version", format!("the controller runs Juju {told}"), ""),
            self.inner.rights(&live).await,
        ]);
        for (facade, known) in FACADES {
            findings.push(match live.version_of(facade, known) {
                Ok(version) => finding(Level::Pass, "facades", format!("{facade} {version}"), ""),
                Err(error) => finding(
                    Level::Fail,
                    "facades",
                    error.to_string(),
                    format!("juju upgrade-controller --controller {name}"),
                ),
            });
        }
        findings.push(clock(&live).await);
        findings
    }
}

impl Juju {
    /// Lists the restores that have not ended.
    async fn restores_under_way(&self) -> Vec<Finding> {
        let restores = match self.inner.restores().await {
            Ok(restores) => restores,
            Err(error) => return vec![finding(Level::Fail, "restore", error.to_string(), "")],
        };
        let text = |model: &str| {
            format!("model \"{model}\" is being restored from a backup; the agent's log says what that waits for")
        };
        restores.iter().map(|restoring| finding(Level::Warn, "restore", text(&restoring.model), "")).collect()
    }
}

/// Returns what mends a connection that does not come about.
fn remedy(text: &str, name: &str) -> String {
    let by = |what: &str| format!("{what} under [controller] of the agent's configuration");
    if text.contains("does not prove") && text.contains("certificate") {
        return by(&format!("correct ca-cert (`juju show-controller {name}` has it)"));
    }
    if text.contains("refuses the login") {
        return by(&format!(
            "correct user or password-file (`juju change-user-password --controller {name} USER` sets a new one)"
        ));
    }
    if text.contains("cannot read") || text.contains("is empty") {
        return by("let the agent's user read the file that is named, or correct the path");
    }
    if text.contains("runs Juju") {
        return format!("juju upgrade-controller --controller {name}");
    }
    by("correct endpoints")
}

/// Compares the clocks by the time at which the controller answers.
async fn clock(live: &Live) -> Finding {
    let answered = live.http().send(Method::GET, "/health", &[], UploadBody::empty()).await;
    let told = answered.ok().and_then(|reply| reply.headers.get(DATE)?.to_str().ok().map(str::to_owned));
    let Some(theirs) = told.as_deref().and_then(seconds_of) else {
        return finding(Level::Warn, "clock", "the controller does not tell its time", "");
    };
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    clocks(theirs - ours)
}

/// `apart`: seconds by which the controller's clock is ahead of this host's.
fn clocks(apart: i64) -> Finding {
    match apart.abs() {
        0..=CLOCKS_APART_SECONDS => finding(Level::Pass, "clock", "the clocks agree", ""),
        _ => finding(
            Level::Warn,
            "clock",
            format!("the controller's clock is {apart} s ahead of this host's"),
            "timedatectl status # on both hosts",
        ),
    }
}

/// Reads the time of an HTTP header.
fn seconds_of(date: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_date_is_read() {
        assert_eq!(seconds_of("Mon, 30 Nov 2026 03:00:00 GMT"), Some(1_796_007_600));
        assert_eq!(seconds_of("nonsense"), None);
    }

    #[test]
    fn clocks_that_are_more_than_half_a_minute_apart_are_told_either_way() {
        for (apart, level) in [(0, Level::Pass), (30, Level::Pass), (31, Level::Warn), (-31, Level::Warn)] {
            assert_eq!(clocks(apart).level, level, "{apart}");
        }
        assert!(clocks(-40).text.contains("-40 s ahead"));
    }

    #[test]
    fn each_failure_has_the_key_that_mends_it() {
        for (text, fix) in [
            ("10.0.0.4:17070 does not prove that it is the controller: bad certificate", "ca-cert"),
            ("controller \"west\" refuses the login: invalid entity name or password", "password-file"),
            ("cannot read /secret: permission denied", "let the agent's user read"),
            ("controller \"west\" runs Juju 2.9.1; this program", "juju upgrade-controller"),
            ("10.0.0.4:17070 cannot be reached: refused", "correct endpoints"),
        ] {
            assert!(remedy(text, "west").contains(fix), "{text}");
        }
    }
}
