//! The HTTP request of each upload, as masters make it.

use form_urlencoded::Serializer;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName};
use modelferry_protocol::snapshot::{BlobRef, Call, Resource};

use super::Inner;
use crate::controller::description::Description;
use crate::controller::description::application::{ResourceRevision, charm_name};
use crate::controller::port::ControllerError;

/// Hexadecimal digits of a charm's SHA-256 in its path; controllers ask for 7 or more.
const CHARM_DIGITS: usize = 8;
/// Names a charm's URL.
pub(super) const CHARM_URL: HeaderName = HeaderName::from_static("juju-curl");

/// An upload as the controller is asked for it.
pub(super) struct Request {
    /// What it is, for people and for the record.
    pub what: String,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(HeaderName, String)>,
    pub blob: BlobRef,
}

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

fn resource<'d>(told: &'d Description, application: &str, name: &str) -> Option<&'d ResourceRevision> {
    let application = told.applications.iter().find(|known| known.name == application)?;
    application.resources.iter().find(|known| known.name == name).map(|known| &known.revision)
}

/// Makes the query of a resource's upload of what the description says. `what`: the resource, for people.
fn resource_query(of: &Resource, told: &Description, what: &str) -> Result<String, ControllerError> {
    let told = resource(told, &of.application, &of.name);
    let told = told.ok_or_else(|| refused(format!("{what} is not named by the model description")))?;
    Ok(revision_query(&of.name, of.revision, told, ("application", &of.application)))
}

/// Makes the query by which a revision of a resource is said to be an application's, or a unit's. `of`: which, and its name.
pub(super) fn revision_query(name: &str, number: i64, revision: &ResourceRevision, of: (&str, &str)) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("name", name).append_pair("type", &revision.kind).append_pair("origin", &revision.origin);
    query.append_pair("revision", &number.to_string()).append_pair("size", &revision.size.to_string());
    query.append_pair("fingerprint", &revision.fingerprint);
    // Where a charm finds the file. Controllers of 3.6 want one; descriptions that do not tell it come from newer ones, and to
    // newer ones alone.
    let path = if revision.path.is_empty() { name } else { &revision.path };
    query.append_pair("path", path).append_pair("description", &revision.description);
    if !revision.username.is_empty() {
        query.append_pair("user", &revision.username);
    }
    if let Some(time) = nanoseconds(&revision.timestamp) {
        query.append_pair("timestamp", &time);
    }
    query.append_pair(of.0, of.1);
    query.finish()
}

/// Returns nanoseconds since 1970, as masters send times.
fn nanoseconds(time: &str) -> Option<String> {
    time.parse::<jiff::Timestamp>().ok().map(|time| time.as_nanosecond().to_string())
}

impl Inner {
    /// Makes the request that a call stands for. `what`: the name that the description's reader gives the binary.
    ///
    /// Errors: [`ControllerError::Refused`] for what the description does not name.
    pub(super) fn request(&self, call: &Call, told: &Description, what: String) -> Result<Request, ControllerError> {
        Ok(match call {
            Call::UploadCharm(charm) => {
                let object = match charm.object.is_empty() {
                    true => {
                        let sum = self.sha256.of(&self.store, charm.blob)?;
                        format!("{}-{}", charm_name(&charm.url).0, &sum[..CHARM_DIGITS])
                    }
                    false => charm.object.to_string(),
                };
                Request {
                    what,
                    method: Method::PUT,
                    path: format!("/migrate/charms/{object}"),
                    headers: vec![(CONTENT_TYPE, "application/zip".to_owned()), (CHARM_URL, charm.url.to_string())],
                    blob: charm.blob,
                }
            }
            Call::UploadAgentBinary(binary) => {
                let query = Serializer::new(String::new()).append_pair("binaryVersion", &binary.version).finish();
                Request {
                    what,
                    method: Method::POST,
                    path: format!("/migrate/tools?{query}"),
                    headers: vec![(CONTENT_TYPE, "application/x-tar-gz".to_owned())],
                    blob: binary.blob,
                }
            }
            Call::UploadResource(of) => {
                let query = match of.query.is_empty() {
                    true => resource_query(of, told, &what)?,
                    false => of.query.to_string(),
                };
                Request {
                    what,
                    method: Method::POST,
                    path: format!("/migrate/resources?{query}"),
                    headers: vec![(CONTENT_TYPE, "application/octet-stream".to_owned())],
                    blob: of.blob,
                }
            }
            other => return Err(refused(format!("{} uploads nothing", other.name()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_sent_in_nanoseconds() {
        assert_eq!(nanoseconds("2026-03-02T08:00:00Z").as_deref(), Some("1772438400000000000"));
        assert_eq!(nanoseconds(""), None);
    }
}
