//! Which controller the agent stands beside, and how it reaches a real one.

use std::path::PathBuf;

use serde::Deserialize;

use super::environment::Environment;
use super::table::{table, values};
use super::value::{Absolute, HostPort, Named};

/// The user of a real controller unless the configuration names another: the one that `juju bootstrap` makes.
const USER_DEFAULT: &str = "admin";
/// What a controller is called that has no name of its own.
const NAME_DEFAULT: &str = "juju";

/// The controller beside the agent, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ControllerConfig {
    /// The one inside the agent.
    #[default]
    Embedded,
    /// A real one, as source and destination of migrations.
    Juju(JujuConfig),
}

/// How to reach a real controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JujuConfig {
    /// What operators call it. In a client store it has this name.
    pub name: String,
    /// Where the rest is.
    pub access: JujuAccess,
}

/// Where the addresses, the CA and the credentials of a real controller are. Files are read at every login, so that a
/// secret can be replaced while the agent runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JujuAccess {
    /// In the configuration.
    Given {
        /// `host:port` each.
        endpoints: Vec<String>,
        /// File of the CA certificate, PEM.
        ca_cert: PathBuf,
        /// The user's name, without `user-`.
        user: String,
        /// What proves the user.
        secret: JujuSecret,
    },
    /// In the store of a Juju client: a directory with `controllers.yaml` and `accounts.yaml`. It is never written.
    ClientStore(PathBuf),
}

/// A file with what proves a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JujuSecret {
    /// A password.
    Password(PathBuf),
    /// A session token.
    Token(PathBuf),
    /// Macaroons, JSON: a list of lists.
    Macaroons(PathBuf),
}

/// A word of `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// The controller inside the agent.
    Embedded,
    /// A real controller.
    Juju,
}

values! {
    Kind: "`embedded` or `juju`";
}

table! {
    /// The controller beside the agent: the embedded one, or a real controller of Juju 3.6, 4.0 or 4.1; its models leave by
    /// gateways (`[gateways.NAME]`). A real one needs either a client store, or endpoints, a CA certificate and one secret: `docs/juju.md`.
    [Default] pub(super) struct ControllerTable in "controller" {
        /// Which kind of controller it is.
        kind: Option<Kind> => "embedded",
        /// What operators call the real controller. In a client store it must have this name.
        name: Option<Named> => "(`juju`)",
        /// The addresses of the real controller's API. With several, the first that answers is used.
        endpoints: Vec<HostPort> => "[]" [serde(default)],
        /// A file with the CA certificate of the real controller, PEM.
        ca_cert: Option<Absolute> => "",
        /// A user of the real controller who is a superuser there.
        user: Option<Named> => "(`admin`)",
        /// A file with that user's password.
        password_file: Option<Absolute> => "",
        /// The name of a systemd credential with that user's password (`LoadCredential=`).
        password_credential: Option<Named> => "",
        /// A file with a session token.
        token_file: Option<Absolute> => "",
        /// A file with macaroons, as JSON.
        macaroons_file: Option<Absolute> => "",
        /// The directory of a Juju client's store (`$JUJU_DATA`, `~/.local/share/juju`), which is read and never written.
        client_store: Option<Absolute> => "",
    }
}

impl ControllerTable {
    /// Checks that the keys make sense together.
    ///
    /// Errors: a text that says what to write.
    pub(super) fn into_config(self, environment: &Environment) -> Result<ControllerConfig, String> {
        let Self { kind, name, endpoints, ca_cert, user, .. } = &self;
        if *kind != Some(Kind::Juju) {
            let others = name.is_some() || !endpoints.is_empty() || ca_cert.is_some() || user.is_some();
            return match others || self.client_store.is_some() || self.secrets(environment)?.next().is_some() {
                false => Ok(ControllerConfig::Embedded),
                true => {
                    Err("these keys are those of a real controller; add kind = \"juju\", or remove them".to_owned())
                }
            };
        }
        let named = name.as_ref().map_or_else(|| NAME_DEFAULT.to_owned(), |name| name.0.clone());
        let mut secrets = self.secrets(environment)?;
        let (secret, second) = (secrets.next(), secrets.next());
        drop(secrets);
        if let Some(store) = &self.client_store {
            let alone = endpoints.is_empty() && ca_cert.is_none() && user.is_none() && secret.is_none();
            return match (alone, name) {
                (true, Some(_)) => Ok(ControllerConfig::Juju(JujuConfig {
                    name: named,
                    access: JujuAccess::ClientStore(store.0.clone()),
                })),
                (true, None) => Err("client-store needs name: what the controller is called there".to_owned()),
                (false, _) => {
                    Err("client-store tells the endpoints, the CA and the user; remove those keys".to_owned())
                }
            };
        }
        let secret = match (secret, second) {
            (Some(secret), None) => secret,
            (None, _) => {
                return Err(
                    "write one of password-file, password-credential, token-file, macaroons-file, client-store"
                        .to_owned(),
                );
            }
            (Some(_), Some(_)) => return Err("write one secret; here are several".to_owned()),
        };
        let ca_cert = ca_cert.as_ref().ok_or("write ca-cert, the file of the controller's CA certificate")?.0.clone();
        if endpoints.is_empty() {
            return Err("write endpoints, such as [\"10.0.0.4:17070\"]".to_owned());
        }
        let user = user.as_ref().map_or(USER_DEFAULT, |user| &user.0);
        let access = JujuAccess::Given {
            endpoints: endpoints.iter().map(|endpoint| endpoint.0.clone()).collect(),
            ca_cert,
            user: user.to_owned(),
            secret,
        };
        Ok(ControllerConfig::Juju(JujuConfig { name: named, access }))
    }

