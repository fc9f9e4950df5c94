//! Logins, by each way that Juju's clients know.

pub mod bakery;
mod device_login;
mod local_login;
mod login;
