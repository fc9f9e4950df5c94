//! Addresses, CA and credentials of a real controller: from the configuration, or from a Juju client's store.
//!
//! The files are read at every login, so that a password which was replaced counts at once. Nothing is written.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::config::{JujuAccess, JujuConfig, JujuSecret, read_text};
use crate::controller::expiry;
use crate::juju::http::Credentials;
use crate::juju::params::admin::LoginRequest;
use crate::juju::params::tag;
use crate::secret::SecretText;

/// How the agent reaches a controller and logs in.
#[derive(Clone)]
pub(super) struct Access {
    /// `host:port` each.
    pub addresses: Vec<String>,
    /// CA certificate, PEM.
    pub ca_cert: String,
    /// Who logs in.
    pub login: Login,
}

/// What proves the user. It has no `Debug`: secrets stay out of logs.
#[derive(Clone)]
pub(super) enum Login {
    /// `user-NAME` and a password.
    Password(String, SecretText),
    /// A session token.
    Token(SecretText),
    /// `user-NAME`, empty for an external user, and macaroons.
    Macaroons(String, Vec<Vec<Value>>),
}

impl Login {
    /// Returns the parameters of `Admin.Login`; none for a token, which has a call of its own.
    pub fn request(&self, client_version: &str) -> Option<LoginRequest> {
        let mut request = LoginRequest {
            bakery_version: 3,
            cli_args: "modelferry".to_owned(),
            client_version: client_version.to_owned(),
            ..LoginRequest::default()
        };
        match self {
            Self::Password(user, password) => {
                (request.auth_tag, request.credentials) = (user.clone(), password.clone())
            }
            Self::Macaroons(user, macaroons) => {
                (request.auth_tag, request.macaroons) = (user.clone(), macaroons.clone());
            }
            Self::Token(_) => return None,
        }
        Some(request)
    }

    /// Returns when it ends, Unix seconds; nothing for a login that does not end by itself.
    pub fn ends_s(&self) -> Option<u64> {
        match self {
            Self::Password(..) => None,
            Self::Token(token) => expiry::of_token(token),
            Self::Macaroons(_, macaroons) => expiry::of_macaroons(macaroons),
        }
    }

    /// Returns how HTTP requests say who sends them.
    pub fn credentials(&self) -> Credentials {
        let mut credentials = Credentials::default();
        match self {
            Self::Password(user, password) => {
                (credentials.auth_tag, credentials.password) = (user.clone(), password.clone());
            }
            Self::Token(token) => credentials.password.clone_from(token),
            Self::Macaroons(user, macaroons) => {
                (credentials.auth_tag, credentials.macaroons) = (user.clone(), macaroons.clone());
            }
        }
        credentials
    }
}

/// Reads a file whose end may have a newline that is no part of the secret.
fn secret(path: &Path) -> Result<SecretText, String> {
    let text = Zeroizing::new(read(path)?);
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(secret.into()) }
}

