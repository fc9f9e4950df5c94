//! HTTP beside the API's connections: uploads of a migration, `/health`, and streams' requests.

mod download;
mod reply;
mod upload;

pub use super::wire::head::{Credentials, HttpRequest, RequestHead, Route};
pub use download::Download;
pub use reply::HttpReply;
pub use upload::{HttpTarget, UploadBody, UploadError};