    /// Returns the secrets that are named.
    ///
    /// Errors: a systemd credential without systemd.
    fn secrets(&self, environment: &Environment) -> Result<impl Iterator<Item = JujuSecret> + use<>, String> {
        let credential = self.password_credential.as_ref().map(|name| {
            let dir = environment.credentials_directory.as_ref();
            let dir =
                dir.ok_or("password-credential needs systemd's LoadCredential=; without it write password-file")?;
            Ok::<_, String>(JujuSecret::Password(dir.join(&name.0)))
        });
        let path = |file: &Option<Absolute>| file.as_ref().map(|path| path.0.clone());
        let found = [
            path(&self.password_file).map(JujuSecret::Password),
            credential.transpose()?,
            path(&self.token_file).map(JujuSecret::Token),
            path(&self.macaroons_file).map(JujuSecret::Macaroons),
        ];
        Ok(found.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<ControllerConfig, String> {
        let environment = Environment { credentials_directory: Some("/run/creds".into()), ..Environment::default() };
        let config = Config::parse(text, Path::new("f.toml"), &environment);
        config.map(|config| config.controller).map_err(|error| error.to_string())
    }

    #[test]
    fn an_agent_that_is_told_nothing_stands_beside_the_embedded_controller() {
        assert_eq!(parse(""), Ok(ControllerConfig::Embedded));
        assert_eq!(parse("[controller]\nkind = \"embedded\"\n"), Ok(ControllerConfig::Embedded));
    }

    #[test]
    fn a_real_controller_is_given_by_its_endpoints_or_by_a_client_store() {
        let given =
            "[controller]\nkind = \"juju\"\nname = \"west\"\nendpoints = [\"10.0.0.4:17070\"]\nca-cert = \"/ca.pem\"\n";
        let with = |secret: &str| parse(&format!("{given}{secret}"));
        let password = |path: &str| {
            ControllerConfig::Juju(JujuConfig {
                name: "west".to_owned(),
                access: JujuAccess::Given {
                    endpoints: vec!["10.0.0.4:17070".to_owned()],
                    ca_cert: "/ca.pem".into(),
                    user: "admin".to_owned(),
                    secret: JujuSecret::Password(path.into()),
                },
            })
        };
        assert_eq!(with("password-file = \"/secret\"\n"), Ok(password("/secret")));
        assert_eq!(with("password-credential = \"west\"\n"), Ok(password("/run/creds/west")));
        let store = parse("[controller]\nkind = \"juju\"\nname = \"west\"\nclient-store = \"/home/u/juju\"\n");
        let access = JujuAccess::ClientStore("/home/u/juju".into());
        assert_eq!(store, Ok(ControllerConfig::Juju(JujuConfig { name: "west".to_owned(), access })));
    }

    #[test]
    fn keys_that_make_no_sense_together_are_refused_with_what_to_write() {
        let juju = "[controller]\nkind = \"juju\"\n";
        let ca = "endpoints = [\"a:1\"]\nca-cert = \"/ca\"\n";
        for (text, told) in [
            ("[controller]\nname = \"west\"\n".to_owned(), "add kind = \"juju\""),
            (juju.to_owned(), "write one of password-file"),
            (format!("{juju}client-store = \"/s\"\n"), "client-store needs name"),
            (format!("{juju}name = \"w\"\nclient-store = \"/s\"\nuser = \"u\"\n"), "remove those keys"),
            (format!("{juju}password-file = \"/p\"\n"), "write ca-cert"),
            (format!("{juju}ca-cert = \"/ca\"\npassword-file = \"/p\"\n"), "write endpoints"),
            (format!("{juju}{ca}password-file = \"/p\"\ntoken-file = \"/t\"\n"), "here are several"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(told) && error.starts_with("f.toml:1: controller:"), "{error}");
        }
    }
}