fn read(path: &Path) -> Result<String, String> {
    read_text(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn macaroons(text: &str, path: &Path) -> Result<Vec<Vec<Value>>, String> {
    serde_json::from_str(text).map_err(|error| format!("{} holds no list of macaroons: {error}", path.display()))
}

/// Reads what the configuration names.
///
/// Errors: a text that names the file.
pub(super) fn access(config: &JujuConfig) -> Result<Access, String> {
    match &config.access {
        JujuAccess::Given { endpoints, ca_cert, user, secret: proof } => {
            let user = tag::user(user);
            let login = match proof {
                JujuSecret::Password(path) => Login::Password(user, secret(path)?),
                JujuSecret::Token(path) => Login::Token(secret(path)?),
                JujuSecret::Macaroons(path) => {
                    // Juju takes external users by their macaroons alone.
                    let user = if user.contains('@') { String::new() } else { user };
                    Login::Macaroons(user, macaroons(&read(path)?, path)?)
                }
            };
            Ok(Access { addresses: endpoints.clone(), ca_cert: read(ca_cert)?, login })
        }
        JujuAccess::ClientStore(dir) => of_client_store(dir, &config.name),
    }
}

#[derive(Deserialize)]
struct Stored<T> {
    #[serde(default = "BTreeMap::new")]
    controllers: BTreeMap<String, T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[derive(Default)]
struct StoredController {
    api_endpoints: Vec<String>,
    ca_cert: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct StoredAccount {
    user: String,
    password: SecretText,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Cookie {
    name: String,
    value: String,
}

fn stored<T: serde::de::DeserializeOwned>(path: &Path, name: &str) -> Result<T, String> {
    let stored: Stored<T> = serde_saphyr::from_str(&read(path)?)
        .map_err(|error| format!("{} is not what a Juju client writes: {error}", path.display()))?;
    let mut controllers = stored.controllers;
    let known = controllers.keys().cloned().collect::<Vec<_>>().join(", ");
    controllers.remove(name).ok_or_else(|| format!("{} has no controller \"{name}\", but {known}", path.display()))
}

fn of_client_store(dir: &Path, name: &str) -> Result<Access, String> {
    let controller: StoredController = stored(&dir.join("controllers.yaml"), name)?;
    let account: StoredAccount = stored(&dir.join("accounts.yaml"), name)?;
    let user = tag::user(&account.user);
    let login = if account.password.is_empty() {
        Login::Macaroons(
            if account.user.contains('@') { String::new() } else { user },
            cookies(&dir.join("cookies").join(format!("{name}.json")))?,
        )
    } else {
        Login::Password(user, account.password)
    };
    Ok(Access { addresses: controller.api_endpoints, ca_cert: controller.ca_cert, login })
}

/// Reads the macaroons in a client's cookie jar.
fn cookies(path: &Path) -> Result<Vec<Vec<Value>>, String> {
    let jar: Vec<Cookie> = serde_json::from_str(&read(path)?)
        .map_err(|error| format!("{} is not what a Juju client writes: {error}", path.display()))?;
    let of_login = jar.iter().filter(|cookie| cookie.name.starts_with("macaroon-"));
    let macaroons = of_login.filter_map(|cookie| {
        let json = STANDARD.decode(&cookie.value).ok()?;
        serde_json::from_slice(&json).ok()
    });
    let macaroons: Vec<Vec<Value>> = macaroons.collect();
    if macaroons.is_empty() {
        return Err(format!("{} has no password and no macaroon: type `juju login` there", path.display()));
    }
    Ok(macaroons)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn given(proof: JujuSecret, dir: &Path) -> JujuConfig {
        fs::write(dir.join("ca.pem"), "CA").unwrap();
        let access = JujuAccess::Given {
            endpoints: vec!["10.0.0.4:17070".to_owned()],
            ca_cert: dir.join("ca.pem"),
            user: "admin".to_owned(),
            secret: proof,
        };
        JujuConfig { name: "west".to_owned(), access }
    }

    #[test]
    fn a_password_a_token_and_macaroons_are_read_from_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "s3cret\n").unwrap();
        let login = |proof| access(&given(proof, dir.path())).unwrap().login;
        let password = login(JujuSecret::Password(path.clone()));
        let request = password.request("1.0").unwrap();
        assert_eq!((request.auth_tag.as_str(), &*request.credentials), ("user-admin", "s3cret"));
        assert_eq!(password.credentials().auth_tag, "user-admin");
        assert_eq!(password.ends_s(), None);
        let token = login(JujuSecret::Token(path.clone()));
        assert!(token.request("1.0").is_none());
        assert_eq!((token.credentials().auth_tag.as_str(), &*token.credentials().password), ("", "s3cret"));
        // {"exp":1795000000}
        assert_eq!(Login::Token("e30.eyJleHAiOjE3OTUwMDAwMDB9.c2ln".into()).ends_s(), Some(1_795_000_000));
        let ending = serde_json::json!({ "c": [{ "i": "time-before 2026-11-30T12:00:00Z" }] });
        assert_eq!(Login::Macaroons(String::new(), vec![vec![ending]]).ends_s(), Some(1_796_040_000));
        fs::write(&path, r#"[[{"c":[]}]]"#).unwrap();
        let macaroons = login(JujuSecret::Macaroons(path));
        assert_eq!(macaroons.request("1.0").unwrap().macaroons, [[json!({"c": []})]]);
    }

    #[test]
    fn a_secret_that_is_missing_or_empty_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let refused = |proof| access(&given(proof, dir.path())).err().unwrap();
        assert!(refused(JujuSecret::Password(path.clone())).contains("cannot read"));
        fs::write(&path, "\n").unwrap();
        assert!(refused(JujuSecret::Password(path.clone())).ends_with("secret is empty"));
        assert!(refused(JujuSecret::Macaroons(path)).contains("holds no list of macaroons"));
    }

    #[test]
    fn a_client_store_gives_a_password_or_the_macaroons_of_its_cookie_jar() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write(
            "controllers.yaml",
            "controllers:\n  west:\n    uuid: u\n    api-endpoints: ['10.0.0.4:17070', '10.0.0.5:17070']\n    ca-cert: |\n      PEM\n\
             current-controller: west\n",
        );
        write("accounts.yaml", "controllers:\n  west:\n    user: admin\n    password: pw\n");
        let config =
            |name: &str| JujuConfig { name: name.to_owned(), access: JujuAccess::ClientStore(dir.path().to_owned()) };
        let found = access(&config("west")).unwrap();
        assert_eq!(found.addresses, ["10.0.0.4:17070", "10.0.0.5:17070"]);
        assert_eq!(found.ca_cert.trim(), "PEM");
        assert_eq!(found.login.request("1").unwrap().credentials, "pw".into());
        assert!(access(&config("east")).err().unwrap().contains("has no controller \"east\", but west"));
        write("accounts.yaml", "controllers:\n  west:\n    user: carol@external\n");
        fs::create_dir(dir.path().join("cookies")).unwrap();
        let value = STANDARD.encode(r#"[{"i":"x"}]"#);
        write("cookies/west.json", &json!([{"Name": "macaroon-ab", "Value": value}, {"Name": "other"}]).to_string());
        let request = access(&config("west")).unwrap().login.request("1").unwrap();
        assert_eq!((request.auth_tag.as_str(), request.macaroons), ("", vec![vec![json!({"i": "x"})]]));
        write("cookies/west.json", "[]");
        assert!(access(&config("west")).err().unwrap().contains("juju login"));
    }
}
