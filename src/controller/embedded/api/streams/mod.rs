//! HTTP requests beside the API: logs and uploads.

mod log;
mod log_transfer;
mod uploads;
