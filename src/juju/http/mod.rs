//! HTTP beside the API's connections: uploads of a migration, `/health`, and streams' requests.

mod download;
mod head;
mod reply;
mod upload;

pub use download::Download;
pub use head::{Credentials, HttpRequest, RequestHead, Route};
pub use reply::HttpReply;
pub use upload::{HttpTarget, UploadBody, UploadError};
