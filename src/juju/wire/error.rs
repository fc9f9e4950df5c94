//! Errors as Juju writes them: a message, a code that programs act on, and sometimes details.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of error it is. Clients act on the code and print the message.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            /// No code: most clients print the message and stop.
            None,
            $($(#[$doc])* $name,)*
            /// A code that this program does not know; it is passed on unchanged.
            Other(String),
        }

        impl ErrorCode {
            /// Every code that has a name here.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code as it stands on the wire; empty for none.
            pub fn as_str(&self) -> &str {
                match self {
                    Self::None => "",
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for ErrorCode {
            fn from(text: &str) -> Self {
                match text {
                    "" => Self::None,
                    $($text => Self::$name,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

codes! {
    /// Wrong name, password or too little access. Go clients do not retry it.
    Unauthorized = "unauthorized access",
    /// Too little access although the login is good, at HTTP endpoints.
    Forbidden = "forbidden",
    /// The login has no credentials at all.
    NoCredentials = "no credentials provided",
    /// The login was good once.
    LoginExpired = "login expired",
    /// The session token is not valid (any more).
    SessionTokenInvalid = "session token invalid",
    /// A macaroon must be discharged by a third party first.
    DischargeRequired = "macaroon discharge required",
    /// The object does not exist.
    NotFound = "not found",
    /// The model does not exist.
    ModelNotFound = "model not found",
    /// The user does not exist.
    UserNotFound = "user not found",
    /// The object exists already.
    AlreadyExists = "already exists",
    /// The facade, its version or the method does not exist. Go clients reword it: never use it for a passing fault.
    NotImplemented = "not implemented",
    /// The operation is not possible here.
    NotSupported = "not supported",
    /// A value is not valid.
    NotValid = "not valid",
    /// The request is malformed.
    BadRequest = "bad request",
    /// The HTTP method does not fit the path.
    MethodNotAllowed = "method not allowed",
    /// The connection or the watcher has ended.
    Stopped = "stopped",
    /// The server is busy; agents retry.
    TryAgain = "try again",
    /// The controller upgrades itself.
    UpgradeInProgress = "upgrade in progress",
    /// The model is being migrated: changes are refused.
    MigrationInProgress = "model migration in progress",
    /// The model has another controller; `error-info` names it.
    Redirect = "redirection required",
    /// The entity was not provisioned with this nonce.
    NotProvisioned = "not provisioned",
    /// The entity is dead.
    Dead = "dead",
    /// The model has no leader of that kind, or the lease is held by another.
    LeadershipClaimDenied = "leadership claim denied",
    /// The operation is blocked by `juju disable-command`.
    OperationBlocked = "operation is blocked",
    /// A quota is exceeded.
    QuotaLimitExceeded = "quota limit exceeded",
    /// The archive is not downloaded yet.
    NotYetAvailable = "not yet available; try again later",
}

/// An error as it travels: the reply to a call, or `error` within a result.
///
/// Within results it is the object `{"message", "code", "info"?}`; at the envelope its parts are the keys `error`, `error-code`
/// and `error-info`. Both are written by this crate: facades only make the value.
///
/// ```
/// use modelferry::juju::rpc::{ErrorCode, RpcError};
/// let error = RpcError::new(ErrorCode::ModelNotFound, "model not found");
/// assert_eq!(serde_json::to_string(&error).unwrap(), r#"{"message":"model not found","code":"model not found"}"#);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// What a user reads.
    pub message: String,
    /// What a program acts on.
    pub code: ErrorCode,
    /// Details, an object.
    pub info: Option<Value>,
}

impl RpcError {
    /// Makes an error with a code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, info: None }
    }

    /// Makes an error without a code.
    pub fn plain(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::None, message)
    }

    /// Juju's answer to a wrong name or password; it never says which of the two.
    pub fn bad_login() -> Self {
        Self::new(ErrorCode::Unauthorized, "invalid entity name or password")
    }

    /// Juju's answer to a version of `Admin` that it does not have.
    pub fn unsupported_login() -> Self {
        Self::new(ErrorCode::NotSupported, "this version of Juju does not support login from old clients")
    }

    /// Juju's answer to a user whose access does not suffice.
    pub fn permission_denied() -> Self {
        Self::new(ErrorCode::Unauthorized, "permission denied")
    }

    /// Juju's answer to an unknown `what`, such as `model "x"`.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    /// Juju's answer to a model that does not exist, at a login.
    pub fn unknown_model(uuid: &str) -> Self {
        Self::new(ErrorCode::ModelNotFound, format!("unknown model: {uuid:?}"))
    }

    /// Juju's answer to a facade that does not exist.
    pub fn unknown_facade(facade: &str) -> Self {
        Self::new(ErrorCode::NotImplemented, format!("unknown facade type {facade:?}"))
    }

    /// Juju's answer to a version of a facade that does not exist.
    pub fn unknown_version(facade: &str, version: u32) -> Self {
        Self::new(ErrorCode::NotImplemented, format!("unknown version {version} for facade type {facade:?}"))
    }

    /// Juju's answer to a watcher or object id that does not exist.
    pub fn unknown_id() -> Self {
        Self::new(ErrorCode::NotFound, "unknown watcher id")
    }

    /// Sends the client to another controller, which it has to ask for with `Admin.RedirectInfo`.
    pub fn redirect_to_be_asked() -> Self {
        Self::new(ErrorCode::Redirect, "redirection to alternative server required")
    }

    /// The HTTP status that Juju answers with for this code.
    pub fn http_status(&self) -> u16 {
        match &self.code {
            ErrorCode::Unauthorized | ErrorCode::DischargeRequired | ErrorCode::NoCredentials => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound | ErrorCode::ModelNotFound | ErrorCode::UserNotFound => 404,
            ErrorCode::BadRequest => 400,
            ErrorCode::MethodNotAllowed => 405,
            ErrorCode::Redirect => 301,
            ErrorCode::NotYetAvailable => 409,
            _ => 500,
        }
    }
}

/// As Go's client renders an error: `message (code)`, and the code only where it adds something.
impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.as_str() {
            "" => f.write_str(&self.message),
            code if code == self.message => f.write_str(code),
            code => write!(f, "{} ({code})", self.message),
        }
    }
}

impl std::error::Error for RpcError {}

/// The error's shape within a result.
#[derive(Serialize, Deserialize)]
struct InResult {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<Value>,
}

impl Serialize for RpcError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.code.as_str().to_owned();
        InResult { message: self.message.clone(), code, info: self.info.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RpcError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let InResult { message, code, info } = InResult::deserialize(deserializer)?;
        Ok(Self { message, code: ErrorCode::from(code.as_str()), info })
    }
}
