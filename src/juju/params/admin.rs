//! `Admin`: logins, and where a model went.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::juju::rpc::{ErrorCode, FacadeVersions, RpcError};
use crate::secret::SecretText;

/// Parameters of `Admin.Login`.
/// `Debug` shows who logs in and not by what.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LoginRequest {
    /// Who logs in, such as `user-admin`; empty with macaroons of an external user.
    pub auth_tag: String,
    /// The password.
    pub credentials: SecretText,
    /// What a machine was provisioned with.
    pub nonce: String,
    /// Macaroons in the place of a password: each a list of one and its discharges.
    pub macaroons: Vec<Vec<Value>>,
    /// The macaroons' format; 3 in every client today.
    #[serde(skip_serializing_if = "is_zero")]
    pub bakery_version: u32,
    /// A JSON web token.
    #[serde(skip_serializing_if = "is_empty")]
    pub token: SecretText,
    /// The client's command line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cli_args: String,
    /// Text for the controller's audit log.
    pub user_data: String,
    /// The client's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_version: String,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { auth_tag, client_version, .. } = self;
        f.debug_struct("LoginRequest")
            .field("auth_tag", auth_tag)
            .field("client_version", client_version)
            .finish_non_exhaustive()
    }
}

fn is_empty(secret: &SecretText) -> bool {
    secret.is_empty()
}

/// Parameters of `Admin.LoginWithSessionToken`, and result of `Admin.GetDeviceSessionToken`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SessionTokenRequest {
    /// The token.
    pub session_token: SecretText,
}

/// Result of `Admin.LoginDevice`: where a user completes a login that began elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct DeviceLogin {
    /// What the user types there.
    pub user_code: String,
    /// The page's address.
    pub verification_uri: String,
}

/// Result of both logins.
///
/// Go clients insist on `server-version`, `controller-tag`, and a `model-tag` that is the model they dialled, absent at `/api`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct LoginResult {
    /// A macaroon to discharge: the login has not happened. In the first format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_required: Option<Value>,
    /// The same, in the format that Go prefers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bakery_discharge_required: Option<Value>,
    /// Why a discharge is required.
    #[serde(rename = "discharge-required-error", skip_serializing_if = "String::is_empty")]
    pub discharge_required_reason: String,
    /// The controller's addresses, grouped by machine. The CLI stores them in the place of those that it knew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Vec<HostPort>>,
    /// A name under which the controller has a public certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub public_dns_name: String,
    /// The model, on a connection to one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub model_tag: String,
    /// The controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_tag: String,
    /// Who is logged in; absent for machines and units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_info: Option<UserInfo>,
    /// What the connection offers.
    pub facades: Vec<FacadeVersions>,
    /// The controller's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_version: String,
}

/// Who is logged in, and what they may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct UserInfo {
    /// A name for people.
    pub display_name: String,
    /// The user's tag.
    pub identity: String,
    /// The login before this one, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connection: Option<String>,
    /// `login` or `superuser`; empty for none.
    pub controller_access: String,
    /// `read`, `write` or `admin`; empty for none.
    pub model_access: String,
}

/// An address and a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct HostPort {
    /// A host name or an IP address.
    pub value: String,
    /// `hostname`, `ipv4` or `ipv6`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `public`, `local-cloud`, `local-machine`, `link-local` or empty.
    pub scope: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Describes `host` and `port`; the type follows from the host's form.
    pub fn new(host: &str, port: u16) -> Self {
        use std::net::IpAddr;
        let (kind, scope) = match host.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() => (kind_of(address), "local-machine"),
            Ok(address) => (kind_of(address), "local-cloud"),
            Err(_) if host == "localhost" => ("hostname", "local-machine"),
            Err(_) => ("hostname", ""),
        };
        Self { value: host.to_owned(), kind: kind.to_owned(), scope: scope.to_owned(), port }
    }
}

impl HostPort {
    /// Reads `host:port` or `[v6]:port`; nothing for other text.
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::new(host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
    }
}

fn kind_of(address: std::net::IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4" } else { "ipv6" }
}

/// As it is dialled: `host:port`, `[v6]:port`.
impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, port, .. } = self;
        if value.contains(':') { write!(f, "[{value}]:{port}") } else { write!(f, "{value}:{port}") }
    }
}

/// Where a model went: `error-info` of a redirect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RedirectErrorInfo {
    /// The controller's addresses.
    pub servers: Vec<Vec<HostPort>>,
    /// The controller's CA, PEM.
    pub ca_cert: String,
    /// The controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_tag: String,
    /// The name that whoever migrated had for the controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_alias: String,
}

impl RpcError {
    /// Sends the client to another controller.
    pub fn redirect(to: &RedirectErrorInfo) -> Self {
        let info = serde_json::to_value(to).unwrap_or_else(|_| Value::Object(Map::new()));
        let message = "redirection to alternative server required";
        Self { message: message.to_owned(), code: ErrorCode::Redirect, info: Some(info) }
    }
}

/// Result of `Admin.RedirectInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RedirectInfoResult {
    /// The controller's addresses.
    pub servers: Vec<Vec<HostPort>>,
    /// The controller's CA, PEM.
    pub ca_cert: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::juju::params::from_value;

    #[test]
    fn a_login_of_the_migration_master_is_read() {
        let sent = json!({"auth-tag": "user-admin", "credentials": "secret", "nonce": "", "macaroons": null,
            "bakery-version": 3, "cli-args": "jujud machine", "user-data": "", "client-version": "3.6.28"});
        let login: LoginRequest = from_value(&sent).unwrap();
        assert_eq!((login.auth_tag.as_str(), &*login.credentials), ("user-admin", "secret"));
        assert!(login.macaroons.is_empty());
    }

    #[test]
    fn what_a_login_result_lacks_is_absent_and_not_null() {
        let result = LoginResult { server_version: "3.6.11".to_owned(), ..LoginResult::default() };
        assert_eq!(serde_json::to_string(&result).unwrap(), r#"{"facades":[],"server-version":"3.6.11"}"#);
    }

    #[test]
    fn a_device_login_and_a_session_token_are_written_in_jujus_keys() {
        let login = DeviceLogin { user_code: "BCDF-GHJK".into(), verification_uri: "https://here/login".into() };
        let golden = json!({"user-code": "BCDF-GHJK", "verification-uri": "https://here/login"});
        assert_eq!(serde_json::to_value(login).unwrap(), golden);
        let token = SessionTokenRequest { session_token: "t".into() };
        assert_eq!(serde_json::to_value(token).unwrap(), json!({"session-token": "t"}));
    }

    #[test]
    fn a_host_and_port_says_what_it_is() {
        let golden = json!({"value": "10.0.0.1", "type": "ipv4", "scope": "local-cloud", "port": 17070});
        assert_eq!(serde_json::to_value(HostPort::new("10.0.0.1", 17070)).unwrap(), golden);
        assert_eq!(HostPort::new("::1", 1).to_string(), "[::1]:1");
        assert_eq!(HostPort::new("juju.example", 2).kind, "hostname");
    }
}
