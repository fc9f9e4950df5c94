//! Refusals that are no verdict on a call: the controller is busy, or denies its user what the call needs.
//!
//! Both are waited out. The second needs an operator, who is told what to type.

use std::path::Path;

use crate::config::{JujuAccess, JujuConfig, JujuSecret};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Where systemd puts the credentials of services: copies, made when the service starts.
const SYSTEMD: &str = "/run/credentials";

/// Reports whether the controller was too busy for a call: it did nothing, and the same call may succeed later.
pub(super) fn is_busy(error: &RpcError) -> bool {
    matches!(
        error.code,
        ErrorCode::TryAgain | ErrorCode::UpgradeInProgress | ErrorCode::NotYetAvailable | ErrorCode::QuotaLimitExceeded
    )
}

/// Reports whether the controller denies a call to the agent's user: it did nothing, and does it once an operator has replaced
/// the secret, or granted the right.
pub(super) fn is_denied(error: &RpcError) -> bool {
    matches!(
        error.code,
        ErrorCode::Unauthorized
            | ErrorCode::Forbidden
            | ErrorCode::NoCredentials
            | ErrorCode::LoginExpired
            | ErrorCode::SessionTokenInvalid
            | ErrorCode::DischargeRequired
    )
}

/// What an operator types when the controller denies the agent's user something.
#[derive(Debug, Clone)]
pub(super) struct Remedies {
    controller: String,
    replace: String,
    grant: String,
}

impl Remedies {
    /// Makes the texts of a configuration.
    pub fn of(config: &JujuConfig) -> Self {
        let name = &config.name;
        let user = match &config.access {
            JujuAccess::Given { user, .. } => user.as_str(),
            JujuAccess::ClientStore(_) => "USER",
        };
        Self {
            controller: name.clone(),
            replace: replacement(config),
            grant: format!("type `juju grant --controller {name} {user} superuser`"),
        }
    }

    /// Says that the controller refuses the login.
    pub fn login_refused(&self, error: &RpcError) -> String {
        let name = &self.controller;
        match is_busy(error) {
            true => format!("controller \"{name}\" is too busy for a login: {error}"),
            false => format!("controller \"{name}\" refuses the login: {error}; {}", self.replace),
        }
    }

    /// Says that the controller denies a call.
    pub fn denied(&self, error: &RpcError) -> String {
        let lacks_right = error.code == ErrorCode::Forbidden || error.message.contains("permission denied");
        let remedy = if lacks_right { &self.grant } else { &self.replace };
        format!("controller \"{}\" denies it to the agent's user: {error}; {remedy}", self.controller)
    }
}

/// Returns what puts another secret in the place of the one that the controller does not take.
fn replacement(config: &JujuConfig) -> String {
    let name = &config.name;
    let write = |what: &str, path: &Path| match path.starts_with(SYSTEMD) {
        true => {
            format!(
                "write {what} into the file that LoadCredential= names, and type `sudo systemctl restart modelferry`"
            )
        }
        false => format!("write {what} into {}, which is read again at the next attempt", path.display()),
    };
    match &config.access {
        JujuAccess::Given { user, secret: JujuSecret::Password(path), .. } => format!(
            "{}; `juju change-user-password --controller {name} {user}` sets a new one",
            write("the password", path)
        ),
        JujuAccess::Given { secret: JujuSecret::Token(path), .. } => write("a new session token", path),
        JujuAccess::Given { secret: JujuSecret::Macaroons(path), .. } => write("new macaroons", path),
        JujuAccess::ClientStore(dir) => format!(
            "type `JUJU_DATA={} juju login --controller {name}`; the store is read again at the next attempt",
            dir.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(secret: JujuSecret) -> Remedies {
        let (endpoints, ca_cert, user) = (Vec::new(), "/ca.pem".into(), "ferry".to_owned());
        let access = JujuAccess::Given { endpoints, ca_cert, user, secret };
        Remedies::of(&JujuConfig { name: "west".to_owned(), access })
    }

    #[test]
    fn what_to_type_fits_where_the_secret_is() {
        let refused = RpcError::bad_login();
        for (secret, told) in [
            (JujuSecret::Password("/etc/pw".into()), "write the password into /etc/pw, which is read again"),
            (JujuSecret::Password("/etc/pw".into()), "`juju change-user-password --controller west ferry`"),
            (
                JujuSecret::Password("/run/credentials/modelferry.service/west".into()),
                "`sudo systemctl restart modelferry`",
            ),
            (JujuSecret::Token("/etc/token".into()), "write a new session token into /etc/token"),
            (JujuSecret::Macaroons("/etc/jar".into()), "write new macaroons into /etc/jar"),
        ] {
            let text = given(secret).login_refused(&refused);
            assert!(
                text.contains("refuses the login: invalid entity name or password") && text.contains(told),
                "{text}"
            );
        }
        let store = JujuConfig { name: "west".to_owned(), access: JujuAccess::ClientStore("/home/u/juju".into()) };
        let text = Remedies::of(&store).login_refused(&refused);
        assert!(text.contains("`JUJU_DATA=/home/u/juju juju login --controller west`"), "{text}");
    }

    #[test]
    fn a_right_that_is_missing_is_granted_and_a_secret_that_is_refused_is_replaced() {
        let remedies = given(JujuSecret::Password("/etc/pw".into()));
        let forbidden = RpcError::new(ErrorCode::Forbidden, "authorization failed");
        for error in [RpcError::permission_denied(), forbidden] {
            assert!(remedies.denied(&error).ends_with("`juju grant --controller west ferry superuser`"));
        }
        let expired = RpcError::new(ErrorCode::LoginExpired, "login expired");
        assert!(remedies.denied(&expired).contains("write the password into /etc/pw"));
        let busy = RpcError::new(ErrorCode::TryAgain, "try again");
        assert_eq!(remedies.login_refused(&busy), "controller \"west\" is too busy for a login: try again");
    }
}
